"""The names that people write for a model: short ones, hub ids, addresses of the hub's pages."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..system.text import shown, shown_value

DEMO = "demo"
ALIASES = {"20b": "openai/gpt-oss-20b", "120b": "openai/gpt-oss-120b"}

_HUB_ID = re.compile(r"(?!.{97})[A-Za-z0-9][\w.-]*/[\w.-]+")
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/|hf://", re.IGNORECASE)
# "gpt-oss-20b", "GPT_OSS:20B", "openai/gpt-oss-20b", and as a number "20"
_SIZE = re.compile(r"(?:openai[/_-])?(?:gpt[-_ ]?oss[-_: ]?)?(20|120)b?", re.IGNORECASE)
_NO_MODELS = ("datasets", "spaces", "collections", "docs", "papers", "blog")  # other pages of the hub
_NEAR = 0.6  # of 1: how alike two names are where one may be meant by the other
_MOST_NEIGHBOURS = 2000  # entries of a folder that are looked at for a near name


class Repository(NamedTuple):
    """A repository of the hub, and the revision that an address names."""

    id: str
    revision: str | None


def name_of(source: Any) -> str:
    """Return a caller's name of a model, or of its folder, as text; TypeError for what is none.

    >>> name_of(Path("models/mine")), name_of(" 20b ")
    ('models/mine', '20b')
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    if isinstance(name, str):
        return name if isinstance(source, os.PathLike) else name.strip()
    meant = f"{source}b" if type(source) is int and 0 < source < 1000 and f"{source}b" in ALIASES else ""
    advice = f'write load("{meant}")' if meant else 'load("20b"), load("folder") or load() loads one'
    if callable(getattr(source, "ask", None)) and not isinstance(source, type):
        advice = "it is a model already, and you can ask it"
    raise TypeError(
        f"a model is named by a str or a path (20b, 120b, a hub id, a folder or demo), got "
        f"{shown_value(source)}; {advice}"
    )


def is_demo(name: str) -> bool:
    """Whether a name means the embedded model.

    >>> is_demo("Demo"), is_demo("./demo")
    (True, False)

    A folder that is called "Demo" goes first; one that is called "demo" is named "./demo".
    """
    return name == DEMO or (name.lower() == DEMO and not os.path.exists(name))


def repository(name: str) -> Repository | None:
    """Return the repository that a name means, None for a name that means none; nothing is looked up.

    >>> repository("gpt-oss-20B"), repository("https://hf.co/someone/tuned/tree/v2")
    (Repository(id='openai/gpt-oss-20b', revision=None), Repository(id='someone/tuned', revision='v2'))
    """
    revision = None
    if address := _ADDRESS.match(name):
        name, revision = _from_address(name[address.end() :])
    name = name.rstrip("/")
    if size := _SIZE.fullmatch(name):
        return Repository(ALIASES[f"{size[1]}b"], revision)
    return Repository(name, revision) if _HUB_ID.fullmatch(name) else None


def _from_address(rest: str) -> tuple[str, str | None]:
    """Read what stands behind the hub's host: owner/name, perhaps with /tree/REVISION or the like."""
    parts = [part for part in re.split(r"[?#]", rest)[0].split("/") if part]
    if parts[:1] == ["models"]:
        del parts[0]
    if parts and parts[0] in _NO_MODELS:
        return "", None
    name, at = "/".join(parts[:2]), parts[2:]
    if name.count("@") == 1:  # hf://owner/name@revision
        name, _, revision = name.partition("@")
        return name, revision
    names_revision = len(at) >= 2 and at[0] in ("tree", "blob", "resolve", "commit")
    return name, unquote(at[1]) if names_revision else None  # a branch with a slash has %2F there


def did_you_mean(name: str, known: Iterable[str] = ()) -> str:
    """Return "; did you mean ...?" with the nearest of the names that exist, "" where none is near.

    >>> did_you_mean("gpt-os-20b"), did_you_mean("demmo"), did_you_mean("llama")
    ('; did you mean gpt-oss-20b?', '; did you mean demo?', '')

    The names are those of gpt-oss, those in `known`, and what stands beside a folder that does not exist.
    """
    names = [DEMO, *ALIASES, *(repo.partition("/")[2] for repo in ALIASES.values()), *ALIASES.values()]
    by_key = {other.lower(): other for other in [*_neighbours(name), *known, *names]}
    by_key.pop(name.lower(), None)
    near = difflib.get_close_matches(name.lower(), by_key, n=1, cutoff=_NEAR)
    return f"; did you mean {shown(by_key[near[0]])}?" if near else ""


def _neighbours(name: str) -> list[str]:
    """List the folders beside a path, written as the path is."""
    parent, slash, _ = name.rstrip("/").rpartition("/")
    found = []
    try:
        with os.scandir(Path(parent + slash or ".").expanduser()) as entries:
            for _, entry in zip(range(_MOST_NEIGHBOURS), entries, strict=False):
                if entry.is_dir() and not entry.name.startswith("."):
                    found.append(parent + slash + entry.name)
    except (OSError, RuntimeError, ValueError):  # nothing to look at
        return []
    return found
