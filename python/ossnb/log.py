"""The log: every reply that ends, in a SQLite file, for users who want one. It is off until they say so.

OSSNB_LOG=FILE is a log for one process and its children; `ossnb log on` is one for all of the user's.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .generation.question import Question
from .generation.record import Reply
from .harmony.messages import messages_to_json
from .harmony.prompt import only_question
from .system.files import default_state_dir, expand_user, read_file, replacing
from .system.text import safe_terminal, shown

if TYPE_CHECKING:
    import sqlite3

VARIABLE = "OSSNB_LOG"
OFF, ON = ("off", "0", "no", "false"), ("on", "1", "yes", "true")
VERSION = 1  # of the tables
PATIENCE_S = 10.0  # while others write: each takes milliseconds
_APPLICATION_ID = 0x6F73736E  # "ossn", in the header of the file
_LONGEST_PATH = 10_000
_TABLE = """CREATE TABLE replies (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,  -- UTC
    model TEXT NOT NULL,
    asked TEXT NOT NULL,  -- the last words of the question
    text TEXT NOT NULL,
    question TEXT NOT NULL,  -- JSON: messages, instructions, tools
    reply TEXT NOT NULL  -- JSON: Reply.to_dict()
)"""


class LogError(OSError):
    """The log cannot be read or written; the message names the file and the cure."""


class Entry(NamedTuple):
    """A reply of the log; `at` is an ISO time in UTC, `asked` the last words of the question."""

    id: int
    at: str
    model: str
    asked: str
    text: str


# ---- on or off ---------------------------------------------------------------------------------------------


def default_file() -> Path:
    """Return the file of a log that nobody gave a name."""
    return default_state_dir() / "log.sqlite"


def current() -> Path | None:
    """Return the file in which replies are kept now, None while the log is off.

    >>> current() is None
    True
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named.lower() in OFF:
        return None
    if named:
        return default_file() if named.lower() in ON else expand_user(named, VARIABLE)
    try:
        is_on, path = _switched()
    except ValueError:  # a user without a home has no switch either
        return None
    return path if is_on else None


def last_file() -> Path:
    """Return the file of the log that is on, else of the one that was, else where one would be."""
    return current() or _switched()[1]


def switch_on(path: Path | None = None) -> Path:
    """Keep all replies of this user from now on, in `path` or the usual file; return the file."""
    chosen = (path or default_file()).absolute()
    Log(chosen).make()
    _write_switch(b"on", chosen)
    return chosen


def switch_off() -> None:
    """Keep no more replies; those in the file stay."""
    is_on, path = _switched()
    if is_on:
        _write_switch(b"off", path)


def _switch() -> Path:
    return default_state_dir() / "log-switch"  # "on" or "off", and on the next line the log's path


def _switched() -> tuple[bool, Path]:
    """Return whether the user has switched the log on, and its file."""
    try:
        word, _, path = read_file(_switch(), _LONGEST_PATH).partition(b"\n")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False, default_file()
    return word == b"on", Path(os.fsdecode(path.rstrip(b"\n"))) if path.strip() else default_file()


def _write_switch(word: bytes, path: Path) -> None:
    _make_folder(_switch().parent)
    with replacing(_switch()) as file:
        if hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), 0o600)
        file.write(word + b"\n" + os.fsencode(path) + b"\n")


_is_paused = ContextVar("is_paused", default=False)


@contextmanager
def paused() -> Iterator[None]:
    """Keep no replies of this thread, or task, meanwhile: measurements and checks are no conversations.

    What other threads ask at the same time is kept. Tools and awaited answers belong to who began them.
    """
    before = _is_paused.get()
    _is_paused.set(True)
    try:
        yield
    finally:
        _is_paused.set(before)


def keep(question: Question, reply: Reply) -> None:
    """Keep a reply that has ended, if the log is on. It never raises: a failure is told on standard error."""
    try:
        if not _is_paused.get() and reply.tokens and (path := current()) is not None:
            Log(path).add(question, reply)
    except Exception as error:  # whatever it is, the caller's answer is good
        with contextlib.suppress(Exception):
            why = safe_terminal(str(error) or type(error).__name__)
            print(f"note: this answer is not in the log: {why}", file=sys.stderr, flush=True)


# ---- the file ----------------------------------------------------------------------------------------------


