"""The gRPC methods: each parses, calls and renders."""
