"""The processes that a process has started, as Linux lists them in /proc."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterable
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
    """Count the bytes of memory that processes have: all but what a file on the disk backs.

    Memory that processes share is counted once for each, unless that is more than `most`.
    """
    n_bytes = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            resident, shared = (proc / str(pid) / "statm").read_text().split()[1:3]
            n_bytes += (int(resident) - int(shared)) * PAGE  # `shared` is files, and shared memory
            n_bytes += _bytes_in(proc / str(pid) / "status", "RssShmem:")
    if n_bytes <= most:
        return n_bytes
    with contextlib.suppress(PermissionError):
        return sum(_own_memory(pid, proc) for pid in pids)
    return n_bytes


def _own_memory(pid: int, proc: Path) -> int:
    """Count the bytes of a process, and its share of those that it shares with others."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return _bytes_in(proc / str(pid) / "smaps_rollup", "Pss_Anon:", "Pss_Shmem:")
    return 0


def _bytes_in(file: Path, *names: str) -> int:
    """Add up the lines of these names, which give kilobytes; a process may name itself by any bytes."""
    lines = file.read_text(errors="replace").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))


def alive(pids: list[int], proc: Path = Path("/proc")) -> int:
    """Count the processes that have not ended; one that nobody has waited for yet is still listed."""
    n = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            stat_line = (proc / str(pid) / "stat").read_text(errors="replace")
            n += stat_line.rpartition(")")[2].split()[0] != "Z"
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


def disk(folders: Iterable[str], most_files: int) -> tuple[int, int]:
    """Count the bytes on disk of all that is in folders, and the files and folders, until `most_files`.

    Raises OSError for a folder that is there and cannot be read.
    """
    n_bytes = n_files = 0
    places = list(folders)
    while places and n_files <= most_files:
        for entry in _entries(places.pop()):
            n_files += 1
            if n_files > most_files:
                break
            with contextlib.suppress(FileNotFoundError):
                n_bytes += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    places.append(entry.path)
    return n_bytes, n_files


def _entries(place: str) -> Iterable[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
        yield from entries


def deleted(pids: list[int], proc: Path = Path("/proc")) -> tuple[int, int]:
    """Count the bytes on disk of files that processes hold open and no folder names any more, and these."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        place = proc / str(pid) / "fd"
        with contextlib.suppress(OSError):
            for name in os.listdir(place):
                with contextlib.suppress(OSError):
                    file = os.stat(place / name)
                    if file.st_nlink == 0 and stat.S_ISREG(file.st_mode):
                        found[file.st_dev, file.st_ino] = file.st_blocks * 512
    return sum(found.values()), len(found)


def remove(folder: str | Path) -> None:
    """Remove a folder and what can be removed in it, also where folders lie too deep for Python."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL, check=False)
