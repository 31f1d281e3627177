"""An event loop in a thread of its own, on which the synchronous client runs the asynchronous one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import CancelledError, Future, wait
from typing import Any, TypeVar

import anyio.lowlevel

T = TypeVar("T")

TURN_SECONDS = 0.5
LONGEST_END_SECONDS = 5.0
CLOSED = "The client is closed."
IN_CALLBACK = "A callback cannot use the client that calls it: both would wait for each other."


class LoopThread:
    """Runs coroutines for callers in any thread. The thread is a daemon: who forgets to close does not hang at exit."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="nextplay-client", daemon=True)
        self._thread.start()
        # Its first use imports what httpx needs on a loop: now, not in the time of the first request.
        self.run(anyio.lowlevel.checkpoint())

    @property
    def runs(self) -> bool:
        """Whether it is not closed."""
        return not self._loop.is_closed()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result. Who is interrupted here (Ctrl-C) cancels it and waits until it has ended.

        Raises RuntimeError where the thread is closed, also meanwhile, and in the thread itself, which would wait for
        itself.
        """
        if not self.runs or threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError(IN_CALLBACK if self.runs else CLOSED)
        ended = threading.Event()

        async def hosted() -> T:
            try:
                return await coroutine
            finally:
                ended.set()

        future: Future[T] | None = None
        try:
            future = asyncio.run_coroutine_threadsafe(hosted(), self._loop)
            # In turns, because a signal that comes just before a wait begins would be seen only when it ends.
            while not wait([future], timeout=TURN_SECONDS).done:
                if not self.runs:
                    raise RuntimeError(CLOSED)
            return future.result()
        except CancelledError:
            raise RuntimeError(CLOSED) from None
        except BaseException:
            if future is not None and future.cancel() and self.runs:
                ended.wait(LONGEST_END_SECONDS)
            raise

    def iterate(self, entries: AsyncIterator[T]) -> Iterator[T]:
        """The entries, each fetched when it is asked for; who stops early ends the asynchronous iterator too."""
        try:
            while True:
                try:
                    yield self.run(_next(entries))
                except StopAsyncIteration:
                    return
        finally:
            close = getattr(entries, "aclose", None)
            if close is not None and self.runs:
                self.run(close())

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel what still runs, run `last`, and end the thread."""
        self.run(_end_others())
        self.run(last)
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _serve(self) -> None:
        while True:
            try:
                self._loop.run_forever()
            except (KeyboardInterrupt, SystemExit):
                # Raised by a callback, as by sys.exit(): the loop, which stops there, has to bring it to its caller.
                continue
            return


async def _end_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=LONGEST_END_SECONDS)


async def _next(entries: AsyncIterator[T]) -> T:
    return await anext(entries)
