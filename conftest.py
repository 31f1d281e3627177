"""What all tests need, also those of the Python client."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, as at a terminal: what a script starts in the background begins with SIGINT ignored.

    So would every process that a test starts and interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
