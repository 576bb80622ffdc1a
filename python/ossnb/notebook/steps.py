"""A call of a function, as a cell shows it: one folded line with the arguments and the result inside.

Both come from a model and from the world, so they are escaped text and nothing else.
"""

import base64
import html
import re

from ..harmony.messages import ToolCall
from ..page.output import QUIET, QUIETLY, RUNNING_TEXT
from ..page.safe import as_entities, as_text
from ..system.png import png_size
from ..system.text import shown
from ..tools.snippet import code_of, is_code
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


def running(call: ToolCall) -> str:
    """Return a call that has no result yet, in Markdown in which nothing is markup.

    Code is folded, as it is in the step that follows; within it keeps its lines.
    """
    if is_code(call):
        line = shown(" ".join(call.raw.split()), N_SUMMARY)
        lines = "<br>".join(
            as_entities(line).replace("  ", "&nbsp; ") for line in re.split(r"\r\n?|\n", code_of(call.raw))
        )
        summary = (
            f'<summary style="cursor:pointer">{as_text(f"{shown(call.name)} {line} · called")}</summary>'
        )
        return f'<details style="{QUIET}">{summary}<code>{lines}</code></details>'
    return called(call)


def called(call: ToolCall) -> str:
    """Return the line of a call in Markdown. An empty line in it would end the paragraph, and so its code.

    >>> called(ossnb.ToolCall.parse("functions.add", "{}"))
    'Calls **add** with <code>&#123;&#125;</code>'
    """
    raw = as_entities(call.raw).replace("\r", "&#13;").replace("\n", "&#10;")
    return f"Calls **{as_text(call.name)}** with <code>{raw}</code>"


def bundle(step: Step) -> dict[str, str]:
    """Return a step as an output: a folded line in a page, all of it in plain text."""
    line = summary(step)
    call = code_of(step.call.raw) if is_code(step.call) else step.call.raw
    parts = [call, step.result, *([f"note: {step.note}"] if step.note else [])]
    block = f"{RUNNING_TEXT};margin:0.3em 0 0 1em"
    # What code prints stands in columns, too. A line at its side parts a result from the call.
    font = f"{block};font-family:var(--jp-code-font-family,monospace)" if is_code(step.call) else block
    result = f"{font};border-left:2px solid rgba(128,128,128,0.5);padding-left:0.6em"
    texts = [
        f'<pre dir="auto" style="{style}">{html.escape(part)}</pre>'
        for part, style in zip(parts, [font, result, block], strict=False)
    ]
    texts[2:2] = [_picture(data) for data in step.pictures]
    opened = " open" if step.pictures else ""  # a picture is there to be seen
    page = (
        f'<details{opened} {QUIETLY}><summary style="cursor:pointer">{html.escape(line)}</summary>'
        f"{''.join(texts)}</details>"
    )
    return {"text/html": page, "text/plain": "\n".join([f"[{line}]", *parts])}


def _picture(data: bytes) -> str:
    """Return a picture as a part of the page; what is no whole PNG file is left out."""
    size = png_size(data)
    if size is None:
        return ""
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    width, height = size
    style = "display:block;max-width:100%;height:auto;margin:0.3em 0 0 1em"
    return f'<img alt="what the code drew" width="{width}" height="{height}" style="{style}" src="{source}">'
