"""`%%oss`, a cell that the model answers, and `%oss`, the small commands around it.

A cell returns nothing: the answer is on the page already, and a returned reply would print it a second time.
The reply is in `_oss`, in `_` and Out[n], and in the variable that the cell names.
"""

from __future__ import annotations

import re
import shlex
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

import ossnb

from ..errors import Interrupted
from ..progress import TerminalProgress, set_progress_factory
from .commands import LINE_HELP, parse_load_line, status_lines
from .complete import make_matcher
from .defaults import cell_defaults
from .display import in_notebook, view_for
from .interpolate import interpolate, namespace_evaluator
from .options import SUBCOMMANDS, CellOptions, cell_help, parse_cell_line, suggestion, wants_help
from .progress import NotebookProgress

if TYPE_CHECKING:
    from ..chat import Chat
    from ..generation import Stream
    from ..model import Model
    from ..reply import Reply


class Stopped(Interrupted):
    """The cell was interrupted: queued cells must not run; there is nothing to explain, so no traceback."""

    def __str__(self) -> str:
        return "what the model had written is kept, in _oss too"

    def _render_traceback_(self) -> list[str]:
        return []


@magics_class
class OssMagics(Magics):
    """The magics of one shell, with its conversations and the models its cells asked for."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.chats: dict[str, Chat] = {}
        self.models: dict[str, Model] = {}

    @no_var_expand
    @line_cell_magic
    def oss(self, line: str, cell: str | None = None) -> None:
        """Ask the model (`%%oss`), or look after it (`%oss`)."""
        if cell is None:
            self._command(line)
        elif wants_help(line):
            print(cell_help())
        else:
            self._ask(line, cell)

    # ---- %%oss ---------------------------------------------------------------------------------------------

    def _ask(self, line: str, cell: str) -> None:
        evaluate = namespace_evaluator(self.shell.user_global_ns, self.shell.user_ns)
        with _usage_errors():
            options = parse_cell_line(line, lambda word: interpolate(word, evaluate))
            prompt = cell.strip("\n") if options.raw else interpolate(cell.strip("\n"), evaluate)
            if not prompt.strip():
                raise ValueError("there is nothing to answer: write the prompt below the %%oss line")
        self._answer(self._start(options, prompt), options.out)

    def _start(self, options: CellOptions, prompt: str) -> Stream:
        settings = {**cell_defaults(options.raw), **options.settings}
        if options.raw:
            return self._model(options.model).stream_complete(prompt, **settings)
        if options.chat is None:
            return self._model(options.model).stream(prompt, **settings)
        chat = self._chat(options.chat, options.model, settings.pop("instructions", None))
        return chat.stream(prompt, **settings)

    def _model(self, source: str | None) -> Model:
        if source is None:
            return ossnb.default_model()
        if source not in self.models:
            self.models[source] = ossnb.load(source)
        return self.models[source]

    def _chat(self, name: str, source: str | None, instructions: str | None) -> Chat:
        chat = self.chats.get(name)
        if chat is None:
            chat = self.chats[name] = self._model(source).chat(instructions)
        elif source is not None and chat.model is not self._model(source):
            raise UsageError(f"the chat {name!r} runs on {chat.model.source}; `%oss reset {name}` ends it")
        elif instructions is not None and instructions != chat.instructions:
            raise UsageError(f"the chat {name!r} has other instructions; `%oss reset {name}` ends it")
        return chat

    def _answer(self, stream: Stream, out: str | None) -> None:
        """Show the stream as it comes; whatever ends it, show and keep what was written."""
        view = view_for(self.shell)
        interrupted = False
        try:
            for event in stream:
                view.on(event)
        except KeyboardInterrupt:  # in the engine, or here between two events
            interrupted = True
        except BaseException:
            stream.close("error")
            self._keep(stream.reply, out)
            view.abandon()
            raise
        with _interrupts_held() as pressed:
            stream.close("interrupted")  # does nothing to a stream that has ended
            self._keep(stream.reply, out)
            view.finish(stream.reply)
        if interrupted or pressed:
            raise Stopped(stream.reply)

    def _keep(self, reply: Reply, out: str | None) -> None:
        """Put the reply where a result would be, without the display hook's printing."""
        self.shell.displayhook.update_user_ns(reply)  # type: ignore[no-untyped-call]
        self.shell.push({"_oss": reply}, interactive=False)  # type: ignore[no-untyped-call]
        if out is not None:
            self.shell.push({out: reply})  # type: ignore[no-untyped-call]

    # ---- %oss ----------------------------------------------------------------------------------------------

    def _command(self, line: str) -> None:
        with _usage_errors():
            name, *words = shlex.split(line) or ["help"]
            if name == "load":
                self._load(words)
            elif name == "reset":
                self._reset(words)
            elif name == "status":
                print("\n".join(status_lines(ossnb.default_model(), self.models, self.chats)))
            elif name in ("help", "-h", "--help"):
                print(LINE_HELP)
            else:
                raise ValueError(f"unknown command %oss {name}{suggestion(name, SUBCOMMANDS)}")

    def _load(self, words: list[str]) -> None:
        source, settings = parse_load_line(words)
        model = ossnb.load(source, **settings)
        ossnb.set_default_model(model)
        self.models = {source: model}
        print(repr(model))

    def _reset(self, words: list[str]) -> None:
        unknown = [name for name in words if name not in self.chats]
        if unknown:
            raise ValueError(f"there is no chat {unknown[0]!r}{suggestion(unknown[0], list(self.chats))}")
        ended = words or list(self.chats)
        for name in ended:
            del self.chats[name]
        print(f"forgot {', '.join(ended)}" if ended else "there was no chat to forget")

    def names(self, flag: str) -> Iterable[str]:
        """What the completion offers for a flag beside its fixed values."""
        return list(self.chats if flag == "--chat" else self.models if flag == "--model" else ())


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Show a wrong flag as IPython shows wrong use of a magic: one line, no traceback, and the run stops."""
    try:
        yield
    except ossnb.ContextFull:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


@contextmanager
def _interrupts_held() -> Iterator[list[object]]:
    """Put Stop off for a moment, and list its presses: a second one must not lose what the first saved."""
    pressed: list[object] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    previous = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous or signal.default_int_handler)


def _with_body(lines: list[str]) -> list[str]:
    """Give `%%oss --help` on its own a body: IPython refuses a cell magic without one before we see it."""
    written = [line for line in lines if line.strip()]
    if len(written) == 1 and re.match(r"\s*%%oss(\s|$)", written[0]):
        return [written[0].rstrip("\n") + "\n", "\n"]
    return lines


# IPython then leaves it out when a terminal asks whether the cell is complete: the body may yet come.
_with_body.has_side_effects = True  # type: ignore[attr-defined]


def register(shell: InteractiveShell) -> None:
    """Add the magics, the completion and the empty-body rule to a shell, once."""
    if _registered(shell) is not None:
        return
    if in_notebook(shell):
        set_progress_factory(NotebookProgress)
    magics = OssMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.insert(0, _with_body)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(make_matcher(magics.names))


def unregister(shell: InteractiveShell) -> None:
    """Take away what `register` added."""
    if _registered(shell) is None:
        return
    set_progress_factory(TerminalProgress)
    for kind in ("line", "cell"):
        del shell.magics_manager.magics[kind]["oss"]
    shell.input_transformers_cleanup.remove(_with_body)
    if shell.Completer is not None:
        matchers = shell.Completer.custom_matchers
        matchers[:] = [matcher for matcher in matchers if matcher.__module__ != make_matcher.__module__]


def _registered(shell: InteractiveShell) -> OssMagics | None:
    magic = shell.magics_manager.magics["cell"].get("oss")
    owner = getattr(magic, "__self__", None)
    return owner if isinstance(owner, OssMagics) else None


OssMagics.oss.__doc__ = f"{cell_help()}\n\n{LINE_HELP}"  # what `%%oss?` shows
