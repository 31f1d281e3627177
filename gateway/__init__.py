import chassis.errors  # noqa: F401 - chassis before gRPC, which reads its environment when it is imported
