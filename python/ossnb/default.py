"""The default model: loaded at first use, for those who name none."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Unpack

from .generation import Stream
from .messages import Prompt
from .model import Model, Tools, load
from .reply import Reply
from .sampling import SamplingOptions, with_sampling_options

_default: Model | None = None
_default_lock = threading.Lock()


def default_model() -> Model:
    """Return the model that `ossnb.generate` and `%%oss` use, loading it (`load()`) when there is none
    yet."""
    global _default
    with _default_lock:
        if _default is None:
            _default = load()
        return _default


def set_default_model(model: Model | None) -> None:
    """Make `model` the default; None lets the next use load it anew."""
    global _default
    with _default_lock:
        _default = model


@with_sampling_options
def generate(
    prompt: Prompt,
    *,
    instructions: str | None = None,
    effort: str = "medium",
    tools: Tools | None = None,
    **sampling: Unpack[SamplingOptions],
) -> Reply:
    """Answer with the default model; see Model.generate.

    >>> ossnb.generate("What is 2 + 2?").text  # doctest: +SKIP
    '4'
    """
    return default_model().generate(prompt, instructions=instructions, effort=effort, tools=tools, **sampling)


@with_sampling_options
def stream(
    prompt: Prompt,
    *,
    instructions: str | None = None,
    effort: str = "medium",
    tools: Tools | None = None,
    **sampling: Unpack[SamplingOptions],
) -> Stream:
    """Answer with the default model, event by event; see Model.stream."""
    return default_model().stream(prompt, instructions=instructions, effort=effort, tools=tools, **sampling)


@with_sampling_options
def complete(prompt: str | Iterable[int], **sampling: Unpack[SamplingOptions]) -> Reply:
    """Continue raw text with the default model; see Model.complete."""
    return default_model().complete(prompt, **sampling)
