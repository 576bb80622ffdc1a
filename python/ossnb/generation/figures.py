"""The figures of a generation: counts, times, and the probabilities of its tokens."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..system.fields import Fields

SHORTEST_S = 1e-9  # of what a clock can measure; a rate over less is none


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token's natural log-probability under the model, before penalties and temperature."""

    token: int
    bytes: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()  # the likeliest tokens of the step, best first

    @property
    def text(self) -> str:
        """The token's text; U+FFFD where it holds a part of a character."""
        return self.bytes.decode("utf-8", errors="replace")

    def to_dict(self) -> dict[str, Any]:
        """Return the token as plain JSON; `bytes` are numbers, as in OpenAI's format."""
        plain = {"token": self.token, "bytes": list(self.bytes), "logprob": self.logprob}
        return plain | ({"top": [other.to_dict() for other in self.top]} if self.top else {})

    @classmethod
    def read(cls, fields: Fields) -> TokenLogprob:
        """Check and read what `to_dict` wrote."""
        token, logprob, numbers = fields.integer("token"), fields.number("logprob"), fields.integers("bytes")
        if any(number > 255 for number in numbers):
            raise ValueError(f"bytes of the token {token} must be in 0..255, got {max(numbers)}")
        top = tuple(cls.read(other) for other in fields.objects("top")) if "top" in fields else ()
        return cls(token, bytes(numbers), logprob, top)


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and speeds of one generation.

    >>> reply.stats.n_new_tokens, reply.stats.decode_tok_s > 0
    (50, True)

    The prompt has `n_prompt_tokens`, of which `n_cached_tokens` come from an earlier generation. The reply
    has `n_new_tokens`. Of these, `n_given_tokens` had no choice, by a schema or the end of a thought. They
    took `n_decode_steps` passes. Passes read `n_drafted_tokens` as a guess, and `n_accepted_tokens` of them
    were right. `prefill_s` and `decode_s` are seconds inside the engine and the sampler; the caller's own
    time between two events is not counted. `decode_bytes` and `gb_s` count the weights, keys and values that
    had to be read. An answer in rounds, with calls of functions between, has the sums of its rounds.
    """

    n_prompt_tokens: int = 0
    n_cached_tokens: int = 0  # of the prompt, taken from an earlier generation
    n_new_tokens: int = 0
    n_decode_steps: int = 0  # passes after the prompt's
    prefill_s: float = 0.0
    decode_s: float = 0.0
    decode_bytes: int = 0
    n_drafted_tokens: int = 0  # that passes read as a guess
    n_accepted_tokens: int = 0  # of them, those that were right and saved a pass
    n_given_tokens: int = 0  # of the new ones, those that a schema or the end of a thought left no choice

    @property
    def prefill_tok_s(self) -> float:
        """Prompt tokens computed a second; 0 where nothing was measured."""
        return _rate(self.n_prompt_tokens - self.n_cached_tokens, self.prefill_s)

    @property
    def decode_tok_s(self) -> float:
        """Tokens generated a second after the first; those without a choice are read by the next pass."""
        return _rate(self.n_decode_steps + self.n_accepted_tokens + self.n_given_tokens, self.decode_s)

    @property
    def gb_s(self) -> float:
        """Gigabytes (1e9) read a second while generating."""
        return _rate(self.decode_bytes / 1e9, self.decode_s)

    def __add__(self, other: Stats) -> Stats:
        """Return the sums, as of several rounds of one answer."""
        return Stats(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, the times and the speeds as plain JSON."""
        speeds = {name: getattr(self, name) for name in SPEEDS}
        return asdict(self) | speeds

    @classmethod
    def read(cls, found: Fields) -> Stats:
        """Check and read what `to_dict` wrote; the speeds follow from the rest."""
        found.skip(*SPEEDS)
        return cls(
            n_prompt_tokens=found.integer("n_prompt_tokens"),
            n_cached_tokens=found.integer("n_cached_tokens"),
            n_new_tokens=found.integer("n_new_tokens"),
            n_decode_steps=found.integer("n_decode_steps"),
            prefill_s=found.number("prefill_s"),
            decode_s=found.number("decode_s"),
            decode_bytes=found.integer("decode_bytes"),
            n_drafted_tokens=found.integer("n_drafted_tokens"),
            n_accepted_tokens=found.integer("n_accepted_tokens"),
            n_given_tokens=found.integer("n_given_tokens"),
        )


SPEEDS = ("prefill_tok_s", "decode_tok_s", "gb_s")


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if seconds >= SHORTEST_S else 0.0
