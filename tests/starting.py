"""An interrupt that comes while a thread starts: before it, after it, or while nobody knows yet."""

from __future__ import annotations

import threading

MOMENTS = ["before", "while", "after"]


def interrupt_the_start(monkeypatch, name, moment, once_begun=lambda: None):
    """Have a KeyboardInterrupt come at the start of the thread of this name, once `once_begun` returns where
    it comes after. Returns a function that waits for a thread that begins late, as that of "while" does."""
    start, late = threading.Thread.start, []

    def interrupted(thread):
        if thread.name != name:
            return start(thread)
        if moment == "while":
            late.append(threading.Timer(0.2, start, (thread,)))
            start(late[0])
        if moment == "after":
            start(thread)
            once_begun()
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    return lambda: [timer.join() for timer in late]
