"""System calls that Python has no function for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import sys
from typing import Any

IS_LINUX = sys.platform == "linux"
MACHINE = platform.machine()
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECUREBITS, _PR_SET_CHILD_SUBREAPER, _PR_SET_PDEATHSIG = 38, 28, 36, 1
_NO_ROOT = 0b11  # uid 0 has no powers of its own, and this is final


def libc() -> Any:
    """Return the C library, whose functions set errno; OSError where there is none."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> int:
    """Return the result of a call of the C library; OSError where it is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def no_new_privileges() -> None:
    """Give up, for this process and its children, what a setuid program would grant."""
    checked(libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def no_root_powers() -> None:
    """Have root be a user as any other in the programs that this process becomes."""
    checked(libc().prctl(_PR_SET_SECUREBITS, _NO_ROOT, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Be the parent of descendants whose own parent ends."""
    checked(libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def end_with_parent() -> None:
    """Have the system end this process when the thread that started it ends."""
    checked(libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def go_first() -> None:
    """Run before all others where the system lets this process do so; its children do not."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
