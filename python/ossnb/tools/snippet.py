"""The code of a call of `python`, as it runs and as a user reads it."""

from __future__ import annotations

import json
import re

from ..harmony.messages import ToolCall
from ..system.text import shown


def is_code(call: ToolCall) -> bool:
    """Whether a call is code, and no arguments."""
    return call.recipient.partition(".")[0] == "python"


def code_of(raw: str) -> str:
    """Return the code of a call; some models put it into a fence, or into JSON.

    >>> code_of("print(1)"), code_of('{"code": "print(1)"}')
    ('print(1)', 'print(1)')
    """
    if fenced := re.fullmatch(r"\s*```(?:python|py)?[ \t]*\n(.*?)\n?```\s*", raw, re.DOTALL):
        return fenced[1]
    if raw.lstrip().startswith("{"):
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            return raw
        if len(found) == 1 and isinstance(code := found.get("code", found.get("input")), str):
            return code
    return raw


def readable(code: str) -> str:
    r"""Return code as a user reads it who decides on it: nothing in it hides or turns other characters.

    >>> readable("x = 1\n\ty = '\u202e'")
    "x = 1\n    y = '\\u202e'"
    """
    lines = code.replace("\t", "    ").split("\n")
    return "\n".join(shown(line, len(line)) for line in lines)
