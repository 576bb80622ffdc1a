"""The small commands of `%oss`: their words and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..page.defaults import cell_defaults, settings_text
from ..system import machine
from ..system.progress import size_text
from ..system.text import counted, suggestion

if TYPE_CHECKING:
    from ..model import Model
    from .conversations import Conversation
    from .restore import Saved

LINE_HELP = """\
%oss again [FLAGS]        ask the last question again, with another seed; this replaces a chat's turn
%oss code [N]             put the code of the last answer (its block N) into the next cell, and do not run it
%oss fix [FLAGS]          explain the last error of a cell, and repair the cell
%oss effort [LEVEL]       set low, medium or high for cells without --effort; or show the level
%oss defaults [reset]     show the settings that the sliders' Apply and %oss effort made, or end them
%oss history [NAME]       show the turns of a conversation
%oss show                 draw the last answer again, e.g. when the page was loaded anew while it was written
%oss reset [NAME ...]     forget the named conversations, or all
%oss restore [FILE.ipynb] restore the conversations of the saved notebook, after a restart of the kernel
%oss load SOURCE [--device auto|cpu|cuda|cuda:1] [--device-memory SIZE] [--precision exact|fast]
                 [--kv float32|bf16|int8] [--threads N] [--context N] [--cache FILE] [--revision REV]
                          make 20b, 120b, a hub id, a folder or demo the model of %%oss and ossnb.generate;
                          auto takes a GPU where the model fits; SIZE, such as 8GB, is the most it takes
                          FILE keeps what it has read beyond the end of the kernel
%oss keep [FILE]          write what the model has read into FILE, or the file of %oss load --cache, now
%oss verify [FILE.ipynb] [--live]
                          write the answers of the saved notebook again: each is identical, or says why not;
                          --live calls the tools again; else their results are those of the record
%oss status               show the model, its memory and the conversations
%oss help                 show this help
%%oss --help              show how to ask the model, and the FLAGS; %oss again and %oss fix take them too"""
LOAD_FLAGS = {
    "--device": str,
    "--device-memory": str,
    "--precision": str,
    "--kv": str,
    "--threads": int,
    "--context": int,
    "--cache": str,
    "--revision": str,
}

_EXAMPLES = {
    "--device": "cuda",
    "--device-memory": "8GB",
    "--precision": "fast",
    "--kv": "bf16",
    "--threads": "4",
    "--context": "8192",
    "--cache": "notes.kept",
    "--revision": "main",
}


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
        elif flag not in LOAD_FLAGS:
            raise ValueError(f"unknown flag {flag}{suggestion(flag, LOAD_FLAGS, 'flags')}")
        else:
            settings[flag[2:].replace("-", "_")] = _value(flag, value or next(rest, ""))
    if len(sources) != 1:
        raise ValueError(f"%oss load takes one source, e.g. `%oss load 20b`, got {len(sources)}")
    return sources[0], settings


def _value(flag: str, text: str) -> Any:
    if not text:
        raise ValueError(f"{flag} needs a value, as in {flag} {_EXAMPLES[flag]}")
    try:
        return LOAD_FLAGS[flag](text)
    except ValueError:
        raise ValueError(f"{flag} must be a whole number, got {text!r}") from None


def status_lines(model: Model, others: Mapping[str, Model], chats: Mapping[str, Conversation]) -> list[str]:
    """Describe the default model, further models in use, and the conversations."""
    config, core = model.config, model.engine.core
    rows = [
        ("model", model.source + (f" at revision {model.revision}" if model.revision else "")),
        ("shape", f"{config.num_hidden_layers} layers, {config.num_local_experts} experts"),
        ("precision", model.precision),
        ("computing", f"{model.device}, {counted(core.threads, 'thread')}, {core.isa} kernels"),
        (
            "context",
            f"{model.context:,} tokens, {size_text(core.kv_bytes_per_token)} each when used, in {model.kv}",
        ),
        ("cache", f"{size_text(model.n_kept_bytes)} of keys and values kept for prompts that begin alike"),
        ("memory", f"{size_text(machine.available_memory())} free of {size_text(machine.total_memory())}"),
    ]
    if settings := cell_defaults():
        rows.append(("defaults", settings_text(settings)))
    rows += [("also loaded", name) for name, other in others.items() if other is not model]
    rows += [
        ("chat", f"{name}: {counted(len(kept.chat.messages), 'message')}") for name, kept in chats.items()
    ]
    return [f"{name:<12}{value}" for name, value in rows]


def one_word(words: Sequence[str], command: str) -> str | None:
    """Return the one word that may follow a command; raise ValueError for more than one."""
    if len(words) > 1:
        raise ValueError(f"%oss {command} takes one word at most, got {len(words)}: {' '.join(words)}")
    return words[0] if words else None


def block_number(words: Sequence[str]) -> int | None:
    """Read the words after `%oss code`: the number of a block, from 1.

    >>> block_number(["2"])
    2
    """
    word = one_word(words, "code")
    if word is None:
        return None
    if not word.isascii() or not word.isdecimal():
        raise ValueError(f"%oss code takes the number of a block, e.g. `%oss code 2`, got {word!r}")
    return int(word)


def restored_text(name: str, saved: Saved, model: Model) -> str:
    """Say how much of a saved conversation was taken up."""
    if not saved.turns:
        return f"{name}: not taken up, because the notebook lacks the turns before its answers"
    n_turns = len(saved.turns)
    notes = [f"{name}: {counted(n_turns, 'turn')}"]
    if saved.n_left_out:
        notes.append(f"{saved.n_left_out} later left out, because the notebook lacks the turns before them")
    if (before := saved.turns[-1].model) != model.source:
        notes.append(f"begun with {before}, goes on with {model.source}")
    return "; ".join(notes)
