"""`%%oss`, a cell that the model answers, and `%oss`, the small commands around it.

A cell returns nothing: the answer is on the page already, and a returned reply would print it a second time.
The reply is in `_oss`, in `_` and Out[n], and in the variable that the cell names. A conversation is in
`_chat`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from .. import default, loader, log
from ..errors import Interrupted
from ..generation.question import Question
from ..generation.record import Author, Reply
from ..generation.stream import Stream
from ..harmony.prompt import EFFORTS
from ..many.answers import Answers
from ..many.samples import samples
from ..model import Model
from ..page.defaults import cell_defaults, set_cell_defaults, settings_text
from ..page.output import has_front_end
from ..page.safe import code_blocks
from ..page.terminal import safe_terminal
from ..saved.notebook import find_notebook
from ..system.files import expand_user
from ..system.notices import set_notice_display
from ..system.progress import TerminalProgress, set_progress_factory, size_text
from ..system.text import counted, did_you_mean, suggestion
from ..tools.approval import set_page_asker
from ..tools.named import tool_named
from ..views.approval import ask_on_page
from . import history, restore, verification
from .commands import LINE_HELP, block_number, one_word, parse_load_line, restored_text, status_lines
from .complete import make_matcher
from .conversations import Conversation, Places, Turn
from .display import view_for
from .failures import Failure, earlier_failure, failure_of
from .first_line import ONE_SIGN, as_cell_magic, is_question
from .functions import function_names, schema_named, tools_named
from .given import documents_named, show_given
from .interpolate import caller_evaluator, interpolate
from .meant import means
from .mentions import Inserted, last_cell, mentioned, names, with_inserted
from .next_cell import as_cell, choose
from .options import (
    SUBCOMMANDS,
    CellOptions,
    again_options,
    cell_help,
    check_typing,
    parse_cell_line,
    split_words,
    wants_help,
)
from .progress import NotebookProgress, show_notice
from .several import alone, rows_named, show_rows, show_several
from .stopping import Stopped, StoppedLoading, interrupts_held
from .usage import UsageError, errors_in_one_line, usage_errors


@dataclass(frozen=True, slots=True)
class Asked:
    """The question of a cell, so that it can be asked again; `place` is its place in the conversation."""

    prompt: str
    options: CellOptions
    place: str | None = None
    inserted: tuple[Inserted, ...] = ()  # what went into it by name


@magics_class
class OssMagics(Magics):
    """The magics of one shell, with its conversations and the models its cells asked for."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.chats: dict[str, Conversation] = {}
        self.models: dict[str, Model] = {}
        self._places = Places()
        self._asked: Asked | None = None
        self._last: tuple[Reply, str, dict[str, Any]] | None = None  # with its note and its chat's record
        self._failure: Failure | None = earlier_failure(shell)
        self._n_open = 0  # answers that are being written

    @no_var_expand
    @line_cell_magic
    def oss(self, line: str, cell: str | None = None) -> None:
        """Ask the model (`%%oss`), or look after it (`%oss`)."""
        with errors_in_one_line():
            if cell is None:
                self._command(line)
            elif wants_help(line):
                print(cell_help())
            else:
                self._cell(line, cell)

    def _cell(self, line: str, cell: str) -> None:
        with usage_errors():
            options = parse_cell_line(line, self._insert)
            prompt, inserted = self._prompt(cell.strip("\n"), options)
            if not prompt.strip():
                raise ValueError("there is nothing to answer: write the prompt below the %%oss line")
        self._ask(Asked(prompt, options, inserted=inserted), cell_defaults(options.raw))

    def after_cell(self, result: Any) -> None:
        """Remember the failure of a cell, for `%oss fix`; what a model runs in a cell is none."""
        if self._n_open:
            return
        self._failure = failure_of(result, self.shell) or self._failure

    def _prompt(self, text: str, options: CellOptions) -> tuple[str, tuple[Inserted, ...]]:
        """Return the prompt of a cell, and what went into it by name."""
        if options.raw or options.map is not None or not text.strip():
            return text, ()
        given: list[Inserted] = []
        text, below = mentioned(text, self.shell.user_ns, self.shell.user_ns_hidden)
        text = self._insert(text, lambda name, value: given.append(Inserted(name, value)))
        if options.context is not None:
            below += last_cell(self.shell, self._failure)
        return with_inserted(text, below), (*given, *below)

    def _insert(self, text: str, keep: Callable[[str, str], object] = lambda name, value: None) -> str:
        return interpolate(
            text,
            caller_evaluator(self.shell.user_global_ns, self.shell.user_ns),
            lambda note: _say(f"note: {note}"),
            keep,
        )

    # ---- %%oss ---------------------------------------------------------------------------------------------

    def _ask(self, asked: Asked, defaults: dict[str, Any]) -> None:
        """Start the answer, remember the question, and show the answer as it comes."""
        options, conversation = asked.options, None
        settings = {**defaults, **options.settings}
        if options.chat is not None:
            instructions = settings.pop("instructions", None)
            conversation = self._conversation(options.chat, options.model, instructions)
        if options.tools:
            with usage_errors():
                named = tool_named if conversation is None else conversation.chat.tool
                variables, hidden = self.shell.user_ns, self.shell.user_ns_hidden
                settings["tools"] = tools_named(options.tools, variables, options.given, named, hidden)
        if options.schema is not None:
            with usage_errors():
                settings["schema"] = schema_named(options.schema, self.shell.user_ns)
        if options.docs:
            with usage_errors():
                settings["docs"] = documents_named(options.docs, self.shell.user_ns)
        if asked.inserted or options.docs:
            of_chat = None if conversation is None else conversation.chat.model
            model = of_chat if isinstance(of_chat, Model) else self._model(options.model)
            show_given(asked.inserted, settings.get("docs"), model.context, is_page=has_front_end(self.shell))
        if options.n is not None:
            self._several(asked, options.n, Question.of(asked.prompt, **settings))
            return
        if options.map is not None:
            self._map(asked, options.map, settings)
            return
        turn = None
        if conversation is not None and options.chat is not None:
            request = self._request()
            place = asked.place or self._places.next(request, options.chat)
            turn = conversation.begin(asked.prompt, place, repeats=bool(request), **settings)
            asked = replace(asked, place=turn.place)
            self.shell.push({"_chat": conversation.chat}, interactive=False)  # type: ignore[no-untyped-call]
            stream = turn.stream
        else:
            make = Question.raw if options.raw else Question.of
            stream = self._model(options.model).ask(make(asked.prompt, **settings))
        self._asked = asked
        self._answer(stream, options, turn)

    def _several(self, asked: Asked, n: int, question: Question) -> None:
        """Write several answers and show them side by side; keep a list of the replies."""
        model = self._model(asked.options.model)
        self._asked = asked
        try:
            replies, is_stopped = samples(model, question, n), False
        except Interrupted as stopped:
            replies, is_stopped = stopped.replies, True
        except KeyboardInterrupt:  # while the prompt was read, before any answer
            stream = model.ask(question)
            stream.close("interrupted")
            replies, is_stopped = [stream.reply], True
        self._name(replies, asked.options.out)
        if (one := alone(replies)) is None:
            show_several(replies)
        else:
            note = f"{counted(len(replies) - 1, 'further answer')} not begun" if len(replies) > 1 else ""
            self._last = one, note, verification.record(one)
            view_for(self.shell).finish(*self._last)
        if is_stopped:
            raise Stopped(replies[0])

    def _map(self, asked: Asked, name: str, settings: dict[str, Any]) -> None:
        """Ask for each row of a variable and show a table; keep the answers, also of an interrupted cell."""
        with usage_errors():
            rows = rows_named(name, self.shell.user_ns)
            model = self._model(asked.options.model)
            try:
                answers = model.map(rows, asked.prompt, **settings)
            except TypeError as error:  # the variable has no rows
                raise ValueError(str(error)) from None
        self._asked = asked
        self._name(answers, asked.options.out)
        try:
            answers.run()
        finally:
            show_rows(answers)

    def _request(self) -> dict[str, Any]:
        """The message that asks a kernel to run this cell; nothing in a terminal."""
        get_parent: Callable[[], dict[str, Any]] | None = getattr(self.shell, "get_parent", None)
        return (get_parent() or {}) if get_parent is not None else {}

    def _model(self, source: str | None) -> Model:
        try:
            if source is None:
                return default.default_model()
            if source not in self.models:
                self.models[source] = loader.load(source)
            return self.models[source]
        except KeyboardInterrupt:
            raise StoppedLoading from None

    def _conversation(self, name: str, source: str | None, instructions: str | None) -> Conversation:
        kept = self.chats.get(name)
        if kept is None or not kept.chat.messages:  # the first turn may have come to nothing
            kept = self.chats[name] = Conversation(name, self._model(source).chat(instructions))
        elif source is not None and not self._is_same(kept.chat.model, source):
            raise UsageError(
                f"the chat {name!r} runs on {kept.chat.model.source}; `%oss reset {name}` ends it"
            )
        elif instructions is not None and instructions != kept.chat.instructions:
            raise UsageError(f"the chat {name!r} has other instructions; `%oss reset {name}` ends it")
        return kept

    def _is_same(self, model: Author, source: str) -> bool:
        """Whether `source` means a chat's model; then that is the model of this name, and no second one is
        loaded."""
        if self.models.get(source) is not model and not means(source, model):
            return False
        if isinstance(model, Model):
            self.models.setdefault(source, model)
        return True

    def _answer(self, stream: Stream, options: CellOptions, turn: Turn | None) -> None:
        """Show the stream as it comes; whatever ends it, show and keep the text written."""
        view = view_for(self.shell, options.chat, stream.stop_thinking)
        interrupted = False
        try:
            self._n_open += 1
            for event in stream:
                view.on(event)
        except KeyboardInterrupt:  # in the engine, or here between two events
            interrupted = True
        except BaseException:
            stream.close("error")
            _, record = self._keep(stream.reply, options.out, turn)
            view.abandon(stream.reply, record)
            raise
        finally:
            self._n_open -= 1
        with interrupts_held() as pressed:
            stream.close("interrupted")  # does nothing to a stream that has ended
            note, record = self._keep(stream.reply, options.out, turn)
            if options.code and not code_blocks(stream.reply.text):
                note = f"{note} · no code to put into a cell".lstrip(" ·")
            view.finish(stream.reply, note, record)
        if interrupted or pressed:
            raise Stopped(stream.reply)
        if options.code and code_blocks(stream.reply.text):
            self._put_code(stream.reply, None)

    def _keep(self, reply: Reply, out: str | None, turn: Turn | None) -> tuple[str, dict[str, Any]]:
        """Put the reply where a result would be, without the display hook's printing, and end its turn."""
        inserted = () if self._asked is None else self._asked.inserted
        reply.named.update((one.name, one.text) for one in inserted)
        self._name(reply, out)
        note, record = turn.end(reply) if turn is not None else ("", {})
        record |= verification.record(reply)
        self._last = reply, note, record
        return note, record

    def _name(self, result: Reply | list[Reply] | Answers, out: str | None) -> None:
        self.shell.displayhook.update_user_ns(result)  # type: ignore[no-untyped-call]
        self.shell.push({"_oss": result}, interactive=False)  # type: ignore[no-untyped-call]
        if out is not None:
            self.shell.push({out: result})  # type: ignore[no-untyped-call]

    # ---- %oss ----------------------------------------------------------------------------------------------

    def _command(self, line: str) -> None:
        name, _, rest = line.strip().partition(" ")
        takes_flags: dict[str, Callable[[str], None]] = {"again": self._again, "fix": self._fix}
        takes_words: dict[str, Callable[[list[str]], None]] = {
            "code": lambda words: self._put_code(self.shell.user_ns.get("_oss"), block_number(words)),
            "defaults": self._defaults,
            "effort": self._effort,
            "history": self._history,
            "load": self._load,
            "reset": self._reset,
            "restore": self._restore,
            "keep": self._keep_cache,
            "show": self._show,
            "status": self._status,
            "verify": self._verify,
        }
        with usage_errors():
            if name in ("", "help", "-h", "--help") or wants_help(rest):
                print(LINE_HELP)
            elif name in takes_flags:
                takes_flags[name](rest)
            elif name in takes_words:
                check_typing(rest)
                takes_words[name](split_words(rest))
            elif is_question(line.strip()):
                raise ValueError(ONE_SIGN)
            else:
                raise ValueError(f"unknown command %oss {name}{suggestion(name, SUBCOMMANDS, 'commands')}")

    def _again(self, line: str) -> None:
        if self._asked is None:
            raise ValueError("there is no question yet to ask again")
        options = again_options(self._asked.options, line, self._insert)
        defaults = cell_defaults(options.raw)
        defaults.pop("seed", None)  # the same seed would give the same answer
        self._ask(replace(self._asked, options=options), defaults)

    def _fix(self, line: str) -> None:
        if self._failure is None:
            raise ValueError("no cell has failed since ossnb was imported (in `%%oss` cells: ask there)")
        options = parse_cell_line(line, self._insert)
        if options.raw:
            raise ValueError("%oss fix asks a question, which --raw text cannot")
        context = self._model(options.model).context
        self._ask(Asked(self._failure.question(context), options), cell_defaults())

    def _put_code(self, reply: Any, number: int | None) -> None:
        if not isinstance(reply, Reply):
            raise ValueError("there is no answer yet to take code from")
        blocks = code_blocks(reply.text)
        number, block = choose(blocks, number)
        self.shell.set_next_input(as_cell(block), replace=False)
        if len(blocks) > 1:
            print(f"block {number} of {len(blocks)}; `%oss code N` takes another")

    def _show(self, words: list[str]) -> None:
        """Draw an answer that a page may have missed."""
        if words:
            raise ValueError(f"%oss show draws the last answer and takes no words, got {' '.join(words)}")
        if self._last is None:
            raise ValueError("there is no answer yet to show")
        view_for(self.shell).finish(*self._last)

    def _status(self, words: list[str]) -> None:
        if words:
            raise ValueError(f"%oss status shows how things are and takes no words, got {' '.join(words)}")
        _say("\n".join(status_lines(default.default_model(), self.models, self.chats)))

    def _effort(self, words: list[str]) -> None:
        level = one_word(words, "effort")
        if level is not None:
            if level not in EFFORTS:
                meant = did_you_mean(level, EFFORTS)
                raise ValueError(f"%oss effort is one of {', '.join(EFFORTS)}, got {level!r}{meant}")
            set_cell_defaults({**cell_defaults(), "effort": level})
        print(f"effort {cell_defaults().get('effort', 'medium')} for the cells that do not say")

    def _defaults(self, words: list[str]) -> None:
        word = one_word(words, "defaults")
        if word not in (None, "reset"):
            raise ValueError(f"%oss defaults shows the settings, %oss defaults reset ends them; got {word!r}")
        if word == "reset":
            set_cell_defaults({})
        _say(settings_text(cell_defaults()) or "cells that do not say take the usual settings")

    def _history(self, words: list[str]) -> None:
        name = one_word(words, "history")
        if name is None and len(self.chats) != 1:
            _say(history.overview(self.chats))
        else:
            history.show(self._known(name or next(iter(self.chats))), has_front_end(self.shell))

    def _known(self, name: str) -> Conversation:
        if name not in self.chats:
            others = suggestion(name, self.chats, "chats") if self.chats else ", nor any other"
            raise ValueError(f"there is no chat {name!r}{others}")
        return self.chats[name]

    def _restore(self, words: list[str]) -> None:
        given = one_word(words, "restore")
        live = [name for name, kept in self.chats.items() if kept.chat.messages]
        lines = [f"{name}: goes on already; `%oss reset {name}` ends it" for name in live]
        try:
            path = (
                expand_user(given, "the notebook")
                if given
                else find_notebook(self.shell.user_ns, os.environ, "restore")
            )
            found, problems = restore.read_notebook(path)
        except ValueError as error:
            if given or not live:
                raise
            _say("\n".join([*lines, f"further ones are not looked for: {error}"]))
            return
        lost = {name: saved for name, saved in found.items() if name not in live}
        if lost or not live:
            lines.append(
                f"from {path.name}, as it was saved:" if lost else f"{path} has no conversation in it"
            )
        for name, saved in lost.items():
            model = self._model_named(saved.turns[-1].model if saved.turns else "")
            lines.append(restored_text(name, saved, model))
            if saved.turns:
                chat = model.chat(saved.turns[-1].instructions)
                chat.messages = [message for turn in saved.turns for message in turn.messages]
                self.chats[name] = Conversation(name, chat, {t.place: t.messages[0] for t in saved.turns})
        _say("\n".join([*lines, *(problem.text(live) for problem in problems)]))

    def _verify(self, words: list[str]) -> None:
        """Write the answers of a saved notebook again and compare."""
        path, live = verification.words(words)
        path = path or find_notebook(self.shell.user_ns, os.environ, "verify")
        functions = self.shell.user_ns if live else None
        with log.paused():
            verification.run(path, lambda facts: self._model_named(str(facts["model"])), functions, _say)

    def _model_named(self, source: str) -> Model:
        """The model of that name among those at hand, else the default model; no model is downloaded."""
        usual = default.default_model()
        return next(
            (model for model in self.models.values() if model.source == source != usual.source), usual
        )

    def _load(self, words: list[str]) -> None:
        source, settings = parse_load_line(words)
        model = loader.load(source, **settings)
        default.set_default_model(model)
        self.models = {source: model}
        _say(repr(model))

    def _keep_cache(self, words: list[str]) -> None:
        model = default.default_model()
        file = one_word(words, "keep")
        try:
            n_bytes = model.save_cache(file)
        except ValueError:
            if file is not None:
                raise
            raise ValueError(
                "%oss keep needs a file, as in `%oss keep notes.kept`: %oss load named none by --cache"
            ) from None
        n_tokens = model.n_kept_bytes // model.kv_bytes_per_token
        _say(f"kept keys and values of {counted(n_tokens, 'token')}: {size_text(n_bytes)}")

    def _reset(self, words: list[str]) -> None:
        for name in words:
            self._known(name)
        ended = list(dict.fromkeys(words)) or list(self.chats)
        for name in ended:
            del self.chats[name]
        if self._asked is not None and self._asked.options.chat in ended:
            self._asked = None  # not to begin it again
        _say(f"forgot {', '.join(ended)}" if ended else "there was no chat to forget")

    def names(self, flag: str) -> Iterable[str]:
        """The values that the completion offers for a flag beside its fixed ones."""
        if flag == "--tool":
            return function_names(self.shell.user_ns, self.shell.user_ns_hidden)
        if flag in ("--doc", "--give", "@"):
            return names(self.shell.user_ns, self.shell.user_ns_hidden)
        return list(self.chats if flag == "--chat" else self.models if flag == "--model" else ())


