"""The user's word before a call: yes, no, or why not."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

from ..harmony.messages import ToolCall
from ..system.forks import renew_in_children
from ..system.text import safe_terminal, shown, shown_value
from .snippet import code_of, is_code, readable

Approve = Callable[[ToolCall], Any] | Literal["ask"]
IsOver = Callable[[], bool]

YES, NO = ("y", "yes"), ("", "n", "no")
MOST_SHOWN = 2000  # characters of a call's arguments in a line
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user is asked about a call, as text in which nothing hides or turns other characters.

    >>> Asked.about(ToolCall.parse("python", "x = 1"))
    Asked(question='Run this code?', text='x = 1', is_code=True)
    """

    question: str
    text: str  # the code, or the arguments
    is_code: bool

    @classmethod
    def about(cls, call: ToolCall) -> Asked:
        """Return what is asked about a call."""
        if is_code(call):
            return cls("Run this code?", readable(code_of(call.raw)), True)
        return cls(f"Run {shown(call.name)} with these arguments?", readable(call.raw), False)


# Asks on the page of the running cell, until `is_over`. None where no page hears it meanwhile.
PageAsker = Callable[[Asked, IsOver], bool | str | None]


class _Place:
    """The place where the user is asked: there is one, and several answers may be written at once."""

    def __init__(self) -> None:
        self.on_page: PageAsker | None = None
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin with a place that nobody has."""
        self.turn = threading.Lock()


_place = _Place()


def set_page_asker(ask_on_page: PageAsker | None) -> None:
    """Ask by `ask_on_page` first, and on the keyboard where that returns None; None asks there alone."""
    _place.on_page = ask_on_page


def check_approve(approve: Any) -> Approve | None:
    """Return what was given for `approve`; ValueError unless it is a plain function, "ask" or None."""
    if approve is not None and approve != "ask":
        check_plain("approve", approve, '"ask", or a function of a call')
    found: Approve | None = approve
    return found


def check_plain(name: str, function: Any, wanted: str) -> None:
    """Raise ValueError unless `function` is one whose call returns its result, and nothing to await.

    >>> check_plain("on_step", print, "a function of a step")
    """
    if not callable(function):
        raise ValueError(f"{name} must be {wanted}, got {shown_value(function)}")
    if any(is_so(one) for is_so in _DELAYED for one in (function, type(function).__call__)):
        raise ValueError(
            f"{name} must be {wanted}, got one with async def or yield, {shown_value(function)}, whose call "
            "does nothing by itself; write it with def and return"
        )


_DELAYED = inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction


def refusal(approve: Approve | None, call: ToolCall, is_over: IsOver = lambda: False) -> str | None:
    """Return why a call may not be carried out; None where it may.

    >>> refusal(lambda call: call.name == "add", ToolCall.parse("functions.rm", "{}"))
    'the user declined this call'
    """
    if approve is None:
        return None
    found = ask(call, is_over) if approve == "ask" else approve(call)
    if isinstance(found, str):
        return f"the user declined this call: {found}"
    if inspect.isawaitable(found) or isinstance(found, Generator | AsyncGenerator):  # true, whatever it says
        getattr(found, "close", lambda: None)()  # a coroutine that nobody closes ends with a warning
        kind = type(found).__name__
        return f"approve must return True, False or a reason, got a {kind}; write it with def and return"
    return None if found else "the user declined this call"


def yes(call: ToolCall) -> bool:
    """Let every call be carried out: what a user said yes to before."""
    return True


def ask(call: ToolCall, is_over: IsOver = lambda: False) -> bool | str:
    """Ask in the cell, or on the terminal, whether a call may be carried out; code is shown whole.

    The question ends as a no once `is_over` is true. An interrupt goes on as an InterruptedQuestion.
    """
    turn = _place.turn
    try:
        while not turn.acquire(timeout=POLL_S):
            if is_over():
                return "the answer was stopped"
        try:
            found = None if _place.on_page is None else _place.on_page(Asked.about(call), is_over)
            return _typed(call) if found is None else found
        finally:
            turn.release()
    except KeyboardInterrupt:
        raise InterruptedQuestion from None


class InterruptedQuestion(KeyboardInterrupt):
    """The user interrupted the question instead of an answer: the call is not carried out."""

    def __str__(self) -> str:
        return "the user declined this call, by an interrupt, and it did not begin"


def _typed(call: ToolCall) -> bool | str:
    """Ask on the keyboard."""
    if is_code(call):
        shows, question = f"{readable(code_of(call.raw))}\n", "Run this code?"
    else:
        name, arguments = shown(call.name), safe_terminal(shown(call.raw, MOST_SHOWN))
        shows, question = "", f"Run {name} with {arguments}?"
    try:
        print(shows, end="", flush=True)
        said = input(f"{question} [y, n, or why not] ").strip()
    except (EOFError, RuntimeError, OSError):  # a notebook that runs by itself has no keyboard
        return "nobody is there to be asked"
    return True if said.lower() in YES else False if said.lower() in NO else said
