"""Sampling settings, checked once at the door."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from typing import Any, TypedDict

from ..harmony.tokenizer import well_formed
from ..system.arguments import integer, number
from ..system.text import shown_value
from .keywords import check_keywords

MAX_SEED = 2**64 - 1
MAX_LOGPROBS = 100
MAX_TEMPERATURE = 2.0**126  # it and its inverse are float32 numbers with all their digits
MAX_REPETITION_PENALTY = 1e6


class SamplingOptions(TypedDict, total=False):
    """The keywords of Sampling, as callers write them."""

    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: Mapping[int, float] | None
    stop: str | int | Sequence[str | int] | None
    seed: int | None
    logprobs: int | bool | None
    max_reasoning_tokens: int | None
    end_loops: bool | None
    keep_rules: bool | None
    drafts: bool | None


@dataclass(frozen=True, slots=True)
class Sampling:
    """The settings of one generation, all checked.

    >>> Sampling(temperature=0.7, top_p=0.9).temperature
    0.7

    `max_reasoning_tokens` ends a thought after so many tokens, and the answer follows; 0 writes none.
    `end_loops` ends a thought that writes the same tokens again and again, at least 6 times and 384 tokens.
    `keep_rules` draws a token again that would break the rules of harmony: a header that is none, a tool that
    the prompt does not tell of, a mark inside a text, and (with llguidance) an argument of a call that is not
    of the type told. A token that keeps them is the same with and without.
    `temperature` 0 is greedy, and so is one below 1e-38. `stop` takes strings, which act on the answer's
    text, and token ids. `logprobs` n asks for the probability of every token, and for the n likeliest tokens
    of its step; True is 1. `seed` None means that a seed is drawn (`with_seed`). `drafts` lets the engine
    guess tokens that stood before, and check several in one pass: None where that pays, True always, False
    never. It changes the time and not the text. None stands for the default everywhere. A ValueError names a
    bad value.
    """

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict, hash=False)
    stop: tuple[str | int, ...] = ()
    seed: int | None = None
    logprobs: int = 0
    max_reasoning_tokens: int | None = None
    end_loops: bool = True
    keep_rules: bool = True
    drafts: bool | None = None

    def __post_init__(self) -> None:
        for name, default in _DEFAULTS.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        checked = {
            "temperature": _temperature(self.temperature),
            "top_p": number("top_p", self.top_p, "in (0, 1]", lambda x: 0 < x <= 1),
            "top_k": integer("top_k", self.top_k, 0),
            "min_p": number("min_p", self.min_p, "in [0, 1)", lambda x: 0 <= x < 1),
            "repetition_penalty": _repetition_penalty(self.repetition_penalty),
            "presence_penalty": _penalty("presence_penalty", self.presence_penalty),
            "frequency_penalty": _penalty("frequency_penalty", self.frequency_penalty),
            "logit_bias": _logit_bias(self.logit_bias),
            "stop": _stop(self.stop),
            "seed": None if self.seed is None else integer("seed", self.seed, 0, MAX_SEED),
            "logprobs": _logprobs(self.logprobs),
            "max_tokens": None if self.max_tokens is None else integer("max_tokens", self.max_tokens, 1),
            "max_reasoning_tokens": None
            if self.max_reasoning_tokens is None
            else integer("max_reasoning_tokens", self.max_reasoning_tokens, 0),
            "end_loops": _yes_or_no("end_loops", self.end_loops),
            "keep_rules": _yes_or_no("keep_rules", self.keep_rules),
            "drafts": _drafts(self.drafts),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, options: SamplingOptions) -> Sampling:
        """Make settings from keywords; raise TypeError for a keyword that does not exist.

        >>> Sampling.of({"top_k": 40}).top_k
        40
        """
        check_keywords("Sampling.of", options, SamplingOptions.__annotations__)
        loose: dict[str, Any] = dict(options)
        return cls(**loose)

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The stops that are text."""
        return tuple(s for s in self.stop if isinstance(s, str))

    @property
    def stop_ids(self) -> frozenset[int]:
        """The stops that are token ids."""
        return frozenset(s for s in self.stop if isinstance(s, int))

    @property
    def has_penalties(self) -> bool:
        """Whether a token's chances depend on which tokens were chosen before."""
        return self.repetition_penalty != 1 or bool(self.presence_penalty or self.frequency_penalty)

    def with_seed(self) -> Sampling:
        """Return these settings with a seed: their own seed, else 32 random bits."""
        return self if self.seed is not None else replace(self, seed=secrets.randbits(32))

    def check_vocabulary(self, vocab_size: int) -> None:
        """Raise ValueError if a bias or a stop names a token that the model does not have."""
        for name, ids in (("logit_bias", self.logit_bias), ("stop", self.stop_ids)):
            for token in ids:
                if token >= vocab_size:
                    raise ValueError(f"{name}: token id must be below {vocab_size} (vocab_size), got {token}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, ready for JSON: seed, temperature, top_p, top_k and min_p always, other
        settings where they differ from the defaults."""
        changed = {f.name: getattr(self, f.name) for f in fields(self)}
        changed = {n: value for n, value in changed.items() if n in _ALWAYS_TOLD or value != _DEFAULTS[n]}
        if "logit_bias" in changed:
            changed["logit_bias"] = {str(token): bias for token, bias in self.logit_bias.items()}
        if "stop" in changed:
            changed["stop"] = list(self.stop)
        return changed | {"seed": _exact_in_javascript(self.seed)}

    @classmethod
    def from_dict(cls, content: Any) -> Sampling:
        """Check and read the output of `to_dict`; a ValueError names a field that is wrong or not known.

        >>> Sampling.from_dict({"temperature": 0.5, "logit_bias": {"11": -1}}).logit_bias
        {11: -1.0}
        """
        if not isinstance(content, dict):
            raise ValueError(f"sampling must be an object, got {type(content).__name__}")
        if unknown := content.keys() - SamplingOptions.__annotations__.keys():
            raise ValueError(f"sampling has an unknown field {min(unknown)!r}")
        settings = dict(content)
        if isinstance(bias := settings.get("logit_bias"), dict):  # JSON has only texts as keys
            settings["logit_bias"] = {_from_digits(token): value for token, value in bias.items()}
        settings["seed"] = _from_digits(settings.get("seed"))
        return cls(**settings)


def _exact_in_javascript(number: int | None) -> int | str | None:
    """Write an integer that JavaScript would round as text: a front end rewrites the files it keeps."""
    return number if number is None or number < 2**53 else str(number)


def _from_digits(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


_ALWAYS_TOLD = ("temperature", "top_p", "top_k", "min_p")  # whatever later versions take for granted
_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Sampling)} | {"logit_bias": {}}
SAMPLING_DEFAULTS: dict[str, Any] = _DEFAULTS | {"logit_bias": None}  # as callers write them


def _temperature(value: Any) -> float:
    """Return a temperature whose inverse is a float32 too; below those the likeliest token is sure: 0."""
    found = number("temperature", value, ">= 0", lambda x: x >= 0)
    number("temperature", value, f"at most {MAX_TEMPERATURE:g}", lambda x: x <= MAX_TEMPERATURE)
    return found if found >= 1 / MAX_TEMPERATURE else 0.0


def _repetition_penalty(value: Any) -> float:
    """Return a penalty that leaves every logit finite, multiplied or divided by it."""
    number("repetition_penalty", value, "> 0", lambda x: x > 0)
    low, high = 1 / MAX_REPETITION_PENALTY, MAX_REPETITION_PENALTY
    return number("repetition_penalty", value, f"in {low:g}..{high:g}", lambda x: low <= x <= high)


def _penalty(name: str, value: Any) -> float:
    return number(name, value, "in [-2, 2]", lambda x: -2 <= x <= 2)


def _yes_or_no(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{name} must be True or False, got {shown_value(value)}")


def _drafts(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"drafts must be True, False or None (where they pay), got {shown_value(value)}")


def _logprobs(value: Any) -> int:
    """Return how many tokens of each step to record; True is one, as in other libraries."""
    return int(value) if isinstance(value, bool) else integer("logprobs", value, 0, MAX_LOGPROBS)


def _logit_bias(bias: Any) -> dict[int, float]:
    if bias is None:
        return {}
    if not isinstance(bias, Mapping):
        raise ValueError(f"logit_bias must map token ids to numbers, got {type(bias).__name__}")
    return {
        integer("logit_bias key", token, 0): number(
            f"logit_bias[{token}]",
            value,
            "in [-100, 100]",
            lambda x: -100 <= x <= 100,  # OpenAI's range
        )
        for token, value in bias.items()
    }


def _stop(stop: Any) -> tuple[str | int, ...]:
    if stop is None:
        return ()
    if isinstance(stop, str | Integral):
        stop = (stop,)
    if isinstance(stop, bytes) or not isinstance(stop, Sequence | set | frozenset):
        raise ValueError(f"stop must be strings or token ids, got {type(stop).__name__}")
    return tuple(_one_stop(s) for s in stop)


def _one_stop(stop: Any) -> str | int:
    if isinstance(stop, str):
        if not stop:
            raise ValueError("stop strings must not be empty, got ''")
        return well_formed(stop)
    return integer("stop token id", stop, 0)
