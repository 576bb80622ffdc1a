"""The views of one answer while it is written: outputs of a notebook cell, or lines in a terminal.

In a cell every part is an output of its own: the thinking, the answer and one line of figures. The thinking
folds away and is then left alone, because an update would shut it again when a reader has opened it. While a
long one is written, a button below it ends it. The answer takes the button's place, so that a saved notebook
has nothing of it. The answer is Markdown, so any viewer shows it with no kernel. Everything that a model
wrote is escaped on its way in (markup.py).
"""

import html
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from ..documents.links import cited_markdown, without_open_mark
from ..generation.record import Citation, Event, Reply
from ..harmony.messages import ToolCall
from ..page.figures import stats_line
from ..page.limiter import RateLimiter
from ..page.output import QUIET, QUIETLY, RUNNING_TEXT, Output, has_front_end
from ..page.safe import code_blocks
from ..page.terminal import safe_terminal
from ..system.progress import reading_text
from ..system.text import counted, shown
from ..tools.step import Step
from ..views.answer_now import AnswerNow
from .next_cell import next_cell_row
from .steps import bundle, running, summary

PROGRESS_AFTER_S = 0.3  # a prompt read faster than this needs no progress
OFFER_AFTER_S = 2.0  # a thought shorter than this needs no button
N_RESULT = 300  # characters of a function's result in a terminal
N_TAIL = 240  # characters of the thinking in sight while it goes on
# Below all that is not complete: a page that is saved and loaded again meanwhile hears of no further change.
UNFINISHED = "▍ not finished; if nothing follows, %oss show draws the whole answer"
_UNFINISHED_ROW = f'<div style="{QUIET}">{UNFINISHED}</div>'


class View(Protocol):
    """A view shows an answer while it is written."""

    def on(self, event: Event) -> None:
        """Take one event."""

    def finish(self, reply: Reply, note: str = "", record: Mapping[str, Any] | None = None) -> None:
        """Show the whole reply, whatever was shown before. `note` goes beside the figures, and `record` into
        the saved output's metadata."""

    def abandon(self, reply: Reply | None = None, record: Mapping[str, Any] | None = None) -> None:
        """Show the text so far, after an error. `reply` and `record` go into the saved output's metadata."""


def view_for(shell: Any, chat: str | None = None, stop_thinking: Callable[[], None] | None = None) -> View:
    """Return the view that fits: a notebook's kernel gets rich outputs, everything else gets text. `chat` is
    the name of the conversation, and `stop_thinking` ends a thought of the answer."""
    return CellView(chat=chat, stop_thinking=stop_thinking) if has_front_end(shell) else TerminalView()


# ---- a notebook cell ---------------------------------------------------------------------------------------


