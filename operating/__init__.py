"""What operators look at and decide: the subcommands of `python -m services.<context>` that run no process."""