class Log:
    """A file of replies.

    >>> log = Log(Path("log.sqlite"))
    >>> log.add(ossnb.Question.of("What is 17 + 25?"), reply)
    >>> [entry.text for entry in log.entries()], log.reply(1) == reply
    (['17 + 25 = 42.'], True)

    Only its owner may read a file that is made here. Every call opens the file anew, so that threads,
    processes and forks can share one. A LogError says what is wrong with it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make the file, if it is not there."""
        with self._open(make=True):
            pass

    def add(self, question: Question, reply: Reply) -> None:
        """Add a reply and its question."""
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        asked = {
            "messages": messages_to_json(question.messages),
            "instructions": question.instructions,
            "tools": list(question.tools),
            **({} if question.docs is None else {"documents": question.docs.to_dict()}),
        }
        texts = [at, reply.model, _last_words(question), reply.text, json.dumps(asked), reply.to_json()]
        row = [text.encode(errors="replace").decode() for text in texts]  # a folder's name may hold any bytes
        with self._open(make=True) as database:
            database.execute(
                "INSERT INTO replies (at, model, asked, text, question, reply) VALUES (?, ?, ?, ?, ?, ?)", row
            )

    def entries(self, n: int = 20, containing: str = "") -> list[Entry]:
        """List the last `n` replies, the newest first; `containing` is looked for in question and answer."""
        with self._open() as database:
            found = database.execute(
                "SELECT id, at, model, asked, text FROM replies WHERE ? = '' OR instr(fold(asked || char(10) "
                "|| text), fold(?)) ORDER BY id DESC LIMIT ?",
                (containing, containing, n),
            )
            return [Entry(*row) for row in found]

    def count(self) -> int:
        """Count the replies."""
        with self._open() as database:
            (n,) = database.execute("SELECT count(*) FROM replies").fetchone()
            return int(n)

    def reply(self, number: int | None = None) -> Reply:
        """Return a reply by its number, or the last one."""
        return Reply.from_json(self._column("reply", number))

    def question(self, number: int | None = None) -> dict[str, Any]:
        """Return the question of a reply: messages, instructions and tools, as plain JSON."""
        found: dict[str, Any] = json.loads(self._column("question", number))
        return found

    def _column(self, name: str, number: int | None) -> str:
        where = "ORDER BY id DESC LIMIT 1" if number is None else "WHERE id = ?"
        with self._open() as database:
            row = database.execute(
                f"SELECT {name} FROM replies {where}", () if number is None else (number,)
            ).fetchone()
        if row is None:
            what = "no reply" if number is None else f"no reply {number}; `ossnb log list` shows the numbers"
            raise LogError(f"{self._name} has {what}")
        return str(row[0])

    @property
    def _name(self) -> str:
        return shown(os.fspath(self.path), 500)

    @contextmanager
    def _open(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            import sqlite3
        except ImportError as error:
            raise LogError(f"this Python was built without SQLite, which the log needs ({error})") from None
        try:
            self._check_file(make)
            address = f"{self.path.absolute().as_uri()}?mode=rw"
            with contextlib.closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S)) as database:
                database.create_function("fold", 1, str.casefold, deterministic=True)
                with database:
                    self._check_tables(database, make)
                    yield database
        except sqlite3.OperationalError as error:
            raise LogError(f"{self._name} cannot be used now: {error}") from error
        except sqlite3.DatabaseError as error:
            raise LogError(
                f"{self._name} is no log, or a damaged one ({error}); move it away, and a new one begins"
            ) from error

    def _check_file(self, make: bool) -> None:
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise LogError(f"{self._name} is no plain file; name another one in {VARIABLE}")
        except FileNotFoundError:
            if not make:
                raise LogError(f"there is no log in {self._name} yet; `ossnb log on` begins one") from None
            _make_folder(self.path.parent)
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def _check_tables(self, database: sqlite3.Connection, make: bool) -> None:
        # One transaction: a file that another is making is seen before that or after it, never between.
        database.execute("BEGIN IMMEDIATE" if make else "BEGIN")
        (owner,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (n_tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if owner != _APPLICATION_ID and n_tables:
            raise LogError(f"{self._name} is a database of another program; name another file")
        if version > VERSION:
            raise LogError(f"{self._name} was written by a newer ossnb; this one reads version {VERSION}")
        if not n_tables:
            if not make:
                raise LogError(f"there is no log in {self._name} yet; `ossnb log on` begins one")
            database.execute(_TABLE)
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {VERSION}")


def _make_folder(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)


def _last_words(question: Question) -> str:
    if question.prompt is not None:
        return question.prompt if isinstance(question.prompt, str) else only_question(question.prompt)
    return question.messages[-1].content if question.messages else ""
