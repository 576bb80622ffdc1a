"""Several answers to one question."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from ..engine.scheduler import IN_FLIGHT
from ..errors import Interrupted
from ..generation.question import Question
from ..generation.record import Reply
from ..generation.sampling import MAX_SEED
from ..generation.stream import Stream
from ..system.text import counted
from .progress import LateProgress
from .together import as_done


class Asked(Protocol):
    """A model, as this room knows it."""

    def ask(self, question: Question) -> Stream: ...


def samples(model: Asked, question: Question, n: int, *, progress: bool = True) -> list[Reply]:
    """Answer a question n times at the same time, with the seeds s, s + 1, ... of its settings.

    >>> question = ossnb.Question.of("Tell me a joke", seed=7)
    >>> [reply.seed for reply in samples(model, question, 2)]
    [7, 8]

    The prompt is read once. Each reply is the one that a single call with its seed gives. An interrupt raises
    Interrupted with all replies so far in `.replies`; an error of one ends all. `progress` shows one line.
    """
    first = question.sampling.with_seed()
    assert first.seed is not None
    seeds = [(first.seed + i) % (MAX_SEED + 1) for i in range(n)]
    streams = [model.ask(replace(question, sampling=replace(first, seed=seed))) for seed in seeds]
    ended: list[int] = []

    def figures(n_ended: int) -> str:
        n_tokens = sum(stream.reply.stats.n_new_tokens for stream in streams)
        return f"{n_ended:,} of {counted(n, 'answer')}, {counted(n_tokens, 'token')}"

    line = LateProgress(f"{n:,} answers to write", n, figures, progress)
    try:
        for number, result in as_done(streams, IN_FLIGHT, lambda: line.tick(len(ended))):
            if isinstance(result, BaseException):
                raise result
            ended.append(number)
            line.tick(len(ended))
    except KeyboardInterrupt:
        for stream in streams:
            stream.close()  # those that had not begun
        replies = [stream.reply for stream in streams]
        raise Interrupted(replies[0], replies=replies) from None
    finally:
        line.close()
    return [stream.reply for stream in streams]
