"""What a function returns in a forked child."""

from __future__ import annotations

import os
import signal
import time

import pytest

LIMIT_S = 60


def in_child(function):
    """What a function returns, as text, in a child of this process; of an error its type and its message."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = str(function())
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + LIMIT_S
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read().decode()
