"""Namespaces: a process that has a network, a list of processes and a tree of mounts of its own.

They need no rights where the system lets users make them; many containers do not.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .calls import checked, libc

_USER, _MOUNT, _PROCESSES, _NETWORK, _IPC = 0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000
_NO_SUID, _NO_DEVICES, _NO_PROGRAMS, _RECURSIVE, _PRIVATE = 2, 4, 8, 0x4000, 0x40000
SHARED_MEMORY = "size=256m,mode=1777"  # of /dev/shm


def enter() -> None:
    """Leave the system's namespaces; children are processes of the new ones. OSError where that is denied."""
    uid, gid = os.getuid(), os.getgid()
    checked(libc().unshare(_USER | _PROCESSES | _NETWORK | _IPC), "namespaces")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def own_mounts() -> set[str]:
    """Mount, in a child of `enter`, a /proc and a /dev/shm of its own; return those that it has.

    A container may deny both; then Landlock leaves out what they show of others.
    """
    checked(libc().unshare(_MOUNT), "namespaces")
    _mount("none", "/", "", _RECURSIVE | _PRIVATE, "")
    own = set()
    for kind, place, options in (("tmpfs", "/dev/shm", SHARED_MEMORY), ("proc", "/proc", "")):
        with contextlib.suppress(OSError):
            _mount(kind, place, kind, _NO_SUID | _NO_DEVICES | _NO_PROGRAMS, options)
            own.add(place)
    return own


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    texts = [text.encode() for text in (source, target, kind)]
    checked(libc().mount(*texts, flags, options.encode()), f"mount {target}")
