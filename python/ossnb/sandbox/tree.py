"""The processes that a process has started, as Linux lists them in /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def below(pid: int, most: int = 10_000, proc: Path = Path("/proc")) -> list[int]:
    """List a process and all that it started, directly or not, until there are more than `most`."""
    found, at = [pid], 0
    while at < len(found) <= most:
        found += _children(found[at], proc)
        at += 1
    return found


def _children(pid: int, proc: Path) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(proc / str(pid) / "task"):
            with contextlib.suppress(OSError):
                children += map(int, (proc / str(pid) / "task" / task / "children").read_text().split())
    return children


def memory(pids: list[int], most: float, proc: Path = Path("/proc")) -> int:
    """Count the bytes of memory that processes have of their own.

    Memory that forked processes share is counted once for each, unless that is more than `most`.
    """
    n_bytes = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            resident, shared = (proc / str(pid) / "statm").read_text().split()[1:3]
            n_bytes += (int(resident) - int(shared)) * PAGE
    if n_bytes <= most:
        return n_bytes
    with contextlib.suppress(PermissionError):
        return sum(_own_memory(pid, proc) for pid in pids)
    return n_bytes


def _own_memory(pid: int, proc: Path) -> int:
    """Count the bytes of a process, and its share of those that it shares with others."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in (proc / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) * 1024
    return 0


def alive(pids: list[int], proc: Path = Path("/proc")) -> int:
    """Count the processes that have not ended; one that nobody has waited for yet is still listed."""
    n = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            n += (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return n


def kill_all(pid: int) -> None:
    """End a process, its group and all that it started, also what has left the group."""
    pids = [pid]  # at once: where it is the first of its namespace, this ends all others
    for _ in range(100):  # what starts processes meanwhile is found in the next round
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        for one in pids:
            with contextlib.suppress(OSError):
                os.kill(one, signal.SIGKILL)
        pids = [one for me in (pid, os.getpid()) for one in below(me) if one != os.getpid()]
        if alive(pids) == 0:
            return
        time.sleep(0.01)


def disk(folder: Path, most_files: int) -> tuple[int, int]:
    """Count the bytes on disk of a folder's files, and the files; it stops counting at `most_files`."""
    n_bytes = n_files = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                n_bytes += os.lstat(os.path.join(place, name)).st_blocks * 512
            n_files += 1
        if n_files > most_files:
            break
    return n_bytes, n_files
