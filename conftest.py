"""What all tests need, also those of the Python client."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, as it does at a terminal: what a script starts in the background begins with SIGINT ignored,
    and so would be every process that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
