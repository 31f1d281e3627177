"""Many small things done in one round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis import tracing

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class _Portion(Generic[T, S]):
    items: list[T]
    traces: list[Mapping[str, str]]
    done: asyncio.Future[Sequence[S]]


def together(name: str, do: Callable[[Sequence[T]], Awaitable[Sequence[S]]]) -> Callable[[T], Awaitable[S]]:
    """`do` for one at a time, of which it tells what became: what comes while it is under way comes next, all at once.

    Where a portion can't be done, all of it raise. Where several traces meet in a portion, its span is in none of them,
    and linked to all.
    """
    turn = asyncio.Lock()
    gathering: _Portion[T, S] | None = None

    async def do_one(item: T) -> S:
        nonlocal gathering
        mine = gathering = gathering or _Portion([], [], asyncio.get_running_loop().create_future())
        place = len(mine.items)
        mine.items.append(item)
        mine.traces.append(tracing.carried())
        async with turn:
            if gathering is mine:
                # Those who are as far as this one come along.
                await asyncio.sleep(0)
                gathering = None
                try:
                    with tracing.joint_span(name, mine.traces):
                        mine.done.set_result(await do(mine.items))
                except Exception as error:
                    mine.done.set_exception(error)
                finally:
                    mine.done.cancel()
        return (await mine.done)[place]

    return do_one
