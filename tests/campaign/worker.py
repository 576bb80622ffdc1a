"""A process that does one trial after another, so that a crash or a hang ends only that trial."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Worker:
    """Run a file of this folder; it answers each line of its input with lines of JSON.

    A worker that dies or takes too long is replaced at the next trial. `env` changes its environment.
    """

    def __init__(self, file: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.command = [sys.executable, str(HERE / file), *arguments]
        self.env = {**os.environ, "PYTHONPATH": str(HERE.parent), **(env or {})}
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the worker
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def begin(self, trial: object) -> None:
        """Start a trial."""
        if self.process is None:
            self._start()
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(trial) + "\n")
        self.process.stdin.flush()

    def answer(self, within_s: float) -> dict[str, Any]:
        """Read the next answer; {"died": status} or {"hung": seconds} if there is none."""
        assert self.process is not None
        try:
            line = self.lines.get(timeout=within_s)
        except queue.Empty:
            self.close()
            return {"hung": within_s}
        if line:
            return json.loads(line)  # type: ignore[no-any-return]
        status = self.process.wait()
        self.close()
        return {"died": status, "last words": self._last_words()}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=self.env,
            text=True,
        )
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(self.process, self.lines), daemon=True).start()

    def _last_words(self) -> str:
        self.errors.seek(0)
        return self.errors.read()[-1000:]

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")


def serve(do: Callable[[Any], dict[str, Any]]) -> None:
    """Answer the trials of the standard input."""
    for line in sys.stdin:
        say(do(json.loads(line)))


def say(answer: dict[str, Any]) -> None:
    """Answer."""
    print(json.dumps(answer), flush=True)
