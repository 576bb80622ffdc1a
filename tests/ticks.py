"""A thread that ticks beside something, and how long it stood still: whoever keeps the GIL stops it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

TICK_S = 0.001


@contextlib.contextmanager
def ticking() -> Iterator[list[float]]:
    """Yield a list; at the end of the block it holds the seconds between each two ticks."""
    gaps: list[float] = []
    is_over = threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not is_over.is_set():
            time.sleep(TICK_S)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield gaps
    finally:
        is_over.set()
        thread.join()
