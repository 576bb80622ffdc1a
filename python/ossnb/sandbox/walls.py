"""What a session may have: its limits, and the walls between it and the system."""

from __future__ import annotations

import json
import os
import site
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

WALLS = ("files", "network", "processes", "memory")  # that `required` asks for
GB = 10**9

# What Python and its libraries read, beside themselves. Nothing here belongs to a user.
SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store"),
    *(f"/etc/{name}" for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone")),
    *(f"/etc/{name}" for name in ("alternatives", "fonts", "mime.types", "locale.alias", "os-release")),
    *(f"/etc/{name}" for name in ("passwd", "group", "nsswitch.conf", "hosts", "ssl/certs")),
    *("/sys/devices/system/cpu", "/sys/devices/system/node"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/kernel", "/proc/sys/vm"),
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# The environment of the session has these of ours, and what `environment` adds; nothing else.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Walls:
    """What a session may have.

    >>> Walls(folder="/tmp/x", memory=2 * GB).n_processes
    64

    `folder` is the session's own: all that it may write, but `given`. `memory` and `disk` are bytes, of all
    its processes and of all its files. `read` are paths that it may read beside Python. `without` names what
    is left out: "namespaces", "landlock", "seccomp", "limits".
    """

    folder: str
    memory: int = 4 * GB
    disk: int = GB
    n_files: int = 20_000
    n_processes: int = 64
    read: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return it as text, for the command line of the process that puts up the walls."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Walls:
        """Read what `to_json` wrote."""
        found: dict[str, Any] = json.loads(text)
        return cls(**{**found, "read": tuple(found["read"]), "without": tuple(found["without"])})

    @property
    def work(self) -> str:
        """The folder that the session works in."""
        return os.path.join(self.folder, "work")

    def readable(self) -> list[str]:
        """List what the session may read: the system's programs, Python, the given paths."""
        ours = [sys.prefix, sys.base_prefix, sys.exec_prefix, *self.packages()]
        ours.append(os.path.dirname(os.path.realpath(sys.executable)))
        return [*SYSTEM, *ours, os.path.join(self.folder, "given"), "/proc/self", *self.read]

    def packages(self) -> list[str]:
        """List the folders of installed packages that the session sees; `pip install --user` has its own."""
        return [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]

    def own_folders(self) -> list[str]:
        """List the folders that the session may write, and that its files are counted in."""
        return [self.work, os.path.join(self.folder, "run")]

    def writable(self) -> list[str]:
        """List what the session may write."""
        return [*self.own_folders(), *DEVICES]

    def environment(self) -> dict[str, str]:
        """Return the environment of the session; it has nothing of ours that may be secret."""
        work = Path(self.work)
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        # The user's packages are found by the home folder, and the session has another.
        found = {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {"PYTHONNOUSERSITE": "1"}
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            **passed,
            **found,
            "HOME": str(work),
            "TMPDIR": str(work / ".tmp"),
            "IPYTHONDIR": str(work / ".ipython"),
            "MPLCONFIGDIR": str(work / ".matplotlib"),
            "JUPYTER_CONFIG_DIR": str(work / ".jupyter"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "OPENBLAS_NUM_THREADS": "4",  # each thread takes memory, used or not
            "OMP_NUM_THREADS": "4",
            "NO_COLOR": "1",
        }


@dataclass(slots=True)
class Report:
    """Which walls stand, by name with a line about each, and why others do not.

    >>> Report({"memory": "memory 4 GB"}, {"files": "Landlock: Function not implemented"}).text
    'memory 4 GB; not walled: files (Landlock: Function not implemented)'
    """

    standing: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Say it in a line."""
        gone = ", ".join(f"{name} ({why})" for name, why in self.missing.items())
        parts = [", ".join(self.standing.values()), f"not walled: {gone}" if gone else ""]
        return "; ".join(part for part in parts if part)
