"""A Python kernel in a process of its own, behind walls: it runs snippets, one after the other."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..system.progress import size_text
from ..system.text import shown
from .output import MOST_CHARS, Output
from .process import launched
from .tree import remove
from .walls import Report, Walls

START_S = 60.0  # a busy machine starts a kernel slowly
GRACE_S = 3.0  # from an interrupt to the end of the kernel
POLL_MS = 50
LAST_WORDS_S = 10.0  # for output that comes after the reply
MOST_MESSAGE = 64_000_000  # bytes: what is longer is not read into our memory
MOST_WAITING = 16  # messages of a socket that wait in our memory; more wait in the kernel's, or are dropped
MOST_STALE = 10_000  # messages thrown away before a snippet: more than a kernel that behaves has waiting
STALE_MS = 10
MOST_BYTES = 200_000_000  # of a snippet's messages: twice what pictures and text that are kept can have
MOST_PATH = 107 - len("/run/k-0")  # of a folder: a socket's path has no more bytes
TOO_LONG = f"it printed more than {MOST_CHARS:,} characters"
TOO_MUCH = "it sent more than {} of messages"
MISSING = (
    "the python tool needs ipykernel and jupyter_client; pip install 'ossnb[python]' installs both ({error})"
)
_SOCKETS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}


class KernelEnded(RuntimeError):
    """The kernel ended; the message says why, and `output` is that of the snippet so far."""

    output: Output = Output()


class Kernel:
    """A kernel that has been started.

    >>> kernel = Kernel(memory=2_000_000_000)  # starts a process  # doctest: +SKIP
    >>> kernel.run("6 * 7").text  # starts a process  # doctest: +SKIP
    '42'

    It ends with `close`, when nobody holds it any more, and with this process. `report` says which walls
    stand. Keywords are those of Walls. Raises ImportError without ipykernel, and KernelEnded where it does
    not start, or where `wants` is False meanwhile.
    """

    def __init__(self, wants: Callable[[], bool] = lambda: True, **walls: Any) -> None:
        self._session = _session()
        import zmq

        self._folder = _private_folder()
        self._walls = Walls(folder=str(self._folder), **walls)
        self._why_stop = ""
        try:
            self._process = self._start()
        except BaseException:
            remove(self._folder)
            raise
        self._context = zmq.Context()
        self._sockets: list[Any] = []
        zeromq = self._sockets, self._context
        self.close = weakref.finalize(self, _end, self._process, self._folder, *zeromq, os.getpid())
        try:
            self.report = self._read_report()
            self._shell = self._socket(zmq.DEALER, "shell")
            self._listen(wants)
        except BaseException:
            self.close()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether it can run snippets."""
        return self.close.alive and self._process.poll() is None

    @property
    def work(self) -> Path:
        """The folder that snippets work in."""
        return Path(self._walls.work)

    @property
    def given(self) -> Path:
        """The folder of what is handed over; the kernel reads it."""
        return self._folder / "given"

    def run(self, code: str, why_stop: Callable[[], str] = lambda: "") -> Output:
        """Run a snippet to its end, and return what it printed, returned and drew.

        Once `why_stop` returns a text, and with too much output, an interrupt ends the snippet, and the
        output's error tells why. Where it does not heed that, where messages flood in, and where it ends the
        kernel, KernelEnded is raised with the output so far. One thread runs snippets at a time.
        """
        output = Output()
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        self._throw_away_stale()
        asked = self._session.msg("execute_request", content)
        self._session.send(self._shell, asked)
        try:
            self._read(asked["header"]["msg_id"], output, why_stop)
        except KernelEnded as ended:
            ended.output = output
            raise
        return output

    # ---- messages ------------------------------------------------------------------------------------------

    def _read(self, asked: str, output: Output, why_stop: Callable[[], str]) -> None:
        """Take the messages of a snippet until it has ended."""
        is_idle, is_cut, replied, interrupted, why, n_bytes = False, False, 0.0, 0.0, "", 0
        while not (replied and (is_idle or time.monotonic() > replied + LAST_WORDS_S)):
            for socket, _ in self._poller.poll(POLL_MS):
                if socket is self._cut:
                    socket.recv_multipart()
                    is_cut = is_idle = True
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(1)  # the end of the kernel cuts it, too
                    continue
                message, size = self._received(socket)
                n_bytes += size  # also of messages that are not the snippet's: its code can send any
                if message is None or message["parent_header"].get("msg_id") != asked:
                    continue
                if socket is self._shell:
                    replied = time.monotonic()
                else:
                    is_idle |= _take(message, output)
            if self._process.poll() is not None and not self._iopub.poll(0):
                raise KernelEnded(self._how_it_ended())
            if n_bytes > 2 * MOST_BYTES:
                self.close()
                raise KernelEnded(TOO_MUCH.format(size_text(2 * MOST_BYTES)))
            too_much = TOO_MUCH.format(size_text(MOST_BYTES)) if n_bytes > MOST_BYTES else ""
            why = why or (TOO_LONG if output.is_too_long or is_cut else too_much or why_stop())
            if why and not replied and not interrupted:
                interrupted = time.monotonic()
                self._tell(b"i")
            elif why and not replied and time.monotonic() > interrupted + GRACE_S:
                self.close()
                raise KernelEnded(f"{why}, and it did not heed the interrupt")
        if interrupted or output.is_too_long or is_cut:
            output.error, output.is_stopped = why, True
        if is_cut:
            self._listen()

    def _received(self, socket: Any) -> tuple[dict[str, Any] | None, int]:
        """Return the next message, None for one that is none, and its bytes."""
        parts = socket.recv_multipart()
        size = sum(map(len, parts))
        try:
            _, parts = self._session.feed_identities(parts)
            message: dict[str, Any] = self._session.deserialize(parts)
            is_one = all(isinstance(message[name], dict) for name in ("parent_header", "content"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # snippets can send, too
            return None, size
        return message if is_one else None, size

    def _throw_away_stale(self) -> None:
        """Throw away what came since the last snippet; a kernel whose queue is full drops new output."""
        n_bytes = n = 0
        while n < MOST_STALE and n_bytes < MOST_BYTES and self._iopub.poll(STALE_MS):
            n_bytes, n = n_bytes + sum(map(len, self._iopub.recv_multipart())), n + 1

    # ---- start and end -------------------------------------------------------------------------------------

    def _start(self) -> subprocess.Popen[bytes]:
        for name in ("work/.tmp", "run", "given"):
            (self._folder / name).mkdir(parents=True)
        connection = self._folder / "run" / "connection.json"
        connection.write_text(json.dumps(self._connection()))
        return launched(self._walls, [sys.executable, "-m", "ipykernel_launcher", "-f", str(connection)])

    def _connection(self) -> dict[str, Any]:
        """Describe the sockets, as Jupyter's connection files do."""
        return {
            "transport": "ipc",
            "ip": str(self._folder / "run" / "k"),
            "key": self._session.key.decode(),
            "signature_scheme": "hmac-sha256",
            **{f"{name}_port": number for name, number in _SOCKETS.items()},
        }

    def _socket(self, kind: int, name: str) -> Any:
        socket = self._context.socket(kind)
        self._sockets.append(socket)
        socket.linger = 0
        socket.rcvhwm = MOST_WAITING
        socket.maxmsgsize = MOST_MESSAGE
        socket.connect(f"ipc://{self._folder}/run/k-{_SOCKETS[name]}")
        return socket

    def _listen(self, wants: Callable[[], bool] = lambda: True) -> None:
        """Connect to the kernel's output; anew where ZeroMQ has cut it, as it does at too long a message."""
        import zmq

        while self._sockets[-1] is not self._shell:
            self._sockets.pop().close(linger=0)
        self._iopub = self._socket(zmq.SUB, "iopub")
        self._iopub.subscribe(b"")
        self._cut = self._iopub.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._sockets.append(self._cut)
        self._poller = zmq.Poller()
        for socket in (self._iopub, self._shell, self._cut):
            self._poller.register(socket, zmq.POLLIN)
        self._wait_until_ready(wants)

    def _wait_until_ready(self, wants: Callable[[], bool]) -> None:
        """Wait until the kernel answers and its output arrives."""
        deadline = time.monotonic() + START_S
        asked: set[str] = set()
        has_answer = has_output = False
        while not (has_answer and has_output):
            request = self._session.send(self._shell, "kernel_info_request", {})
            asked.add(request["header"]["msg_id"])
            for socket in (self._shell, self._iopub):
                while time.monotonic() < deadline and socket.poll(200):
                    message, _ = self._received(socket)
                    is_ours = message is not None and message["parent_header"].get("msg_id") in asked
                    has_answer |= is_ours and socket is self._shell
                    has_output |= is_ours and socket is self._iopub
                    if is_ours:
                        break
            if self._process.poll() is not None:
                how = f"{self._how_it_ended()}{_unseen(self._walls.packages())}"
                raise KernelEnded(f"the Python kernel did not start: {how}")
            if not wants():
                raise KernelEnded("the Python kernel was not wanted any more")
            if time.monotonic() > deadline:
                raise KernelEnded(f"the Python kernel did not start within {START_S:g} s")

    def _read_report(self) -> Report:
        line = self._line()
        if "standing" not in line:
            raise KernelEnded(f"the Python kernel did not start: {line.get('failed', 'it says nothing')}")
        return Report(**line)

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        text = self._process.stdout.readline(100_000)
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def _how_it_ended(self) -> str:
        with contextlib.suppress(ValueError, OSError):
            return str(self._line().get("ended", "it ended"))
        return "it ended"

    def _tell(self, letter: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(letter)
            self._process.stdin.flush()


def _take(message: dict[str, Any], output: Output) -> bool:
    """Take a message of a snippet; return whether it says that nothing more comes."""
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        output.printed(str(content.get("name")), str(content.get("text")))
    elif kind in ("execute_result", "display_data", "update_display_data"):
        data = content.get("data")
        output.shown(data if isinstance(data, dict) else {})
    elif kind == "error":
        trace = content.get("traceback")
        lines = list(map(str, trace)) if isinstance(trace, list) else []
        output.raised(shown(str(content.get("ename"))), shown(str(content.get("evalue")), 300), lines)
    return bool(kind == "status" and content.get("execution_state") == "idle")


def _session() -> Any:
    try:
        import ipykernel  # noqa: F401
        from jupyter_client.session import Session
    except ImportError as error:
        raise ImportError(MISSING.format(error=error)) from None
    return Session(key=secrets.token_hex(32).encode(), check_pid=False)


def _unseen(packages: list[str]) -> str:
    """Tell where ipykernel is, where a session cannot see it."""
    import ipykernel

    place = os.path.realpath(Path(ipykernel.__file__).parents[1])
    if place in map(os.path.realpath, packages):
        return ""
    return (
        f"; ipykernel is in {place}, and a session sees the packages in {' and '.join(packages)} only: "
        f"{sys.executable} -m pip install --ignore-installed ipykernel installs it there"
    )


def _private_folder() -> Path:
    """Make a folder that only this user sees, with a path that is short enough for sockets in it."""
    places: Iterable[str | None] = (None, "/tmp", "/var/tmp")
    for place in places:
        with contextlib.suppress(OSError):
            folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="ossnb-", dir=place)))
            if len(os.fsencode(folder)) <= MOST_PATH:
                return folder
            folder.rmdir()
    raise OSError(
        "the python tool needs a temporary folder that can be written and whose path has at most "
        f"{MOST_PATH} bytes; TMPDIR names another one"
    )


def _end(
    process: subprocess.Popen[bytes], folder: Path, sockets: list[Any], context: Any, owner: int
) -> None:
    """End a kernel and remove its folder; in a forked child, leave both to the parent."""
    if os.getpid() != owner:
        return
    for socket in sockets:  # one that is open, and that only the collector knows, would keep the context
        socket.close(linger=0)
    context.term()
    with contextlib.suppress(OSError, ValueError):
        assert process.stdin is not None
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)
    remove(folder)
