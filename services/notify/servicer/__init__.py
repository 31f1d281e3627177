"""The gRPC methods of notify, one file per subject: each parses, calls and renders."""
