"""The jobs: each is one function that calls use cases, and may run twice at once."""
