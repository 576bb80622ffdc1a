"""The user's word before a call: yes, no, or why not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal

from ..harmony.messages import ToolCall
from ..system.text import safe_terminal, shown, shown_value
from .snippet import code_of, is_code, readable

Approve = Callable[[ToolCall], Any] | Literal["ask"]

YES, NO = ("y", "yes"), ("", "n", "no")
MOST_SHOWN = 2000  # characters of a call's arguments

_one_at_a_time = threading.Lock()  # several answers may be written at once, and there is one keyboard


def check_approve(approve: Any) -> Approve | None:
    """Return what was given for `approve`; ValueError unless it is a function, "ask" or None."""
    if approve is None or approve == "ask" or callable(approve):
        found: Approve | None = approve
        return found
    raise ValueError(f'approve must be "ask", or a function of a call, got {shown_value(approve)}')


def refusal(approve: Approve | None, call: ToolCall) -> str | None:
    """Return why a call may not be carried out; None where it may.

    >>> refusal(lambda call: call.name == "add", ToolCall.parse("functions.rm", "{}"))
    'the user declined this call'
    """
    if approve is None:
        return None
    found = ask(call) if approve == "ask" else approve(call)
    if isinstance(found, str):
        return f"the user declined this call: {found}"
    return None if found else "the user declined this call"


def yes(call: ToolCall) -> bool:
    """Let every call be carried out: what a user said yes to before."""
    return True


def ask(call: ToolCall) -> bool | str:
    """Ask on the terminal, or in the cell, whether a call may be carried out; code is shown whole."""
    if is_code(call):
        shows, question = f"{readable(code_of(call.raw))}\n", "Run this code?"
    else:
        name, arguments = shown(call.name), safe_terminal(shown(call.raw, MOST_SHOWN))
        shows, question = "", f"Run {name} with {arguments}?"
    with _one_at_a_time:
        try:
            print(shows, end="", flush=True)
            said = input(f"{question} [y, n, or why not] ").strip()
        except (EOFError, RuntimeError, OSError):  # a notebook that runs by itself has no keyboard
            return "nobody is there to be asked"
    return True if said.lower() in YES else False if said.lower() in NO else said
