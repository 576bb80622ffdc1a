"""Landlock: a process that gives up, for itself and its children, all files but those it names.

Linux has it since 5.13; it needs no rights. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from .calls import checked, libc

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every processor
_VERSION, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV  # others are EINVAL for a file
_N_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # of later versions: 16
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Return the version of Landlock's interface; OSError where there is none."""
    return checked(libc().syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION), "landlock")


def restrict(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Give up all files but those under these paths, and TCP; return the version of Landlock.

    Paths that do not exist are left out. It holds for this thread, and the threads and processes that it
    starts. Call `no_new_privileges` before. Raises OSError where it cannot be had.
    """
    found = version()
    rights = (1 << _N_RIGHTS.get(found, 16)) - 1
    rules = _Ruleset(rights, _TCP if found >= 4 else 0, _SCOPES if found >= 6 else 0)
    size = 8 if found < 4 else 16 if found < 6 else 24
    ruleset = checked(libc().syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0), "landlock")
    try:
        for path in readable:
            _allow(ruleset, path, rights & _READ)
        for path in writable:
            _allow(ruleset, path, rights)
        checked(libc().syscall(_RESTRICT, ruleset, 0), "landlock")
    finally:
        os.close(ruleset)
    return found


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it is not there, so there is nothing to allow
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(rights, place)
        checked(libc().syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0), f"landlock: {path}")
    finally:
        os.close(place)
