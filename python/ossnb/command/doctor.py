"""The resources of this machine for ossnb, and the models that fit it."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from .. import _core
from ..checkpoint import hub
from ..checkpoint import packed as derived
from ..checkpoint.config import Config
from ..checkpoint.names import ALIASES
from ..devices import cards
from ..devices.cards import Card, Cards
from ..devices.choice import USEFUL_TOKENS, available, fitting, host_room
from ..devices.names import AUTO, CPU, device_name
from ..devices.plan import Plan
from ..system import machine
from ..system.progress import size_text
from ..system.text import shown
from ..version import __version__

WEIGHTS_BYTES = {"20b": 13_761_264_768, "120b": 65_248_815_744}  # total_size of the published checkpoints
CONFIGS = {"20b": Config(), "120b": Config(num_hidden_layers=36, num_local_experts=128)}
SPARE_BYTES = 1_000_000_000  # to be left beside the weights, on the disk and in memory


def examine(device: str | None = None) -> dict[str, Any]:
    """Look at the machine; the dictionary is plain JSON.

    >>> report = examine()
    >>> report["kernels"]["chosen"] in report["kernels"]["levels"]
    True

    `device` "cuda:1" looks at this card alone, and raises DeviceError where it cannot be used; "cpu" at none.
    """
    device = device_name(device)
    return {
        "ossnb": __version__,
        "machine": describe_machine(),
        "kernels": {
            "levels": _core.isa_levels(),
            "chosen": _chosen_kernels(),
            "cpu_features": [name for name, there in _core.cpu_features().items() if there],
            "threads": machine.physical_cores(),
        },
        "memory": {"total_bytes": machine.total_memory(), "available_bytes": machine.available_memory()},
        "hub_cache": {"folder": str(hub.cache_folder()), "free_bytes": machine.free_disk(hub.cache_folder())},
        "derived": {
            "folder": str(derived.folder()),
            "used_bytes": derived.used_bytes(),
            "limit_bytes": derived.limit(),
        },
        "device": device,
        "gpus": _gpus(device),
        "models": [_model(name, n_bytes) for name, n_bytes in WEIGHTS_BYTES.items()],
        "default_model": hub.default_source()[0],
    }


def _chosen_kernels() -> str:
    levels, named = _core.isa_levels(), os.environ.get("OSSNB_ISA")
    if named and named not in levels:
        raise ValueError(f"OSSNB_ISA is '{shown(named)}', expected one of {', '.join(levels)}")
    return named or levels[-1]


def describe_machine() -> dict[str, Any]:
    """Describe the machine for a report to other people.

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


def _gpus(device: str) -> dict[str, Any]:
    """The cards, and what fits on each."""
    if device == CPU:
        found = Cards((), "the device is the CPU")
    elif device == AUTO:
        found = cards.look(with_free_memory=True)
    else:
        found = Cards((cards.usable(int(device.partition(":")[2])),), "")
    return {
        "cuda": cards.driver_version() if found.cards else None,
        "why_none": found.why_none,
        "cards": [_card(card) for card in found.cards],
    }


def _card(card: Card) -> dict[str, Any]:
    return {
        "device": card.device,
        "name": card.name,
        "capability": ".".join(map(str, card.capability)),
        "total_bytes": card.total,
        "free_bytes": card.free,
        "why_not": card.why_not,
        "models": [] if card.why_not else [_on_card(card, name) for name in CONFIGS],
    }


def _on_card(card: Card, name: str) -> dict[str, Any]:
    """How a model would fit on a card: None for the context where it does not."""
    plan = Plan(CONFIGS[name], host_memory=host_room())
    try:
        fitted = fitting(card, plan)
    except MemoryError:
        return {"name": name, "bytes": plan.needed(USEFUL_TOKENS), "context": None, "host_layers": 0}
    context = fitted.tokens(available(card))
    return {
        "name": name,
        "bytes": fitted.needed(context),
        "context": context,
        "host_layers": fitted.host_layers,
    }


