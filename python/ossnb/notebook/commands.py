"""The small commands of `%oss`: what they read and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import machine
from ..progress import size_text
from .options import suggestion

if TYPE_CHECKING:
    from ..chat import Chat
    from ..model import Model

LINE_HELP = """%oss load SOURCE [--precision exact|fast] [--threads N] [--context N] [--revision REV]
                          make 20b, 120b, a hub id, a folder or demo the model of %%oss and ossnb.generate
%oss status               the model, its memory, the conversations
%oss reset [NAME ...]     forget the conversations named, or all
%oss help                 show this
%%oss --help              how to ask the model"""
_LOAD_FLAGS = {"--precision": str, "--threads": int, "--context": int, "--revision": str}


def parse_load_line(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Read the words after `%oss load`: the source and the keyword arguments of `ossnb.load`.

    >>> parse_load_line(["demo", "--threads", "2"])
    ('demo', {'threads': 2})
    """
    sources: list[str] = []
    settings: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        flag, _, value = word.partition("=")
        if not word.startswith("-"):
            sources.append(word)
        elif flag not in _LOAD_FLAGS:
            raise ValueError(f"unknown flag {flag}{suggestion(flag, list(_LOAD_FLAGS))}")
        else:
            settings[flag[2:]] = _value(flag, value or next(rest, ""))
    if len(sources) != 1:
        raise ValueError(f"%oss load takes one source, e.g. `%oss load 20b`, got {len(sources)}")
    return sources[0], settings


def _value(flag: str, text: str) -> Any:
    if not text:
        raise ValueError(f"{flag} needs a value")
    try:
        return _LOAD_FLAGS[flag](text)
    except ValueError:
        raise ValueError(f"{flag} must be a whole number, got {text!r}") from None


def status_lines(model: Model, others: Mapping[str, Model], chats: Mapping[str, Chat]) -> list[str]:
    """Describe the default model, further models in use, and the conversations."""
    config, core = model.config, model.core
    rows = [
        ("model", model.source + (f" at revision {model.revision}" if model.revision else "")),
        ("shape", f"{config.num_hidden_layers} layers, {config.num_local_experts} experts"),
        ("precision", model.precision),
        ("computing", f"{core.threads} threads, {core.isa} kernels"),
        ("context", f"{model.context:,} tokens, {size_text(core.kv_bytes_per_token)} each when used"),
        ("cache", f"{size_text(model.n_kept_bytes)} of keys and values kept for prompts that begin alike"),
        ("memory", f"{size_text(machine.available_memory())} free of {size_text(machine.total_memory())}"),
    ]
    rows += [("also loaded", name) for name, other in others.items() if other is not model]
    rows += [("chat", f"{name}: {len(chat.messages)} messages") for name, chat in chats.items()]
    return [f"{name:<12}{value}" for name, value in rows]
