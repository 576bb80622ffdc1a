"""The tools of a question with their limits, and their calls one by one."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from ..harmony.messages import FUNCTIONS, ToolCall
from ..harmony.prompt import is_builtin
from ..system.arguments import integer
from ..system.text import shown_value
from .approval import Approve, InterruptedQuestion, check_approve, check_plain, refusal
from .outcome import MOST_CHARS, as_result, cut
from .signature import BadArguments
from .step import Step
from .tool import Result, Tool
from .worker import Here, Raised, Stopped, TookTooLong, Work

MAX_ROUNDS = 8
TIMEOUT_S = 120.0
MOST_ALIKE = 2  # calls with the same arguments and the same result
MOST_TRACEBACK = 4000  # characters

_AFTER_A_NAME = re.compile(r"(?:json|code|<\|.*|[^A-Za-z0-9_-].*)?", re.DOTALL)  # that models write after one


@dataclass(frozen=True, slots=True)
class Toolkit:
    """Tools that a model may call, and how.

    >>> Toolkit(max_rounds=3).timeout
    120.0

    `max_rounds` is how often the model may call before its answer. `timeout` is the time of one call in
    seconds; infinity sets none. `on_step` hears of each Step. `approve` is a function of a ToolCall, or
    "ask": what it refuses, or raises an error at, is not carried out. With `run` False nothing is. A
    ValueError names a bad value.
    """

    tools: tuple[Tool, ...] = ()
    run: bool = True
    max_rounds: int = MAX_ROUNDS
    timeout: float = TIMEOUT_S
    on_step: Callable[[Step], Any] | None = None
    approve: Approve | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.run, bool):
            raise ValueError(f"run_tools must be True or False, got {shown_value(self.run)}")
        if self.on_step is not None:
            check_plain("on_step", self.on_step, "a function of a step")
        object.__setattr__(self, "max_rounds", integer("max_rounds", self.max_rounds, 1))
        object.__setattr__(self, "timeout", _seconds(self.timeout))
        check_approve(self.approve)

    @property
    def carries_out(self) -> bool:
        """Whether calls are carried out: there are tools, and they may run."""
        return self.run and bool(self.tools)


class Calls:
    """The calls of one answer, in order.

    >>> def add(a: int, b: int): return a + b
    >>> calls = Calls(Toolkit((ossnb.tool(add),)), ["add"])
    >>> calls.carry_out(ToolCall.parse("functions.add", '{"a": 1}')).error
    'the arguments of add do not fit: b: Field required'

    `names` are those of all calls that the model was told of; those without a Tool are the caller's to carry
    out.
    """

    def __init__(self, toolkit: Toolkit, names: Collection[str]) -> None:
        self._toolkit = toolkit
        self._names = list(names)
        self._tools = {name: tool for tool in toolkit.tools for name in tool.names}
        self._alike: dict[tuple[str, str], tuple[str, int]] = {}  # call → its result, and how often it came
        self._began = 0.0  # the call that is being carried out, after the wait for approval
        self.goes_in_circles = False  # the model makes a call again that it was told not to make

    def is_for_the_caller(self, call: ToolCall) -> bool:
        """Whether a call is for a tool that the model knows and that is not carried out here."""
        return self._meant(call.name) in set(self._names) - self._tools.keys()

    def carry_out(
        self, call: ToolCall, is_over: Callable[[], bool] = lambda: False, most_chars: int = MOST_CHARS
    ) -> Step:
        """Carry out a call, or refuse it; whatever goes wrong is the step's error and its result.

        Raises StepStopped once `is_over` is true, and for an interrupt.
        """
        meant, self._began = self._meant_call(call), time.monotonic()
        note = "" if meant.name == call.name else f"{shown_value(call.name)} was taken as {meant.name!r}"
        try:
            result = self._try(meant, call.name, is_over, most_chars)
        except (KeyboardInterrupt, Stopped) as stop:
            why = "the user stopped this call; a function that was running is left behind in its thread"
            why = str(stop) if isinstance(stop, InterruptedQuestion) else why
            step = Step(call, _told(why), time.monotonic() - self._began, why, note)
            raise StepStopped(step, is_interrupt=isinstance(stop, KeyboardInterrupt)) from None
        step = Step(
            call,
            result.text,
            time.monotonic() - self._began,
            result.error,
            "; ".join(text for text in (note, result.note) if text),
            result.traceback,
            result.pictures,
        )
        self._count(meant, step)
        return step

    def _try(self, call: ToolCall, written: str, is_over: Callable[[], bool], most_chars: int) -> Result:
        """Carry out a call with the name that is meant; `written` is the name that the model wrote."""
        toolkit, name, trace = self._toolkit, call.name, ""
        try:
            if (tool := self._tools.get(name)) is None:
                known = ", ".join(self._names)
                raise _Refused(f"there is no tool {shown_value(written)}; the tools are: {known}")
            self._check_circle(call)
            tool.limit(most_chars)
            bound = _bound(tool, call)
            self._check_approved(tool, call, is_over)
            work = (Here if tool.runs_here else Work)(bound, name, lambda value: as_result(value, most_chars))
            result: Result = work.wait(toolkit.timeout, is_over)
            return result
        except BadArguments as bad:
            error = f"the arguments of {name} do not fit: {bad}"
            trace = "" if bad.__cause__ is None else _traceback(bad.__cause__)
        except _Refused as refused:
            error = str(refused)
        except TookTooLong:
            error = f"{name} took longer than {toolkit.timeout:g} s; it is left behind in its thread"
        except Raised as raised:
            error, trace = _one_line(raised.error), _traceback(raised.error)
        except RuntimeError as no_thread:  # the system starts no more threads
            error = f"{name} could not be started: {no_thread}"
        told, error = cut(_told(error), most_chars), cut(error, most_chars).text
        return Result(told.text, told.note, error=error, traceback=trace)

    def _check_approved(self, tool: Tool, call: ToolCall, is_over: Callable[[], bool]) -> None:
        """Refuse a call that the user does not want. The time that this takes is none of the call's."""
        approve: Approve | None = self._toolkit.approve or ("ask" if tool.asks else None)
        try:
            why = _refusal(approve, call, is_over)
        finally:
            self._began = time.monotonic()
        if why is not None:
            raise _Refused(why)

    def _meant(self, name: str) -> str:
        """Return the tool that a name means: itself, or the only one that it begins with."""
        if name in self._names:
            return name
        name = name.removeprefix("functions.").removeprefix("functions")
        found = [one for one in self._names if name.lower().startswith(one.lower())]
        found = [one for one in found if _AFTER_A_NAME.fullmatch(name[len(one) :])]
        return found[0] if len(found) == 1 else name

    def _meant_call(self, call: ToolCall) -> ToolCall:
        """Return a call as if the model had written the name that it means: what is approved is what runs."""
        name = self._meant(call.name)
        if (tool := self._tools.get(name)) is None:
            return replace(call, name=name)
        recipient = name if is_builtin(tool.definition) else FUNCTIONS + name
        return replace(call, name=name, recipient=recipient)

    # ---- circles -------------------------------------------------------------------------------------------

    def _check_circle(self, call: ToolCall) -> None:
        _, n_times = self._alike.get(_key(call), ("", 0))
        if n_times >= MOST_ALIKE:
            raise _Refused(
                f"this call was made {n_times} times with the same result, and is not made again; use the "
                "result that you have, call something else, or answer"
            )

    def _count(self, call: ToolCall, step: Step) -> None:
        key = _key(call)
        result, n_times = self._alike.get(key, ("", 0))
        self.goes_in_circles |= n_times > MOST_ALIKE
        is_refused = n_times >= MOST_ALIKE
        self._alike[key] = (result, n_times + 1) if is_refused or step.result == result else (step.result, 1)


