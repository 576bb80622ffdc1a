"""A question for each row of a table: many are answered at a time, and none waits for another."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import secrets
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast, overload

from ..checkpoint.config import Config
from ..errors import DeviceError
from ..generation.frame import LIBRARIES
from ..generation.question import Question
from ..generation.record import Author, Origin, Reply
from ..generation.stream import Stream
from ..harmony.messages import Prompt
from ..harmony.tokenizer import well_formed
from ..system.notices import tell
from ..system.text import counted, shown
from ..tools.toolkit import Toolkit
from .frame import frame_of
from .progress import Tally
from .rows import Answer, Template, check_rows, check_template, prompt_of, rows_of
from .samples import Asked
from .store import Store
from .together import as_done

OF_A_ROW = (ValueError, MemoryError, DeviceError)  # an error of one answer; any other ends the map
_USUAL = Toolkit()


class Mapped(Asked, Protocol):
    """A model, as a map knows it."""

    fingerprint: str
    precision: str
    context: int
    config: Config

    @property
    def kv(self) -> str: ...


class Answers:
    """The answers to a question asked of each row. Nothing runs until you read them.

    >>> answers = model.map([{"a": 17, "b": 25}, {"a": 2, "b": 2}], "What is {a} + {b}?", temperature=0)
    >>> [answer.text for answer in answers]
    ['17 + 25 = 42.', '2 + 2 = 4.']

    A loop over them gives them in the rows' order, `as_done` as they come, and `run` answers all. An
    interrupt, or the end of the loop, keeps those that are there (`found`); reading on answers the rest.
    Loops within one another share the answers. Each reply is the one that a single call with its seed gives,
    bit for bit. A row's seed comes from `seed` and the row's own question: other rows do not change it, and
    equal questions are answered once. A row that cannot be asked, or whose answer fails, has its error in its
    place.
    """

    def __init__(
        self,
        model: Mapped,
        rows: Any,
        template: Template,
        make_question: Callable[[Prompt], Question],
        *,
        seed: int | None,
        in_flight: int,
        resume: Path | None,
        retry_errors: bool,
        show_progress: bool,
    ) -> None:
        check_rows(rows)
        check_template(template, rows)
        self.rows = rows_of(rows)
        origin = type(rows).__module__.split(".")[0]
        self._library = origin if origin in LIBRARIES else None
        self._index = getattr(rows, "index", None) if origin == "pandas" else None
        self.found: dict[int, Answer] = {}  # the number of a row → its answer
        self._came: list[Answer] = []  # in the order in which they came
        self._model, self._template, self._make_question = model, template, make_question
        self._asking: weakref.ref[Generator[bool, None, None]] | None = None
        self._in_flight, self._retry_errors = in_flight, retry_errors
        self._show_progress = show_progress
        self._seed = seed
        self._store: Store | None = None
        if resume is not None:  # a file that does not fit is told at once
            self._store = Store(resume, seed)
            self._store.close()
            self._seed = self._store.seed

    @property
    def seed(self) -> int:
        """The seed that all rows' seeds come from; drawn where none was given."""
        if self._seed is None:
            self._seed = secrets.randbits(32)
        return self._seed

    def run(self) -> Answers:
        """Answer all rows that have no answer yet."""
        for _ in self.as_done():
            pass
        return self

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Answer]:
        with contextlib.closing(self.as_done()) as coming:
            for number in range(len(self.rows)):
                while number not in self.found:
                    next(coming)
                yield self.found[number]

    @overload
    def __getitem__(self, number: int) -> Answer: ...
    @overload
    def __getitem__(self, number: slice) -> list[Answer]: ...
    def __getitem__(self, number: int | slice) -> Answer | list[Answer]:
        """Return the answer of a row, or those of a slice; all rows are answered first if one of these has
        none yet.

        >>> answers = model.map(["Hi", "Hello", "Hey"], seed=1)
        >>> answers[-1].row, [answer.row for answer in answers[:2]]
        ('Hey', ['Hi', 'Hello'])
        """
        wanted = range(len(self.rows))[number]
        numbers = [wanted] if isinstance(wanted, int) else wanted
        if not self.found.keys() >= set(numbers):
            self.run()
        found = [self.found[n] for n in numbers]
        return found[0] if isinstance(wanted, int) else found

    def as_done(self) -> Generator[Answer, None, None]:
        """Answer all rows that have no answer yet, and yield each answer as it comes.

        >>> sorted(answer.number for answer in model.map(["Hi", "Hello"], seed=1).as_done())
        [0, 1]

        Raises RuntimeError where another thread reads them at this moment.
        """
        n_told = len(self._came)
        asking = self._asked_now()
        try:
            while True:
                while n_told < len(self._came):  # another loop may have brought some
                    n_told += 1
                    yield self._came[n_told - 1]
                if inspect.getgeneratorstate(asking) == inspect.GEN_RUNNING:
                    raise RuntimeError(
                        "these answers are read just now, by another thread or by a function that their map "
                        "calls: read them in one place at a time, or keep what you need of `found`"
                    )
                if next(asking, False):
                    continue
                if len(self.found) >= len(self.rows):
                    return
                asking = self._asked_now()  # an error ended the last one in another loop
        finally:
            del asking  # an error's traceback keeps this frame, and would keep the answers running

    def to_frame(self, library: str | None = None, *, found_only: bool = False) -> Any:
        """Return the rows with their answers as a table of pandas or polars; answer what is not answered yet.

        >>> answers = model.map([{"a": 17, "b": 25}], "What is {a} + {b}?", temperature=0)
        >>> answers.to_frame("pandas")[["a", "b", "answer"]]
            a   b         answer
        0  17  25  17 + 25 = 42.

        The columns are those of the rows (or "row"), then answer, reasoning, error, finish_reason,
        n_prompt_tokens, n_new_tokens and seed. Where the rows have such a name, ours ends in "_of_answer".
        `library` None takes the rows' own, else one that is imported or installed. `found_only` answers none,
        and leaves out the rows without an answer. Rows of pandas keep their index in a table of pandas.
        Raises ImportError where there is no library.
        """
        answers = [self.found[number] for number in sorted(self.found)] if found_only else list(self)
        return frame_of(answers, library or self._library, self._index)

    # ---- one row after the other ---------------------------------------------------------------------------

    def _asked_now(self) -> Generator[bool, None, None]:
        """Return the run that answers the rest of the rows: the one that is open, else a new one.

        All loops share it, and each holds it. With the last of them it goes, and its running answers end.
        """
        asking = None if self._asking is None else self._asking()
        if asking is None or inspect.getgeneratorstate(asking) == inspect.GEN_CLOSED:
            asking = self._ask_rest()
            self._asking = weakref.ref(asking)
        return asking

    def _ask_rest(self) -> Generator[bool, None, None]:
        """Answer the rows that have no answer, and yield True whenever some have come."""
        progress = Tally(len(self.rows), self._show_progress)
        store = None if self._store is None else self._store.reopen()
        try:
            waiting, ready = self._waiting(store, progress)
            self._keep(ready)
            if store is not None:
                store.answers.clear()  # whatever a row can use is taken
            progress.begin(len(self.found))
            yield True
            yield from self._ask(deque(waiting), store, progress)
        finally:
            progress.close()
            if store is not None:
                store.close()

    def _ask(
        self, waiting: deque[_Asked], store: Store | None, progress: Tally
    ) -> Generator[bool, None, None]:
        tasks: dict[int, _Task] = {}  # those that have begun, until their answers are kept

        def begin() -> Iterator[_Task]:
            for at in range(len(waiting)):
                asked = waiting.popleft()
                tasks[at] = _Task(self._model, asked, self._seed_of(asked.key), store)
                yield tasks[at]

        try:
            with contextlib.closing(as_done(begin(), self._in_flight, progress.tick)) as ended:
                for at, error in ended:
                    if error is not None:
                        raise error
                    task = tasks[at]
                    self._keep(self._answers_of(task))
                    if task.failure is not None:
                        raise task.failure
                    if task.result is None:  # and asking again would go on for ever
                        raise RuntimeError(
                            "an answer was stopped from outside its map, as at the end of the process; its "
                            "row has no answer, and reading on asks it again"
                        )
                    del tasks[at]
                    progress.add(len(task.asked.numbers), task.result)
                    yield True
        finally:  # those that ended after the last one that was read are answers as well
            for task in tasks.values():
                self._keep(self._answers_of(task))

    def _keep(self, answers: Sequence[Answer]) -> None:
        new = [answer for answer in answers if answer.number not in self.found]
        self.found.update((answer.number, answer) for answer in new)
        self._came += new

    def _answers_of(self, task: _Task) -> list[Answer]:
        if task.result is None:
            return []
        return [self._answer(number, task.result) for number in task.asked.numbers]

    def _answer(self, number: int, result: Reply | str) -> Answer:
        if isinstance(result, Reply):
            return Answer(number, self.rows[number], result)
        return Answer(number, self.rows[number], error=result)

    def _waiting(self, store: Store | None, progress: Tally) -> tuple[list[_Asked], list[Answer]]:
        """Return the questions to ask, and the answers that are there already."""
        waiting: dict[str, _Asked] = {}
        ready: list[Answer] = []
        unreadable: dict[str, str] = {}  # key → why
        for number, row in enumerate(self.rows):
            progress.prepare()
            if number in self.found:
                continue
            try:
                question = self._make_question(prompt_of(self._template, row))
            except Exception as error:  # of a function of the caller's, too
                ready.append(self._answer(number, _told(error)))
                continue
            key = self._key(question)
            known = None if store is None else store.answers.get(key)
            if known is not None and key not in unreadable and not (self._retry_errors and "error" in known):
                try:
                    answer = self._answer(number, self._from_line(known, question))
                except (TypeError, ValueError) as error:  # of another version, or changed since
                    unreadable[key] = str(error)
                else:
                    if answer.reply is None or answer.reply.finish_reason != "cancelled":
                        ready.append(answer)
                        continue
            if key not in waiting:
                waiting[key] = _Asked(key, question, [])
            waiting[key].numbers.append(number)
        if unreadable and store is not None:
            n, why = len(unreadable), shown(next(iter(unreadable.values())), 300)
            tell(
                f"{counted(n, 'answer')} in {shown(str(store.path), 300)!r} cannot be read back and "
                f"{'is' if n == 1 else 'are'} asked again ({why})"
            )
        return list(waiting.values()), ready

    def _from_line(self, line: dict[str, Any], question: Question) -> Reply | str:
        """Read an answer of the file; its form has the caller's type again, and its views the model."""
        if "error" in line:
            return str(line["error"])
        origin = Origin(cast(Author, self._model))
        return replace(Reply.from_dict(line["reply"]), form=question.form, origin=origin)

    def _seed_of(self, key: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{key}".encode()).digest()[:4], "big")

    def _key(self, question: Question) -> str:
        """Return a name for the question and the model, the same in every process; the seed is not in it,
        nor are drafts, which change no answer."""
        settings = {**question.sampling.to_dict(), "seed": None}
        settings.pop("drafts", None)
        content = [
            [message.to_dict() for message in question.messages],
            [question.instructions, question.effort, list(question.tools), settings],
            [self._model.fingerprint, self._model.precision, self._model.kv],
        ]
        if question.docs is not None:
            documents = question.docs.documents
            content.append([{"name": one.name, "sha256": one.digest} for one in documents])
            if question.docs.embeddings is not None:
                content.append([question.docs.embeddings.digest])
        if question.form is not None:  # what is checked afterwards follows from the rest
            form = question.form.to_dict()
            form.pop("checked_after", None)
            content.append([form])
        if changed := self._changed(question):
            content.append([changed])
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _changed(self, question: Question) -> dict[str, Any]:
        """Return the other settings that answers depend on, where they are not the usual ones: so a file that
        was written before they had a place in the key stays valid."""
        toolkit, usual = question.toolkit, _USUAL
        own = self._model.config.max_position_embeddings
        values = {
            "run_tools": (toolkit.run, usual.run),
            "max_rounds": (toolkit.max_rounds, usual.max_rounds),
            "timeout": (toolkit.timeout, usual.timeout),
            "whole": (None if question.docs is None else question.docs.whole, None),
            "overflow": (question.overflow, "error"),
            "context": (self._model.context, own),
        }
        return {name: value for name, (value, default) in values.items() if value != default}

    def __repr__(self) -> str:
        n_errors = sum(answer.error is not None for answer in self.found.values())
        errors = f", {n_errors:,} of them errors" if n_errors else ""
        return f"Answers({len(self.found):,} of {len(self.rows):,} rows{errors})"


class _Asked(NamedTuple):
    """A question, and the rows that it is asked for."""

    key: str
    question: Question
    numbers: list[int]


class _Task:
    """A question on its way; its prompt is rendered in the thread that asks.

    That thread writes the answer into the file, too: whoever reads the answers may take long between two.
    """

    def __init__(self, model: Asked, asked: _Asked, seed: int, store: Store | None) -> None:
        self.asked = asked
        self.result: Reply | str | None = None  # a reply, or the error that stands in its place
        self.failure: Exception | None = None  # of the file
        self._model, self._seed, self._store = model, seed, store
        self._stream: Stream | None = None
        self._is_cancelled = False

    def run(self) -> None:
        result: Reply | str
        try:
            result = self._reply()
        except OF_A_ROW as error:
            result = _told(error)
        finally:
            self._stream = None  # all that the engine needed for it
        is_half = isinstance(result, Reply) and result.finish_reason == "cancelled"
        if is_half or (self._is_cancelled and not isinstance(result, Reply)):
            return  # `cancel` ended it, or the end of the process: the row stays unanswered
        self.result = result
        if self._store is not None:
            try:
                self._store.add(self.asked.key, _as_line(result))
            except Exception as error:  # the answer is there all the same
                self.failure = error

    def cancel(self) -> None:
        self._is_cancelled = True
        if (stream := self._stream) is not None:  # it may end just now
            stream.cancel()

    def _reply(self) -> Reply:
        question = self.asked.question
        seeded = replace(question.sampling, seed=self._seed)
        stream = self._stream = self._model.ask(replace(question, sampling=seeded))
        if self._is_cancelled:
            stream.cancel()
        return stream.run()


def _told(error: Exception) -> str:
    return well_formed(f"{type(error).__name__}: {error}")


def _as_line(result: Reply | str) -> dict[str, Any]:
    return {"reply": result.to_dict()} if isinstance(result, Reply) else {"error": result}
