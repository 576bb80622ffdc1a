"""The model's own `python` tool: a session that keeps its variables, in a process behind walls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..harmony.messages import ToolCall
from ..sandbox.kernel import Kernel, KernelEnded
from ..sandbox.output import Output
from ..sandbox.process import missing_walls
from ..sandbox.walls import Report
from ..system.files import size_of
from ..system.forks import renew_in_children
from ..system.text import shown_value
from .given import pickled, told
from .snippet import code_of
from .tool import Result, Tool

SANDBOXES = ("best", "required", "off")
WITHOUT = {"off": ("namespaces", "landlock", "seccomp")}  # the limits stay: they protect the machine
LEAST_MEMORY = 500_000_000  # bytes, with which Python and its usual libraries start
POLL_S = 0.05

# As trained, but for what is not so here: the drive, and that nobody sees the code.
TEXT = """\
Use this tool to execute Python code in your chain of thought. The user sees the code folded away, and the \
pictures that it draws.

When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook \
environment. python will respond with the output of the execution or time out after 120.0 seconds. {more}"""
NO_INTERNET = "Internet access for this session is disabled."
LOAD = "{name} = __import__('pickle').loads(__import__('pathlib').Path({path!r}).read_bytes())"
GONE = "its variables are gone, and the next call begins a new session"


class Python(Tool):
    """The model's `python`, in a kernel of its own; `ossnb.python` makes one, and says what it takes."""

    name = "python"

    def __init__(
        self,
        sandbox: str = "best",
        give: Mapping[str, Any] | None = None,
        read: Iterable[str | Path] = (),
        memory: str | int = "4 GB",
        *,
        without: Iterable[str] = (),
    ) -> None:
        if sandbox not in SANDBOXES:
            raise ValueError(f"sandbox must be one of {', '.join(SANDBOXES)}, got {shown_value(sandbox)}")
        if isinstance(read, str | bytes | Path) or not isinstance(read, Iterable):
            raise ValueError(f"read must be a list of folders and files, got {shown_value(read)}")
        n_bytes = size_of("memory", memory)
        if n_bytes is None:
            raise ValueError(
                f"memory must be a size such as '4 GB', or a number of bytes, got {shown_value(memory)}"
            )
        if n_bytes < LEAST_MEMORY:
            raise ValueError(f"memory must be at least 500 MB, got {shown_value(memory)}")
        self.sandbox = sandbox
        self._walls: dict[str, Any] = {
            "memory": n_bytes,
            "read": tuple(_path(one) for one in read),
            "without": (*WITHOUT.get(sandbox, ()), *without),
        }
        if sandbox == "required":
            _check(missing_walls(self._walls["without"]))
        self._told: dict[str, str] = {}
        self._given: dict[str, bytes] = {}
        self._pending: set[str] = set()  # names that the session does not have yet
        self.definition = self._define()
        self.give({} if give is None else give)
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin without a kernel; a forked child does so, whose parent has it."""
        self._kernel: Kernel | None = None
        self._turn = threading.Lock()
        self._pending = set(self._given)

    def give(self, variables: Mapping[str, Any]) -> None:
        """Hand variables over, as they are now; the next snippet has them.

        Raises ValueError for what cannot be handed over.
        """
        self._given |= pickled(variables)
        self._pending |= variables.keys()
        self._told |= {name: told(name, value) for name, value in variables.items()}
        self.definition = self._define()

    def bind(self, call: ToolCall) -> Callable[[], Any]:
        """Return the snippet, ready to run."""
        return _Snippet(self, code_of(call.raw))

    def close(self) -> None:
        """End the session; a later call begins a new one."""
        with self._turn:
            if self._kernel is not None:
                self._kernel.close()

    @property
    def is_alive(self) -> bool:
        """Whether there is a session."""
        return self._kernel is not None and self._kernel.is_alive

    def run(self, code: str, why_stop: Callable[[], str] = lambda: "") -> Result:
        """Run a snippet, when those that came before it have ended; `why_stop` ends it early."""
        while not self._turn.acquire(timeout=POLL_S):
            if why := why_stop():
                return _failed(f"{why}; it had not begun: another answer's code was running", "")
        try:
            return self._run(code, why_stop)
        finally:
            self._turn.release()

    def _run(self, code: str, why_stop: Callable[[], str]) -> Result:
        note = before = ""
        try:
            kernel, is_new = self._ready(why_stop)
            note = f"own kernel: {kernel.report.text}"
            before = "[this is a new session: variables of earlier calls are gone]\n" if is_new else ""
            self._hand_over(kernel, why_stop)
            output = kernel.run(code, why_stop)
        except KernelEnded as ended:
            self._kernel = None
            return _failed(f"the session ended: {ended}; {GONE}", note, ended.output)
        text = before + output.text
        if why := (output.error if output.is_stopped else ""):
            text += f"\n[ERROR] {why}; the session and its variables are still there"
        return Result(text, note, tuple(output.pictures), output.error or None)

    def _ready(self, why_stop: Callable[[], str]) -> tuple[Kernel, bool]:
        """Return the kernel, and whether it stands in the place of one that had run snippets."""
        old = self._kernel
        if old is not None and old.is_alive:
            return old, False
        self._kernel = kernel = Kernel(lambda: not why_stop(), **self._walls)
        self._pending = set(self._given)
        if self.sandbox == "required" and kernel.report.missing:
            kernel.close()
            _check(kernel.report.missing)
        return kernel, old is not None

    def _hand_over(self, kernel: Kernel, why_stop: Callable[[], str]) -> None:
        for name in sorted(self._pending):
            path = kernel.given / name
            path.write_bytes(self._given[name])
            load = (
                f"{name} = __import__('pickle').loads(__import__('pathlib').Path({str(path)!r}).read_bytes())"
            )
            output = kernel.run(load, why_stop)
            path.unlink()
            if output.error:
                raise RuntimeError(
                    f"{name} could not be handed over ({output.error}): its type is not importable in the "
                    "kernel; give its data instead, as a DataFrame, an array, a dict or a list"
                )
            self._pending.discard(name)

    def restore(
        self, sandbox: str, walls: dict[str, Any], given: dict[str, bytes], told: dict[str, str]
    ) -> None:
        """Become as another was, without its session."""
        self.sandbox, self._walls, self._given, self._told = sandbox, walls, given, told
        self.definition = self._define()
        self.renew()

    def _define(self) -> dict[str, Any]:
        more = NO_INTERNET if self.sandbox != "off" else ""
        if self._told:
            more += f"\n\nThese variables are there already: {', '.join(self._told.values())}."
        return {"type": "builtin", "name": "python", "description": TEXT.format(more=more).strip()}

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.sandbox, self._walls, self._given, self._told)

    def __repr__(self) -> str:
        return f"ossnb.python(sandbox={self.sandbox!r})"


def python(
    *,
    sandbox: str = "best",
    give: Mapping[str, Any] | None = None,
    read: Iterable[str | Path] = (),
    memory: str | int = "4 GB",
) -> Python:
    """Make the tool that lets a model run Python code; `tools=["python"]` is one with the usual settings.

    >>> python = ossnb.python(give={"x": [1, 2, 3]})
    >>> reply = model.generate("What is the mean of x?", tools=[python], temperature=0)

    The code runs in a kernel of its own, which keeps its variables from call to call, and for all answers
    that have this tool; `close` ends it. `give` hands variables over, as they are now; `give` of the tool
    hands over more. Code may write in a folder of its own, read Python's own files and what `read` names, and
    reach no network; `memory` is that of all its processes, as a text or in bytes. `sandbox` "best" puts up
    the walls that the system has, and the note of each step names them; "required" raises a RuntimeError
    where one is missing; "off" puts up none but the limits. Needs ipykernel and jupyter_client, as in `pip
    install "ossnb[python]"`. Raises ValueError for a variable that cannot be handed over.
    """
    return Python(sandbox, give, read, memory)


class _Snippet:
    """A call of python; it can be ended from outside."""

    def __init__(self, python: Python, code: str) -> None:
        self._python = python
        self._code = code
        self._why = ""

    def __call__(self) -> Result:
        return self._python.run(self._code, lambda: self._why)

    def stop(self, why: str) -> None:
        self._why = self._why or why


def _check(missing: Mapping[str, str]) -> None:
    if missing:
        gone = Report(missing=dict(missing)).text.removeprefix("not walled: ")
        raise RuntimeError(
            f"sandbox='required', and this system cannot wall off: {gone}; sandbox='best' runs without it, "
            "and each step says so"
        )


def _failed(why: str, note: str, output: Output | None = None) -> Result:
    said = "" if output is None or not output.n_chars else f"{output.text}\n"
    pictures = () if output is None else tuple(output.pictures)
    return Result(f"{said}[ERROR] {why}", note, pictures, why)


def _path(path: Any) -> str:
    try:
        found = Path(path).expanduser().resolve(strict=True)
    except (OSError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"read names folders and files that exist, got {shown_value(path)} ({error})"
        ) from None
    return str(found)


def _again(sandbox: str, walls: dict[str, Any], given: dict[str, bytes], told: dict[str, str]) -> Python:
    """Make a tool as another was, without its session."""
    made = Python(without=walls["without"])
    made.restore(sandbox, walls, given, told)
    return made
