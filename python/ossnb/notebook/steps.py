"""A call of a function, as a cell shows it: one folded line with the arguments and the result inside.

Both come from a model and from the world, so they are escaped text and nothing else.
"""

import html

from ..page.output import QUIET, RUNNING_TEXT
from ..system.text import shown
from ..tools.step import Step

N_SUMMARY = 80  # characters of the arguments in the folded line


def summary(step: Step) -> str:
    """Return a step on one line.

    >>> summary(ossnb.Step(ossnb.ToolCall.parse("functions.add", '{"a": 1}'), "2", 0.04))
    'add {"a": 1} · 0.0 s'
    """
    failed = " · failed" if step.error is not None else ""
    arguments = shown(" ".join(step.call.raw.split()), N_SUMMARY)
    return f"{shown(step.name)} {arguments} · {step.seconds:.1f} s{failed}"


def bundle(step: Step) -> dict[str, str]:
    """Return a step as an output: a folded line in a page, all of it in plain text."""
    line = summary(step)
    parts = [step.call.raw, step.result, *([f"note: {step.note}"] if step.note else [])]
    block = f"{RUNNING_TEXT};margin:0.3em 0 0 1em"
    page = (
        f'<details style="{QUIET}"><summary style="cursor:pointer">{html.escape(line)}</summary>'
        + "".join(f'<pre dir="auto" style="{block}">{html.escape(part)}</pre>' for part in parts)
        + "</details>"
    )
    return {"text/html": page, "text/plain": "\n".join([f"[{line}]", *parts])}
