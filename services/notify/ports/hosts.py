"""Whom a user may have called."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

HostOf: TypeAlias = Callable[[str], Coroutine[Any, Any, str]]
"""`await host_of(url)`: the host of a URL that may be called, with its port where that is not the scheme's own. Raises
InvalidArgument, naming the field that it was made for."""