class CellView:
    """Stream a reply into the outputs of the running cell."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        chat: str | None = None,
        stop_thinking: Callable[[], None] | None = None,
    ) -> None:
        self._clock = clock
        self._chat = chat
        self._stop_thinking = stop_thinking
        self._answer_now: AnswerNow | None = None
        self._limiter = RateLimiter(clock)
        self._began = clock()
        self._status: Output | None = None
        self._thinking: Output | None = None
        self._answer: Output | None = None
        self._reasoning_parts: list[str] = []
        self._answer_parts: list[str] = []
        self._calls: list[ToolCall] = []
        self._cited: list[Citation] = []
        self._n_done = [0, 0, 0]  # of the thinking, the answer and the calls: what earlier outputs show
        self._n_steps = 0  # calls of functions that outputs show
        self._n_reasoning_tokens = 0
        self._n_answer_chars = 0
        self._reasoning_began = self._reasoning_s = 0.0
        self._is_folded = True

    def on(self, event: Event) -> None:
        """Take one event; most events only add text for the next update."""
        if event.kind == "progress" and event.fraction is not None:
            self._on_progress(event)
        elif event.kind == "reasoning":
            self._on_reasoning(event)
        elif event.kind in ("answer", "tool_call"):
            self._on_answer(event)
        elif event.citation is not None:
            self._cited.append(event.citation)
        elif event.step is not None:
            self._on_step(event.step)

    def finish(self, reply: Reply, note: str = "", record: Mapping[str, Any] | None = None) -> None:
        """Draw the final state of every part, with the settings in the answer's metadata."""
        self._reasoning_parts = [reply.reasoning[self._n_done[0] :]]
        self._fold()
        for step in reply.steps[self._n_steps :]:
            self._on_step(step)
        self._cited = list(reply.citations)
        _, n_answer, n_calls = self._n_done
        self._answer_parts = [reply.text[n_answer:]]
        self._calls = list(reply.tool_calls)[n_calls:]
        self._draw_answer(self._saved(reply, record), reply, is_last=True)
        line = stats_line(reply, note)
        page = f"<div {QUIETLY}>{next_cell_row(code_blocks(reply.text))}{html.escape(line)}</div>"
        Output().show_here({"text/html": page, "text/plain": line})

    def abandon(self, reply: Reply | None = None, record: Mapping[str, Any] | None = None) -> None:
        """Draw the text that has not been drawn yet."""
        self._fold()
        if self._answer_parts or self._calls or record:
            self._draw_answer(self._saved(reply, record), reply, is_last=True)
        elif self._status is not None:
            self._status.remove()

    def _on_progress(self, event: Event) -> None:
        is_early = self._clock() - self._began < PROGRESS_AFTER_S
        if (is_early and not event.text) or not self._limiter.ready(0):
            return
        self._status = self._status or Output()
        line = reading_text(event.fraction or 0, event.text)
        page = f"<div {QUIETLY}>{html.escape(line)}</div>"
        self._status.show({"text/html": page, "text/plain": line})

    def _on_reasoning(self, event: Event) -> None:
        if self._is_folded:
            self._go_on_thinking()
            self._is_folded = False
            self._reasoning_began = self._clock()
        self._reasoning_parts.append(event.text)
        self._n_reasoning_tokens += event.token is not None
        if self._limiter.ready(N_TAIL):
            self._thinking = self._thinking or self._next_output()
            bundle = _thinking_bundle("".join(self._reasoning_parts), self._summary("thinking"))
            self._thinking.show(bundle, {"ossnb": {"finish_reason": "unfinished"}})
            if self._clock() - self._reasoning_began > OFFER_AFTER_S:
                self._offer_answer()

    def _offer_answer(self) -> None:
        """Show the button, once; what follows the thought takes its place."""
        if self._stop_thinking is None or self._status is not None:
            return
        self._answer_now = self._answer_now or AnswerNow(self._stop_thinking)
        if self._answer_now.is_ready:
            self._status = Output()
            self._answer_now.show(self._status)

    def _on_answer(self, event: Event) -> None:
        if not self._is_folded:
            self._fold()
        if event.tool_call is not None:
            self._calls.append(event.tool_call)
        else:
            self._answer_parts.append(event.text)
            self._n_answer_chars += len(event.text)
        if event.tool_call is not None or self._limiter.ready(self._n_answer_chars):
            self._draw_answer(self._saved())  # a call at once: its function may take long

    def _on_step(self, step: Step) -> None:
        """Show a call with its result in place of the line that told of the call, below what was said."""
        self._fold()
        self._n_steps += 1
        self._calls = [call for call in self._calls if call != step.call]
        if self._answer_parts:
            calls, self._calls = self._calls, []
            self._draw_answer({}, is_last=True)
            self._calls, self._answer = calls, None
        output, self._answer = self._answer or self._next_output(), None
        output.show(bundle(step), is_last=True)
        calls, self._calls = self._calls, []
        self._begin_anew()
        self._calls = calls

    def _go_on_thinking(self) -> None:
        """Leave the outputs above alone when a model thinks again after it spoke; new outputs follow."""
        if self._answer_parts or self._calls:
            self._draw_answer({}, is_last=True)
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Count what the outputs above show; what comes gets new ones."""
        texts = (self._reasoning_parts, self._answer_parts)
        n_now = [*(sum(map(len, parts)) for parts in texts), len(self._calls)]
        self._n_done = [done + now for done, now in zip(self._n_done, n_now, strict=True)]
        self._reasoning_parts, self._answer_parts, self._calls = [], [], []
        self._thinking = self._answer = None
        self._n_reasoning_tokens = self._n_answer_chars = 0
        self._reasoning_s = 0.0

    def _fold(self) -> None:
        """Fold the thinking away; its output is not touched again, so that a reader may open it."""
        if not self._is_folded:
            self._is_folded = True
            self._reasoning_s += self._clock() - self._reasoning_began
            if self._answer_now is not None:
                self._answer_now.end()
        elif self._thinking is not None or not any(self._reasoning_parts):
            return
        self._thinking = self._thinking or self._next_output()
        folded = _folded_bundle("".join(self._reasoning_parts).strip("\n"), self._summary("reasoning"))
        self._thinking.show(folded, is_last=True)

    def _draw_answer(
        self, saved: Mapping[str, Any], reply: Reply | None = None, *, is_last: bool = False
    ) -> None:
        """Draw the answer as it is now, with the record that the notebook keeps of it."""
        text = "".join(self._answer_parts)
        if not is_last:
            text = without_open_mark(text)
        markdown = [cited_markdown(text, self._cited)] if text else []
        plain = [text] if text else []
        for call in self._calls:
            markdown.append(running(call))
            plain.append(f"calls {call.name} with {call.raw}")
        if not markdown and reply is not None:
            markdown, plain = [f"*{_why_empty(reply)}*"], [_why_empty(reply)]
        if not is_last:
            markdown.append(_UNFINISHED_ROW)
            plain.append(UNFINISHED)
        self._answer = self._answer or self._next_output()
        data = {"text/markdown": "\n\n".join(markdown), "text/plain": "\n".join(plain)}
        self._answer.show(data, {"ossnb": saved} if saved else None, is_last=is_last)

    def _saved(
        self, reply: Reply | None = None, record: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """The record that the notebook keeps; before the end it says that more was to come."""
        if reply is not None:
            return reply.to_dict(settings_only=True) | dict(record or {})
        return {"finish_reason": "unfinished"} | ({"chat": {"name": self._chat}} if self._chat else {})

    def _next_output(self) -> Output:
        """The place of the status line or the button, which so vanishes, or a new place below."""
        output, self._status = self._status or Output(), None
        return output

    def _summary(self, what: str) -> str:
        if not self._n_reasoning_tokens:  # nobody saw it grow
            return what
        running = 0.0 if self._is_folded else self._clock() - self._reasoning_began
        return f"{what} · {counted(self._n_reasoning_tokens, 'token')} · {self._reasoning_s + running:.1f} s"


def _thinking_bundle(text: str, summary: str) -> dict[str, str]:
    """The end of a running thought on one line, as high as the folded one, so that the page does not jump."""
    tail = text if len(text) <= N_TAIL else "…" + text[-N_TAIL:]
    # What is too long for the line leaves it on the left, so that the words that came last stay in sight.
    # JupyterLab's <pre> would scroll instead, from the first on.
    line = f"{RUNNING_TEXT};margin:0 auto 0 0;padding:0;line-height:inherit;white-space:pre;{QUIET}"
    line += ";flex:none;overflow:visible"
    shown = f'<pre style="{line};font-size:inherit">{html.escape(" ".join(tail.split()))}</pre>'
    part = "min-width:0;overflow:hidden;white-space:nowrap"
    parts = [
        f"<div>{html.escape(summary)}</div>",
        f'<div style="flex:1;display:flex;justify-content:flex-end;{part}">{shown}</div>',
        f'<div style="max-width:45%;text-overflow:ellipsis;{part}">{UNFINISHED}</div>',
    ]
    page = f'<div style="display:flex;align-items:baseline;gap:1em;{QUIET}">{"".join(parts)}</div>'
    return {"text/html": page, "text/plain": f"{summary}\n{tail}\n{UNFINISHED}"}


def _folded_bundle(text: str, summary: str) -> dict[str, str]:
    block = f"{RUNNING_TEXT};margin:0.3em 0 0 1em"
    page = (
        f'<details style="{QUIET}"><summary style="cursor:pointer">{html.escape(summary)}</summary>'
        f'<pre dir="auto" style="{block}">{html.escape(text)}</pre></details>'
    )
    return {"text/html": page, "text/plain": f"[{summary}]\n{text}"}


def _why_empty(reply: Reply) -> str:
    return {
        "interrupted": "stopped before the answer began",
        "cancelled": "stopped before the answer began",
        "length": "max_tokens was reached before the answer began",
        "context": "the context was full before the answer began",
        "tool_limit": "no answer came before a limit of tool calls",
        "error": "an error came before the answer began",
    }.get(reply.finish_reason, "an empty answer")


def _cited_place(citation: Citation) -> str:
    if citation.is_valid:
        return f"{citation.document}, {citation.place}"
    return f"invented: {citation.problem}"


# ---- a terminal --------------------------------------------------------------------------------------------


class TerminalView:
    """Write a reply to standard output as it comes; the thinking is dimmed where the terminal can do so."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._is_tty = self._out.isatty()
        self._last = ""  # the kind of event written last
        self._n_answer = 0

    def on(self, event: Event) -> None:
        """Write one event's text."""
        if event.kind == "progress" and event.fraction is not None and self._is_tty:
            self._begin("progress")
            self._out.write(f"\r\x1b[K{self._dim(reading_text(event.fraction, event.text))}")
        elif event.kind in ("reasoning", "answer", "tool_call"):
            self._begin(event.kind)
            text = event.text
            if event.tool_call is not None:
                text = f"calls {event.tool_call.name} with {event.tool_call.raw}\n"
            self._n_answer += len(text) if event.kind == "answer" else 0
            self._write(text, dim=event.kind == "reasoning")
        elif event.step is not None:
            self._begin("tool_result")
            self._write(f"[{summary(event.step)}] {shown(event.step.result, N_RESULT)}", dim=True)
        self._out.flush()

    def finish(self, reply: Reply, note: str = "", record: Mapping[str, Any] | None = None) -> None:
        """Write the text that an interrupted stream still held back, and the line of figures."""
        if rest := reply.text[self._n_answer :]:
            self._begin("answer")
            self._write(rest)
        for mark, place in {one.mark: _cited_place(one) for one in reply.citations}.items():
            self._begin("citation " + mark)
            self._write(f"{mark} {place}", dim=True)
        self._begin("stats")
        self._out.write(self._dim(stats_line(reply, note)) + "\n")
        self._out.flush()

    def abandon(self, reply: Reply | None = None, record: Mapping[str, Any] | None = None) -> None:
        """End the line."""
        self._begin("end")
        self._out.flush()

    def _begin(self, kind: str) -> None:
        if kind != self._last:
            if self._last == "progress":
                self._out.write("\r\x1b[K")  # over it
            elif self._last:
                self._out.write("\n\n" if self._last == "reasoning" else "\n")
            self._last = kind

    def _write(self, text: str, dim: bool = False) -> None:
        self._out.write(self._dim(safe_terminal(text)) if dim else safe_terminal(text))

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._is_tty and text else text
