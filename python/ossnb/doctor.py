"""What this machine has for ossnb, and which model fits it."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from . import __version__, _core, hub, machine

SPARE_BYTES = 1e9  # beside the weights: keys and values, the notebook itself


def examine() -> dict[str, Any]:
    """Look at the machine; the dictionary is plain JSON.

    >>> report = examine()
    >>> report["kernels"]["chosen"] in report["kernels"]["levels"]
    True
    """
    return {
        "ossnb": __version__,
        "machine": describe_machine(),
        "kernels": {
            "levels": _core.isa_levels(),
            "chosen": os.environ.get("OSSNB_ISA") or _core.isa_levels()[-1],
            "cpu_features": [name for name, there in _core.cpu_features().items() if there],
            "threads": machine.physical_cores(),
        },
        "memory": {"total_bytes": machine.total_memory(), "available_bytes": machine.available_memory()},
        "hub_cache": {"folder": str(hub.cache_folder()), "free_bytes": machine.free_disk(hub.cache_folder())},
        "models": [_model(name, repo) for name, repo in hub.ALIASES.items()],
        "default_model": hub.default_source(),
    }


def describe_machine() -> dict[str, Any]:
    """Describe the machine, for a report that others will read.

    >>> sorted(describe_machine())
    ['cores', 'cpu', 'memory_bytes', 'python', 'system']
    """
    return {
        "cpu": machine.cpu_name(),
        "cores": machine.physical_cores(),
        "memory_bytes": machine.total_memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _model(name: str, repo: str) -> dict[str, Any]:
    n_bytes = hub.DOWNLOAD_BYTES[repo]
    downloaded = hub.is_cached(repo)
    return {
        "name": name,
        "repo": repo,
        "weights_bytes": n_bytes,
        "downloaded": downloaded,
        "fits_disk": downloaded or machine.free_disk(hub.cache_folder()) >= n_bytes,
        "fits_memory": machine.total_memory() >= n_bytes + SPARE_BYTES,
        "fits_free_memory": machine.available_memory() >= n_bytes + SPARE_BYTES,
    }


def render(report: dict[str, Any]) -> str:
    """Lay a report of `examine` out for people."""
    host, kernels, memory, cache = (report[key] for key in ("machine", "kernels", "memory", "hub_cache"))
    others = [level for level in kernels["levels"] if level != kernels["chosen"]]
    rows = {
        "ossnb": f"{report['ossnb']}, Python {host['python']} ({sys.executable})",
        "system": host["system"],
        "processor": f"{host['cpu']}, {host['cores']} cores",
        "features": " ".join(kernels["cpu_features"]) or "none that the kernels use",
        "kernels": f"{kernels['chosen']}, {kernels['threads']} threads (also there: {', '.join(others) or 'none'})",
        "memory": f"{_gb(memory['total_bytes'])}, {_gb(memory['available_bytes'])} free",
        "hub cache": f"{cache['folder']}, {_gb(cache['free_bytes'])} free on its disk",
        "default": f"{report['default_model']} (what `load()` takes; OSSNB_MODEL names another)",
    }
    lines = [f"{name:11}{text}" for name, text in rows.items()]
    lines += ["", *(f"{model['name']:11}{_verdict(model)}" for model in report["models"])]
    lines.append(f"{'demo':11}comes with the package, a few MB, fits everywhere")
    return "\n".join(lines)


def _verdict(model: dict[str, Any]) -> str:
    """Say in one line whether a model runs here and how."""
    there = "downloaded" if model["downloaded"] else f"not downloaded ({_gb(model['weights_bytes'])})"
    if not model["fits_disk"]:
        return f"{there}; does not fit the cache's disk: HF_HOME names another place"
    if model["fits_free_memory"]:
        return f"{there}; fits"
    if model["fits_memory"]:
        return f"{there}; fits the memory once other programs free some"
    return f"{there}; larger than the memory: every token reads from the disk, slow"


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
