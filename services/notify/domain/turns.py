"""Whose turn it is: how much goes to each host and for each user at once, and which hosts are left alone for a while
because they do not answer."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 1.0, 300.0
PATIENCE = 3
"""A host serves many; what fails twice may be wrong with two of them."""
FORGOTTEN_SECONDS = 600.0
"""A host that failed and was not called for so long after its wait has no history any more."""


class OfHostAndUser(Protocol):
    """What takes a turn: a delivery that is on its way to a host for a user."""

    @property
    def host(self) -> str: ...
    @property
    def user_id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A delivery that is due."""

    delivery_id: UUID
    host: str
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Rooms:
    """How many more may be sent now: in all, to each host and for each user that are named, and to or for any other."""

    in_all: int
    hosts: Mapping[str, int]
    per_host: int
    users: Mapping[UUID, int]
    per_user: int

    def fit(self, found: Iterable[Found]) -> Sequence[UUID]:
        """Which of those found there is room for, the first of them first."""
        hosts, users, fitting = Counter[str](), Counter[UUID](), list[UUID]()
        for one in found:
            if len(fitting) == self.in_all:
                break
            host_is_full = hosts[one.host] >= self.hosts.get(one.host, self.per_host)
            if not host_is_full and users[one.user_id] < self.users.get(one.user_id, self.per_user):
                hosts[one.host] += 1
                users[one.user_id] += 1
                fitting.append(one.delivery_id)
        return fitting


@dataclass(frozen=True, slots=True)
class HostState:
    """What a process knows of a host: how many it sends there now, how many calls have failed since the last answer,
    and for how many seconds it is still left alone."""

    host: str
    under_way: int
    failures: int
    seconds_alone: float


@dataclass(slots=True)
class _Host:
    under_way: int = 0
    failures: int = 0
    failed_at: float = 0.0
    opens_at: float = 0.0


class Turns:
    """What this process sends: at most `in_all` at once, `per_host` to one host and `per_user` for one user. Only what
    is being sent is counted; what waits is not claimed.

    A host that fails three times without an answer in between is not called for 1 s, doubled with each further failure,
    or for as long as it asked for, at most 5 minutes; then one call at a time tries it, until it answers. Times are
    those of this process: instances learn apart.
    """

    def __init__(
        self,
        *,
        in_all: int,
        per_host: int,
        per_user: int,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.in_all, self.per_host, self.per_user = in_all, per_host, per_user
        self._now = now
        self._chance = chance
        self._hosts: dict[str, _Host] = {}
        self._users: Counter[UUID] = Counter()

    def under_way(self) -> int:
        """How many are being sent."""
        return self._users.total()

    def rooms(self) -> Rooms:
        """For how many more there is room."""
        now = self._now()
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.under_way or (host.failures and now < max(host.opens_at, host.failed_at) + FORGOTTEN_SECONDS)
        }
        return Rooms(
            self.in_all - self.under_way(),
            {name: max(0, self._most(host, now) - host.under_way) for name, host in self._hosts.items()},
            self.per_host,
            {user_id: max(0, self.per_user - under_way) for user_id, under_way in self._users.items()},
            self.per_user,
        )

    def states(self) -> Sequence[HostState]:
        """Of every host that is called now or failed lately: those left alone longest first, then the busiest."""
        now = self._now()
        states = [
            HostState(name, host.under_way, host.failures, max(0.0, host.opens_at - now))
            for name, host in self._hosts.items()
            if host.under_way or host.failures
        ]
        return sorted(states, key=lambda state: (-state.seconds_alone, -state.under_way, state.host))

    def take(self, one: OfHostAndUser) -> None:
        """It begins to be sent."""
        self._hosts.setdefault(one.host, _Host()).under_way += 1
        self._users[one.user_id] += 1

    def leave(self, one: OfHostAndUser) -> None:
        """It is not being sent any more, however that ended."""
        self._hosts[one.host].under_way -= 1
        self._users[one.user_id] -= 1
        if not self._users[one.user_id]:
            del self._users[one.user_id]

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
        return 1 if host.failures >= PATIENCE else self.per_host
