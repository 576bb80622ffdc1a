"""`%oss verify`: write the answers of a saved notebook again, and say which came out the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..generation.record import Reply
from ..harmony.messages import call_channel, full_name
from ..saved.notebook import answers, read_json
from ..saved.record import Facts, record_of
from ..saved.verify import Live, Verdict, Writer, summary, verify
from ..system.files import expand_user
from ..system.text import did_you_mean
from ..tools.step import Step
from ..tools.tool import Tool, Toolbox
from ..tools.toolkit import Calls, Toolkit
from .functions import tools_named
from .stopping import interrupts_held


def words(given: Sequence[str]) -> tuple[Path | None, bool]:
    """Read the words after `%oss verify`: a notebook, or None for this one, and whether tools run again.

    >>> words(["lesson.ipynb", "--live"])[1]
    True
    """
    flags = [word for word in given if word.startswith("-")]
    paths = [word for word in given if not word.startswith("-")]
    if unknown := [flag for flag in flags if flag != "--live"]:
        meant = did_you_mean(unknown[0], ["--live"])
        raise ValueError(f"unknown flag {unknown[0]}{meant or '; %oss verify takes --live'}")
    if len(paths) > 1:
        raise ValueError(f"%oss verify takes one notebook, got {len(paths)}: {' '.join(paths)}")
    return (expand_user(paths[0], "the notebook") if paths else None), bool(flags)


def record(reply: Reply) -> dict[str, Any]:
    """Return what the metadata of an answer keep for `%oss verify`; {} where nothing was written.

    >>> sorted(record(reply))
    ['asked', 'fingerprint', 'written']
    """
    try:
        fingerprint: str = getattr(reply.origin.model, "fingerprint", "")
    except RuntimeError:  # the model is gone
        fingerprint = ""
    return record_of(reply, fingerprint)


def run(
    path: Path,
    model_for: Callable[[Facts], Writer],
    variables: Mapping[str, Any] | None,
    say: Callable[[str], object],
) -> list[Verdict]:
    """Verify a saved notebook and say each verdict as it comes; an interrupt keeps those that there are.

    `variables` have the functions to call anew; None takes the results from the record.
    """
    found = list(answers(read_json(path)))
    if not found:
        say(f"{path.name} has no answers of ossnb in it")
        return []
    say(f"{path.name}, as it was saved: {len(found):,} to verify")
    live = None if variables is None else _caller(variables)
    verdicts: list[Verdict] = []
    try:
        for verdict in verify(found, model_for, live):
            verdicts.append(verdict)
            say(verdict.text)
    except KeyboardInterrupt as stop:
        with interrupts_held():
            say(f"stopped; {summary(verdicts, len(found))}")
        stop._render_traceback_ = list  # type: ignore[attr-defined]  # the line says all
        raise
    say(summary(verdicts, len(found)))
    return verdicts


def _caller(variables: Mapping[str, Any]) -> Live:
    """Return what calls a tool of the notebook anew, by the name and the arguments of a step.

    What a model ran in python hangs on all that ran before it, so these results stay those of the record.
    """

    def call(step: Step) -> Step:
        if call_channel(full_name(step.name)) == "analysis":  # a tool that the model was trained on
            return step
        boxes = [value for value in variables.values() if isinstance(value, Toolbox)]
        boxed = [tool for box in boxes for tool in box.tools if step.name in tool.names]
        tools: list[Any] = boxed or tools_named([step.name], variables)
        ready = tuple(tool for tool in tools if isinstance(tool, Tool))
        return Calls(Toolkit(ready), [name for tool in ready for name in tool.names]).carry_out(step.call)

    return call
