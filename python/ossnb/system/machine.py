"""The memory, cores and disk of this machine, as far as its containers let the process use them.

Functions take the root of the file system as `root` so that tests can show them other machines.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path

from .text import shown_value

_ROOT = Path("/")
_UNLIMITED = 1 << 60  # cgroup v1 writes "no limit" as a number near 2^63


def total_memory(root: Path = _ROOT) -> int:
    """Count the bytes of memory this process may use at most: the machine's, or its control group's limit."""
    limits = [limit for limit, _ in _memory_limits(root)]
    total = _meminfo(root, "MemTotal") or os.sysconf("SC_PHYS_PAGES") * page_size()
    return min([total, *limits])


def available_memory(root: Path = _ROOT) -> int:
    """Count the bytes that can be allocated now without swapping; cached files count as free."""
    available = _meminfo(root, "MemAvailable")
    if available is None:  # not Linux: no honest figure without extra libraries, so half of what there is
        return total_memory(root) // 2
    left = [max(0, limit - used) for limit, used in _memory_limits(root)]
    return min([available, *left])


def physical_cores(root: Path = _ROOT) -> int:
    """Count the cores this process may keep busy, hyperthreads of one core once, within its CPU quota."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if allowed is None:
        cores = _sysctl("hw.physicalcpu") or os.cpu_count() or 1
    else:
        cores = len({_siblings(root, cpu) for cpu in allowed})
    quotas = [math.ceil(quota) for quota in _cpu_quotas(root)]
    return max(1, min([cores, *quotas]))


THREADS_A_CORE = 4  # more threads than this gain nothing, and could stop the whole machine


def check_threads(n: object) -> int:
    """Return a number of threads if it is one that this machine can have; ValueError says what is wrong.

    >>> check_threads(1)
    1
    """
    if isinstance(n, bool) or not isinstance(n, Integral) or int(n) < 1:
        raise ValueError(f"threads must be an integer >= 1 or None, got {shown_value(n)}")
    cores = max(os.cpu_count() or 1, physical_cores())
    if int(n) > (most := THREADS_A_CORE * cores):
        raise ValueError(
            f"threads must be at most {most}, {THREADS_A_CORE} for each of the machine's {cores} cores, "
            f"got {shown_value(n)}"
        )
    return int(n)


def free_disk(path: str | os.PathLike[str]) -> int:
    """Count the free bytes of the disk that holds `path`, or that will hold it."""
    folder = Path(os.path.expanduser(path)).absolute()
    while not os.path.exists(
        folder
    ):  # unlike Path.exists, it takes a folder that may not be searched for absent
        folder = folder.parent
    return shutil.disk_usage(folder).free


def page_size() -> int:
    """Return the bytes of a memory page."""
    return os.sysconf("SC_PAGE_SIZE")


def cpu_name(root: Path = _ROOT) -> str:
    """Return the name that the processor gives itself."""
    match = re.search(r"^model name\s*:\s*(.+)$", _read(root / "proc/cpuinfo"), re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def _read(path: Path) -> str:
    """A file's text, or nothing where there is no such file: these exist or not by kernel and container."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _meminfo(root: Path, name: str) -> int | None:
    match = re.search(rf"^{name}:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _siblings(root: Path, cpu: int) -> str:
    """The hyperthreads that share a core with `cpu`, as text; one that is alone is its own sibling."""
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    return _read(topology / "core_cpus_list") or _read(topology / "thread_siblings_list") or str(cpu)


def _sysctl(name: str) -> int | None:
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        return int(subprocess.run(["sysctl", "-n", name], capture_output=True, timeout=5, check=True).stdout)
    return None


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and its parents: limits of all of them apply."""
    base = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            top = base / controllers if (base / controllers).is_dir() else base / controller
        elif number == "0" and not controllers:
            top = base
        else:
            continue
        folder = top / path.lstrip("/")
        while folder != top:
            yield folder  # may not exist inside a container, which sees its own group as the top
            folder = folder.parent
        yield top


def _memory_limits(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, used) bytes of every control group that has a limit; cached files are not counted as used."""
    for folder in _cgroups(root, "memory"):
        limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        used = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes")
        if limit.isdigit() and used.isdigit() and int(limit) < _UNLIMITED:
            stat = _read(folder / "memory.stat")
            hierarchy = "total_" if "total_active_file" in stat else ""  # v1 counts children apart
            cached = re.findall(rf"^{hierarchy}(?:in)?active_file (\d+)$", stat, re.MULTILINE)
            yield int(limit), max(0, int(used) - sum(map(int, cached)))


def _cpu_quotas(root: Path) -> Iterator[float]:
    """CPUs' worth of time that each control group with a quota may use."""
    for folder in _cgroups(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        quota = quota or _read(folder / "cpu.cfs_quota_us")
        period = period or _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)