def _model(name: str, n_bytes: int) -> dict[str, Any]:
    needed, folder = n_bytes + SPARE_BYTES, hub.cached(name)
    return {
        "name": name,
        "repo": ALIASES[name],
        "weights_bytes": n_bytes,
        "downloaded": None if folder is None else str(folder),
        "fits_disk": folder is not None or machine.free_disk(hub.cache_folder()) >= needed,
        "fits_memory": machine.total_memory() >= needed,
        "fits_free_memory": machine.available_memory() >= needed,
    }


def render(report: dict[str, Any]) -> str:
    """Write a report of `examine` for people."""
    host, kernels, memory, cache = (report[key] for key in ("machine", "kernels", "memory", "hub_cache"))
    packed = report["derived"]
    others = ", ".join(level for level in kernels["levels"] if level != kernels["chosen"])
    rows = {
        "ossnb": f"{report['ossnb']}, Python {host['python']} ({sys.executable})",
        "system": host["system"],
        "processor": f"{host['cpu']}, {host['cores']} cores",
        "features": " ".join(kernels["cpu_features"]) or "none that the kernels use",
        "kernels": f"{kernels['chosen']}, {kernels['threads']} threads (OSSNB_ISA can force {others})",
        "memory": f"{_gb(memory['total_bytes'])}, {_gb(memory['available_bytes'])} free",
        **_gpu_rows(report["gpus"]),
        "hub cache": f"{cache['folder']}, {_gb(cache['free_bytes'])} free on its disk",
        "packed": f"{packed['folder']}, {size_text(packed['used_bytes'])} of at most "
        f"{size_text(packed['limit_bytes'])} (`ossnb cache --clear` empties it)",
        "default": f"{report['default_model']} on {report['device']} (what `load()` takes; OSSNB_MODEL and "
        "OSSNB_DEVICE name others)",
    }
    lines = [f"{name:11}{text}" for name, text in rows.items()]
    lines += ["", *(f"{model['name']:11}{_verdict(model)}" for model in report["models"])]
    lines.append(f"{'demo':11}comes with the package, a few MB, fits everywhere")
    return "\n".join(lines)


def _gpu_rows(gpus: dict[str, Any]) -> dict[str, str]:
    if not gpus["cards"]:
        return {"GPU": f"not used: {gpus['why_none']}"}
    return {card["device"]: _gpu_text(card, gpus["cuda"]) for card in gpus["cards"]}


def _gpu_text(card: dict[str, Any], cuda: str) -> str:
    about = (
        f"{card['name']}, compute capability {card['capability']}, CUDA {cuda}, {_gb(card['total_bytes'])}"
    )
    if card["why_not"]:
        return f"{about}; not used: {card['why_not']}"
    fits = [f"{model['name']} {_room_text(model)}" for model in card["models"]]
    return f"{about}, {_gb(card['free_bytes'])} free; {'; '.join(fits)}"


def _room_text(model: dict[str, Any]) -> str:
    if model["context"] is None:
        return f"does not fit: all of it needs {_gb(model['bytes'])}"
    layers = CONFIGS[model["name"]].num_hidden_layers
    host = (
        f", the experts of {model['host_layers']} of {layers} layers on the CPU"
        if model["host_layers"]
        else ""
    )
    return f"fits with {model['context']:,} tokens{host}"


def _verdict(model: dict[str, Any]) -> str:
    """Say in one line whether a model runs here, and how well."""
    is_here = "downloaded" if model["downloaded"] else f"not downloaded (`ossnb download {model['name']}`)"
    there = f"{_gb(model['weights_bytes'])}, {is_here}"
    if not model["fits_memory"]:
        return f"{there}; too big for this machine's memory"
    if not model["fits_disk"]:
        return f"{there}; too big for the cache's disk: make room, or set HF_HUB_CACHE to a larger one"
    if not model["fits_free_memory"]:
        return f"{there}; fits, but other programs hold memory that it needs: it would read from disk, slowly"
    return f"{there}; fits"


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
