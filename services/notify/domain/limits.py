"""How much is asked of each host at once, and which hosts are left alone for a while because they do not answer."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 1.0, 300.0
PATIENCE = 3
"""A host serves many; what fails twice may be wrong with two of them."""
FORGOTTEN_SECONDS = 600.0
"""A host that failed and was not called for so long after its wait has no history any more."""


@dataclass(slots=True)
class _Host:
    calls: int = 0
    failures: int = 0
    failed_at: float = 0.0
    opens_at: float = 0.0


class Hosts:
    """The calls that this process makes: at most `in_all` at once, at most `at_once` to one host.

    A host that fails three times without an answer in between is not called for 1 s, doubled with each further failure,
    or for as long as it asked for, at most 5 minutes; then one call at a time tries it, until it answers. Times are
    those of this process: instances learn apart. `place` is kept for who claims: the host from which to go on.
    """

    def __init__(
        self,
        *,
        in_all: int,
        at_once: int,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.in_all = in_all
        self.at_once = at_once
        self._now = now
        self._chance = chance
        self._hosts: dict[str, _Host] = {}
        self.place = ""

    def room(self) -> int:
        """How many more calls may begin now."""
        return self.in_all - sum(host.calls for host in self._hosts.values())

    def slots(self) -> Mapping[str, int]:
        """How many more calls may begin to each host that is busy or failed; to any other it is `at_once`."""
        now = self._now()
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.calls or (host.failures and now < max(host.opens_at, host.failed_at) + FORGOTTEN_SECONDS)
        }
        return {name: max(0, self._most(host, now) - host.calls) for name, host in self._hosts.items()}

    def waiting(self) -> int:
        """How many hosts are left alone at the moment."""
        now = self._now()
        return sum(now < host.opens_at for host in self._hosts.values())

    def enter(self, name: str) -> None:
        """A call to the host begins."""
        self._hosts.setdefault(name, _Host()).calls += 1

    def leave(self, name: str) -> None:
        """A call to the host has ended, however it did."""
        self._hosts[name].calls -= 1

    def answered(self, name: str) -> None:
        """The host is well."""
        host = self._hosts[name]
        host.failures, host.opens_at = 0, 0.0

    def failed(self, name: str, after: float | None = None) -> None:
        """The host did not answer, or said that it cannot; `after` is when it wants to be called again, in seconds.

        Calls that are still under way when it is left alone, and fail later, count no more.
        """
        host, now = self._hosts[name], self._now()
        if now < host.opens_at:
            return
        host.failures, host.failed_at = host.failures + 1, now
        if host.failures >= PATIENCE:
            wait = FIRST_WAIT_SECONDS * 2.0 ** min(host.failures - PATIENCE, 20)
            # Between half and the whole, so that instances and hosts do not come back together.
            wait = max(min(MAX_WAIT_SECONDS, wait) * (0.5 + self._chance() / 2), after or 0.0)
            host.opens_at = now + min(MAX_WAIT_SECONDS, wait)

    def _most(self, host: _Host, now: float) -> int:
        if now < host.opens_at:
            return 0
        return 1 if host.failures >= PATIENCE else self.at_once
