"""The `nextplay` command: the library's client in the words of a shell.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 the clip was refused or its processing failed, 130 interrupted.
"""
