"""A filter of system calls: no network, no connection to other programs, no look into other processes.

It needs no rights, so it also holds where there are no namespaces. The filter is a program of the kernel's
packet filter (https://docs.kernel.org/userspace-api/seccomp_filter.html), written here for two processors.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import NamedTuple

from .calls import MACHINE, checked, libc

_PR_SET_SECCOMP, _FILTER = 22, 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06  # of 32-bit words
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24  # places in the description of a call
_AF_UNIX, _DATAGRAM, _RAW, _KIND_OF_SOCKET = 1, 2, 3, 0xF
_NO_SOCKET = errno.EINVAL  # ZeroMQ, in the kernel, ends the process at any other
_X32 = 0x40000000  # x86-64 knows each call by a second number


class _Machine(NamedTuple):
    audit: int
    socket: int
    socketpair: int
    connect: int
    io_uring: int
    denied: str


# Denied: ptrace, process_vm_readv and _writev, mount, umount2, pivot_root, setns, unshare, bpf,
# perf_event_open, userfaultfd, kexec_load, init_module, finit_module, delete_module, keyctl, add_key,
# request_key, open_by_handle_at, reboot, swapon. Then what makes memory that no process needs to show:
# memfd_create, memfd_secret, shmget.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        socket=41,
        socketpair=53,
        connect=42,
        io_uring=425,
        denied="101 310 311 165 166 155 308 272 321 298 323 246 175 313 176 250 248 249 304 169 167 "
        "319 447 29",
    ),
    "aarch64": _Machine(
        0xC00000B7,
        socket=198,
        socketpair=199,
        connect=203,
        io_uring=425,
        denied="117 270 271 40 39 41 268 97 280 241 282 104 105 273 106 219 217 218 265 142 224 279 447 194",
    ),
}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def restrict(*, has_own_network: bool) -> None:
    """Deny this process and its children the network and the calls above.

    In a network namespace of its own it may make sockets, which lead nowhere; elsewhere it makes none. Call
    `no_new_privileges` before. Raises OSError where it cannot be had.
    """
    machine = _MACHINES.get(MACHINE)
    if machine is None:
        raise OSError(errno.ENOSYS, f"seccomp: no filter is written for {MACHINE}")
    code = b"".join(_program(machine, _ALLOW if has_own_network else _ERRNO | _NO_SOCKET))
    program = _Program(len(code) // 8, code)
    checked(libc().prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0), "seccomp")


def _program(machine: _Machine, of_sockets: int) -> list[bytes]:
    # A comparison skips what follows it where it does not hold.
    return [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, machine.audit, if_true=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, if_false=1),
        _step(_RETURN, _ERRNO | errno.ENOSYS),
        *(step for n in machine.denied.split() for step in _deny(int(n), errno.EPERM)),
        *_deny(machine.io_uring, errno.ENOSYS),
        *_deny(machine.connect, errno.ENETUNREACH),
        _step(_EQUAL, machine.socket, if_true=2),
        _step(_EQUAL, machine.socketpair, if_true=1),
        _step(_RETURN, _ALLOW),
        _step(_LOAD, _FIRST),
        _step(_EQUAL, _AF_UNIX, if_true=1),
        _step(_RETURN, of_sockets),
        _step(_LOAD, _SECOND),
        _step(_AND, _KIND_OF_SOCKET),
        # One that could be sent to other programs unconnected; of this family, Linux takes raw for it.
        *_deny(_DATAGRAM, errno.EACCES),
        *_deny(_RAW, errno.EACCES),
        _step(_RETURN, _ALLOW),
    ]


def _deny(value: int, error: int) -> tuple[bytes, bytes]:
    return _step(_EQUAL, value, if_false=1), _step(_RETURN, _ERRNO | error)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
