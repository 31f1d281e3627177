import os

# gRPC's core would write lines of its own to stderr, between those of the log, which are JSON. It reads this when it is
# imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