class StepStopped(Exception):
    """A call was stopped: `step` tells of it, `is_interrupt` whether by an interrupt."""

    def __init__(self, step: Step, *, is_interrupt: bool) -> None:
        super().__init__(step.error)
        self.step = step
        self.is_interrupt = is_interrupt


class _Refused(Exception):
    """A call that is not made; the message is for the model."""


def _bound(tool: Tool, call: ToolCall) -> Callable[[], Any]:
    """Return what carries a call out. The code of a parameter's own type may raise anything."""
    try:
        return tool.bind(call)
    except (BadArguments, Stopped):
        raise
    except Exception as error:
        raise BadArguments(_one_line(error)) from error


def _refusal(approve: Approve | None, call: ToolCall, is_over: Callable[[], bool]) -> str | None:
    """Return why a call may not be carried out; an `approve` that raises has not said yes."""
    try:
        return refusal(approve, call, is_over)
    except Stopped:
        raise
    except Exception as error:
        return f"approve raised {_one_line(error)}"


def _key(call: ToolCall) -> tuple[str, str]:
    try:
        arguments = json.dumps(call.arguments, sort_keys=True) if call.arguments is not None else call.raw
        return call.name, arguments
    except RecursionError:
        return call.name, call.raw


def _seconds(timeout: Any) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(
            f"timeout must be a number of seconds > 0, for each call of a tool, got {shown_value(timeout)}"
        )
    return float(timeout)


def _told(error: str) -> str:
    return f"error: {error}"


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # an error of the function's own class may have no text
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _traceback(error: BaseException) -> str:
    """Return the traceback from the function on, without our own frames."""
    ours, trace = __file__.rpartition("toolkit")[0], error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(ours):
        trace = trace.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except Exception:
        return ""
    return text[-MOST_TRACEBACK:]
