"""The process between us and a session: `python -m ossnb.sandbox.launch WALLS COMMAND...`.

It puts up the walls, starts the command behind them, and watches over it. It writes lines of JSON to its
standard output: first the walls that stand, at the end why the session ended. It reads single letters from
its standard input: `i` interrupts the session, and the end of the input, or `k`, ends it. So the session ends
with us, however we end.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..system.progress import size_text
from . import calls, landlock, namespaces, seccomp, tree
from .walls import WALLS, Report, Walls

WATCH_S = 0.05  # between two looks at the processes
DISK_S = 0.5  # between two looks at the files
MARGIN = 1.25  # of memory: the limit of one process is met first, and raises an error in it


def main(walls_json: str, *command: str) -> int:
    """Run a command behind walls until it ends, or is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    walls, report = Walls.from_json(walls_json), Report()
    if calls.IS_LINUX:
        calls.go_first()
    _try(report, walls, "namespaces", namespaces.enter)
    has_namespaces = "namespaces" in report.standing
    if calls.IS_LINUX:
        calls.adopt_orphans()
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        _become(walls, report, told, command)
    os.close(told)
    with os.fdopen(heard) as pipe:
        first = pipe.read()
    _say(json.loads(first) if first else {"failed": "it ended at once"})
    return _watch(child, walls, has_namespaces=has_namespaces)


# ---- before the session: the walls -------------------------------------------------------------------------


def _become(walls: Walls, report: Report, told: int, command: tuple[str, ...]) -> None:
    """In the child: put up the walls, tell which stand, and become the command."""
    try:
        os.setsid()  # also for the scheduler: many processes of a session do not slow down its watcher
        found = json.dumps(asdict(_put_up(walls, report)))
        os.write(told, found.encode())
        os.set_inheritable(told, False)
        os.chdir(walls.work)
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 0)
        os.dup2(silence, 1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execve(command[0], list(command), walls.environment())
    except BaseException as error:
        os.write(told, json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(127)


def _put_up(walls: Walls, report: Report) -> Report:
    """Put up all walls that can be had; return those that stand, as a user knows them."""
    own = set[str]()
    if "namespaces" in report.standing:
        with contextlib.suppress(OSError):
            own = namespaces.own_mounts()
    if calls.IS_LINUX and "namespaces" not in walls.without:
        with contextlib.suppress(OSError):
            calls.no_root_powers()
    has_own = "namespaces" in report.standing
    _try(report, walls, "limits", lambda: _limit(walls, has_own_processes=has_own))
    if calls.IS_LINUX:
        calls.no_new_privileges()
        calls.end_with_parent()
    readable, writable = [*walls.readable(), *own & {"/proc"}], [*walls.writable(), *own & {"/dev/shm"}]
    _try(report, walls, "landlock", lambda: landlock.restrict(readable, writable))
    _try(report, walls, "seccomp", lambda: seccomp.restrict(has_own_network=has_own))
    return _summary(walls, report)


def _try(report: Report, walls: Walls, name: str, put_up: Callable[[], Any]) -> None:
    try:
        if name in walls.without:
            raise OSError("left out")
        if not calls.IS_LINUX and name != "limits":
            raise OSError("only Linux has it")
        report.standing[name] = str(put_up())
    except (OSError, AttributeError, ValueError) as error:
        report.missing[name] = str(error)


def _summary(walls: Walls, report: Report) -> Report:
    """Say what the walls that stand mean."""
    has, why = report.standing.keys(), report.missing
    most = f"memory {size_text(walls.memory)}, files {size_text(walls.disk)}"
    found = {
        "files": ("landlock" in has, "files only in its own folder", why.get("landlock")),
        "network": (
            not has.isdisjoint({"namespaces", "seccomp"}),
            "no network",
            f"{why.get('namespaces')}; {why.get('seccomp')}",
        ),
        "processes": (
            "namespaces" in has or _hides_processes(report),
            f"no other processes, {walls.n_processes} of its own",
            why.get("namespaces"),
        ),
        "memory": ("limits" in has and calls.IS_LINUX, most, why.get("limits", "only Linux enforces it")),
    }
    standing = {name: found[name][1] for name in WALLS if found[name][0]}
    return Report(standing, {name: str(found[name][2]) for name in WALLS if not found[name][0]})


def _hides_processes(report: Report) -> bool:
    """Whether Landlock is new enough to keep signals from other processes."""
    return int(report.standing.get("landlock", 0)) >= 6


def _limit(walls: Walls, *, has_own_processes: bool) -> None:
    limits = {
        resource.RLIMIT_AS: walls.memory,
        resource.RLIMIT_FSIZE: walls.disk // 4,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 1024,
    }
    if has_own_processes:  # elsewhere it would count all processes of the user, and threads
        limits[resource.RLIMIT_NPROC] = 4 * walls.n_processes
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


# ---- while the session runs --------------------------------------------------------------------------------


def _watch(child: int, walls: Walls, *, has_namespaces: bool) -> int:
    """Wait for the end of the session, do what we are told, and end it where it takes too much."""
    is_limited, looked_at_disk = "limits" not in walls.without, time.monotonic()
    root = child if has_namespaces else os.getpid()
    why = ""
    while not _has_ended(child):
        ready, _, _ = select.select([0], [], [], WATCH_S)
        letter = os.read(0, 1) if ready else None
        if letter == b"i":
            with contextlib.suppress(OSError):
                os.killpg(child, signal.SIGINT)
        elif letter is not None:
            why = "told"
        if is_limited and not why and calls.IS_LINUX:
            why = _too_much(root, walls)
            if not why and time.monotonic() > looked_at_disk + DISK_S:
                why, looked_at_disk = _too_full(root, walls), time.monotonic()
        if why:
            break
    tree.kill_all(child)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        _say({"ended": why or _how(status)})
    tree.remove(walls.folder)  # we may be gone
    return 0


def _has_ended(child: int) -> bool:
    """Whether the session has ended; it is not waited for yet, so that nobody else gets its number."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child, flags) is not None


def _too_much(root: int, walls: Walls) -> str:
    pids = tree.below(root, 2 * walls.n_processes)
    if len(pids) > walls.n_processes and tree.alive(pids) > walls.n_processes:
        return f"it started more than {walls.n_processes} processes"
    most = walls.memory * MARGIN
    if tree.memory(pids, most) > most:
        return f"its processes took more than {size_text(walls.memory)} of memory"
    return ""


def _too_full(root: int, walls: Walls) -> str:
    try:
        n_bytes, n_files = tree.disk(walls.own_folders(), walls.n_files)
    except OSError as error:  # what is in it would not count
        return f"it made a folder that cannot be looked into: {error.strerror}"
    n_held_bytes, n_held = tree.deleted(tree.below(root, 2 * walls.n_processes))
    if n_bytes + n_held_bytes > walls.disk:
        return f"its files took more than {size_text(walls.disk)} of the disk"
    return f"it wrote more than {walls.n_files:,} files" if n_files + n_held > walls.n_files else ""


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"it was ended by the signal {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it ended itself with the exit code {os.waitstatus_to_exitcode(status)}"


def _say(line: dict[str, Any]) -> None:
    os.write(1, (json.dumps(line) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
