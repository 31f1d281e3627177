"""How deliveries are made, of whatever channel; `services.notify.delivering` goes that way."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from services.notify.domain.turns import OfHostAndUser, Rooms

C = TypeVar("C", bound="Claimed")
M = TypeVar("M")
R = TypeVar("R", bound="Result")


class Claimed(OfHostAndUser, Protocol):
    """A delivery that is to be made now."""

    @property
    def trace(self) -> Mapping[str, str]:
        """The headers of the trace that it continues."""


class Result(Protocol):
    """What came of sending one."""

    @property
    def host_answered(self) -> bool | None:
        """Whether its host is well; None where nothing was learnt of it."""

    @property
    def after(self) -> float | None:
        """For how many seconds the host wants to be left alone, where it told."""


@dataclass(frozen=True)
class Way(Generic[C, M, R]):
    """How the deliveries of a channel are made.

    `claim(rooms, place)` leases what there is room for, from the host `place` on, and tells the host with which to go
    on. `look_again` reads what is sent right before it is: None where it is not to be any more, which is settled then.
    `send` ends in good time and raises nothing. `write_down` judges and gives the claim back; what it does not come to
    is left to the lease, and sent again.
    """

    name: str
    claim: Callable[[Rooms, str], Awaitable[tuple[Sequence[C], str]]]
    look_again: Callable[[C], Awaitable[M | None]]
    send: Callable[[M], Awaitable[R]]
    write_down: Callable[[M, R], Awaitable[object]]