def _say(text: str) -> None:
    """Print what has names from files, models or other people in it."""
    print(safe_terminal(text))


_removed: dict[str, OssMagics] = {}  # the last magics that were removed from a shell


def register(shell: InteractiveShell, resumes: bool = False) -> None:
    """Add the magics, the completion and the rule for first lines to a shell, once.

    They begin anew, or with `resumes` go on as they were when they were removed.
    """
    if _registered(shell) is not None:
        return
    if has_front_end(shell):
        set_progress_factory(NotebookProgress)
        set_notice_display(show_notice)
        set_page_asker(ask_on_page)
    last = _removed.pop("last", None)
    magics = last if last is not None and resumes and last.shell is shell else OssMagics(shell)
    shell.register_magics(magics)
    shell.events.register("post_run_cell", magics.after_cell)
    shell.input_transformers_cleanup.insert(0, as_cell_magic)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(make_matcher(magics.names))


def unregister(shell: InteractiveShell) -> None:
    """Remove everything that `register` added."""
    magics = _registered(shell)
    if magics is None:
        return
    _removed["last"] = magics
    shell.events.unregister("post_run_cell", magics.after_cell)
    set_progress_factory(TerminalProgress)
    set_notice_display(None)
    set_page_asker(None)
    for kind in ("line", "cell"):
        del shell.magics_manager.magics[kind]["oss"]
    shell.input_transformers_cleanup.remove(as_cell_magic)
    if shell.Completer is not None:
        matchers = shell.Completer.custom_matchers
        matchers[:] = [matcher for matcher in matchers if matcher.__module__ != make_matcher.__module__]


def _registered(shell: InteractiveShell) -> OssMagics | None:
    magic = shell.magics_manager.magics["cell"].get("oss")
    owner = getattr(magic, "__self__", None)
    return owner if isinstance(owner, OssMagics) else None


OssMagics.oss.__doc__ = f"{cell_help()}\n\n{LINE_HELP}"  # what `%%oss?` shows
