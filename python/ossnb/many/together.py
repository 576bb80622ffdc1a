"""Tasks that run at the same time, a thread for each: threads that wait for the engine share its passes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from ..engine.turns import POLL_S, wait_forever_here

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Task(Protocol[T_co]):
    """Something that takes long and can be told to stop, such as a Stream."""

    def run(self) -> T_co: ...
    def cancel(self) -> None: ...


def as_done(
    tasks: Iterable[Task[T]], most: int, while_waiting: Callable[[], None] = lambda: None
) -> Generator[tuple[int, T | BaseException], None, None]:
    """Run tasks, at most so many at a time, and yield the number of each with its result as they end.

    >>> streams = [model.stream(f"What is 2 + {n}?", temperature=0) for n in (2, 3)]
    >>> sorted((number, reply.text) for number, reply in as_done(streams, most=2))
    [(0, '2 + 2 = 4.'), (1, '2 + 3 = 5.')]

    `while_waiting` is called many times a second. A task that raises has its error as its result. A task is
    taken from `tasks` when there is room for it. If the caller stops, or is interrupted, the running tasks
    are cancelled and waited for. Where the system starts no more threads, fewer tasks run at a time; if it
    starts none, this raises RuntimeError. A forked child has none of the threads: there the results of the
    tasks that run are RuntimeErrors.
    """
    done: SimpleQueue[tuple[int, T | BaseException]] = SimpleQueue()
    running: dict[int, tuple[Task[T], threading.Thread]] = {}
    begun: set[int] = set()
    is_over = threading.Event()
    waiting = enumerate(tasks)

    def run(number: int, task: Task[T]) -> None:
        wait_forever_here()
        begun.add(number)
        if is_over.is_set():
            return
        try:
            done.put((number, task.run()))
        except BaseException as error:
            done.put((number, error))

    held_back: list[tuple[int, Task[T]]] = []
    try:
        while True:
            while len(running) < most and (new := held_back.pop() if held_back else next(waiting, None)):
                name = f"one of many, number {new[0]}"
                thread = threading.Thread(target=run, args=new, name=name, daemon=True)
                running[new[0]] = new[1], thread
                try:
                    thread.start()
                except RuntimeError:  # no more threads
                    del running[new[0]]
                    if not running:
                        raise
                    most = len(running)
                    held_back.append(new)
            if not running:
                return
            threads = {number: thread for number, (_, thread) in running.items()}
            number, result = _next(done, threads, while_waiting)
            del running[number]
            yield number, result
    finally:
        # An interrupt may come while a thread starts: either it is known to have begun, or it sees that all
        # is over. It may also have taken a result away, so the wait is for the threads.
        is_over.set()
        for task, _ in running.values():
            task.cancel()
        for number, (_, thread) in running.items():
            if number in begun and not sys.is_finalizing():  # then a thread stands still, and never ends
                thread.join()


def _next(
    done: SimpleQueue[tuple[int, T | BaseException]],
    threads: dict[int, threading.Thread],
    while_waiting: Callable[[], None],
) -> tuple[int, T | BaseException]:
    """Wait in short steps: another thread may have got the signal of an interrupt, and wakes nobody."""
    while True:
        ended = [number for number, thread in threads.items() if not thread.is_alive()]
        try:
            return done.get(timeout=POLL_S)
        except Empty:
            if ended:  # a result would have been there before the end
                return ended[0], RuntimeError(
                    "this process was forked while a thread of its parent did this, and that thread was not "
                    "copied; ask again in this process"
                )
            while_waiting()
