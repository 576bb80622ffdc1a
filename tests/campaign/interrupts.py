"""Interrupts at random moments: nothing that was written is lost, and the model's bits are those of before.

As a program it is the worker: `interrupts.py PHASE SEED FOLDER`. A trial of it says that it works, computes
until the interrupt, and answers with the time at which it had control again and with what it found wrong. The
clock is the system's, which the process that sends the signal reads too.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import Figures, spread
from worker import Worker, say

HANG_S = 20
LONGEST_WAIT_S = 0.05
PROMPT = "Tell me a story about a fox"
IDS = [1000, 2000, 3000]
SHAPE = {"hidden_size": 256, "num_hidden_layers": 4, "vocab_size": 4000}


def run(n: int, seed: int) -> Figures:
    """Interrupt each phase `n` / 5 times."""
    figures = Figures(n // len(PHASES) * len(PHASES))
    with tempfile.TemporaryDirectory() as folder:
        for phase in PHASES:
            _interrupt_phase(phase, n // len(PHASES), seed, folder, figures)
    return figures


def _interrupt_phase(phase: str, n: int, seed: int, folder: str, figures: Figures) -> None:
    rng = random.Random(f"{seed} {phase}")
    worker, seconds, kept = Worker("interrupts.py", phase, str(seed), folder), [], 0
    for trial in range(n):
        worker.begin(trial)
        answer = worker.answer(60)
        if "works" in answer:
            assert worker.process is not None
            time.sleep(rng.uniform(0, LONGEST_WAIT_S))
            sent = time.monotonic()
            os.kill(worker.process.pid, signal.SIGINT)
            answer = worker.answer(HANG_S)
        if "at" in answer:
            seconds.append(answer["at"] - sent)
            kept += answer["kept"]
        if answer.get("wrong", "no answer"):
            figures.failures.append(f"{phase}, interrupt {trial}: {answer}")
    worker.close()
    figures.values[phase] = spread(seconds)
    if kept:
        figures.values[f"{phase}, partial replies"] = kept


class Phase:
    """What is interrupted. `work` goes on for ever; `check` returns what is wrong afterwards."""

    def __init__(self, seed: int, folder: Path) -> None:
        import ossnb

        self.ossnb, self.rng = ossnb, random.Random(f"{seed} {type(self).__name__}")
        self.model = self.load(folder)
        self.expected = self.model.logits(IDS)
        self.prepare()
        self.model.forget()
        self.n_blocks = self.model.engine.core.kv.n_blocks

    def load(self, folder: Path) -> Any:
        return self.ossnb.load("demo", threads=2, context=4096)

    def prepare(self) -> None:
        """Make what the work needs."""

    def work(self) -> None:
        raise NotImplementedError

    def check(self, error: KeyboardInterrupt) -> tuple[str, bool]:
        """Return what is wrong with what is left of the work, and whether there is a partial reply."""
        return "", False

    def trial(self) -> None:
        try:
            say({"works": True})
            self.work()
        except KeyboardInterrupt as error:
            at = time.monotonic()
            wrong, kept = self.check(error)
        say({"at": at, "wrong": wrong or self.check_model(), "kept": kept})

    def check_model(self) -> str:
        if (self.model.logits(IDS) != self.expected).any():
            return "the model has other logits than before"
        self.model.forget()
        if (n := self.model.engine.core.kv.n_blocks) != self.n_blocks:
            return f"{n} blocks of keys and values are held, {self.n_blocks} before"
        return ""


class Load(Phase):
    def work(self) -> None:
        while True:
            precision = self.rng.choice(["exact", "fast"])
            self.ossnb.load("demo", threads=2, context=512, precision=precision).close()

    def check(self, error: KeyboardInterrupt) -> tuple[str, bool]:
        if self.rng.random() < 0.9:
            return "", False
        with self.ossnb.load("demo", threads=1, context=512) as model:
            same = (model.logits(IDS) == self.expected).all()
        return "" if same else "a model loaded afterwards has other logits", False


class Prefill(Phase):
    def load(self, folder: Path) -> Any:
        return random_model(folder)

    def prepare(self) -> None:
        self.prompt = [i % 3900 for i in range(3000)]

    def work(self) -> None:
        for i in itertools.count():
            self.stream = self.model.stream_complete([*self.prompt, i], max_tokens=1, seed=3)
            self.stream.run()

    def check(self, error: KeyboardInterrupt) -> tuple[str, bool]:
        reply = getattr(error, "reply", None)
        if reply is None:
            return "", False  # between two generations
        good = len(reply.tokens) <= 1 and reply.finish_reason in ("interrupted", "length")
        return "" if good else f"{reply.finish_reason}, {len(reply.tokens)} tokens", True


class Decode(Phase):
    """Answers of a chat: streamed, so that we know what was told, or as a whole."""

    def prepare(self) -> None:
        self.seeds = range(5)
        whole = [self.model.generate(PROMPT, seed=seed).tokens for seed in self.seeds]
        self.whole = dict(zip(self.seeds, whole, strict=True))

    def work(self) -> None:
        while True:
            self.seed, self.told, self.chat = self.rng.choice(self.seeds), "", self.model.chat()
            if self.rng.random() < 0.5:
                self.chat.say(PROMPT, seed=self.seed)
            else:
                self.stream = self.chat.stream(PROMPT, seed=self.seed)
                for event in self.stream:
                    self.told += event.text if event.kind in ("answer", "reasoning") else ""

    def check(self, error: KeyboardInterrupt) -> tuple[str, bool]:
        reply = getattr(error, "reply", None)
        if self.told and reply is None:  # in the loop's own body: the stream has what was written
            self.stream.close("interrupted")
            reply = self.stream.reply
        if reply is None:
            return "", False
        if reply.tokens != self.whole[self.seed][: len(reply.tokens)]:
            return "the partial reply is no beginning of the whole one", True
        if len(self.told) > len((reply.reasoning or "") + reply.text):
            return f"{self.told!r} was told, and the reply has {reply.reasoning!r}, {reply.text!r}", True
        if reply.messages and self.chat.messages[-1].content != reply.messages[-1].content:
            return "the chat has not kept the partial answer", True
        return "", True


class Logits(Phase):
    def load(self, folder: Path) -> Any:
        return random_model(folder)

    def prepare(self) -> None:
        self.ids = [i % 3900 for i in range(3000)]

    def work(self) -> None:
        while True:
            self.model.logits(self.ids)


class Views(Phase):
    def prepare(self) -> None:
        self.reply = self.model.generate(PROMPT, seed=3)
        self.inspected = self.read()

    def read(self) -> list[float]:
        return list(self.reply.inspect().probabilities)

    def work(self) -> None:
        while True:
            self.model.kept.clear()
            view = self.rng.choice(["inspect", "experts", "attention", "logit_lens", "spans", "trace"])
            if view == "trace":
                self.model.trace(self.reply.prompt_tokens, what=["router", "attention"])
            elif view == "attention":
                self.reply.attention(self.rng.randrange(2))
            else:
                getattr(self.reply, view)()

    def check(self, error: KeyboardInterrupt) -> tuple[str, bool]:
        if self.rng.random() < 0.9:  # it takes a second
            return "", False
        return "" if self.read() == self.inspected else "a view shows other probabilities", False


def random_model(folder: Path) -> Any:
    import ossnb
    from ossnb.testing import write_random_checkpoint

    if not (folder / "random").exists():
        write_random_checkpoint(folder / "random", SHAPE, seed=3)
    return ossnb.load(folder / "random", threads=2)


PHASES: dict[str, Callable[[int, Path], Phase]] = {
    "load": Load,
    "prefill": Prefill,
    "decode": Decode,
    "logits": Logits,
    "views": Views,
}


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell ignores it
    phase = PHASES[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
    for _ in sys.stdin:
        phase.trial()


if __name__ == "__main__":
    main()
