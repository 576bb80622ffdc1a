"""The default model: loaded at first use, for those who name none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from .engine.turns import Turn, Turns
from .generation.aio import AsyncStream
from .generation.loop import Stream
from .generation.record import Reply
from .generation.sampling import SamplingOptions, with_sampling_options
from .harmony.messages import Prompt
from .model import Model, Tools, load

_default: Model | None = None
_turns = Turns("the default model", "wait until it is loaded, or stop that")


def default_model() -> Model:
    """Return the model that `ossnb.generate` and `%%oss` use, loading it (`load()`) when there is none yet.

    >>> ossnb.default_model().source
    'demo'

    Busy if another thread has been loading it for seconds.
    """
    global _default
    if _default is not None:
        return _default
    turn = Turn(_turns, "loading")
    with turn.held:
        turn.wait()
        if _default is None:
            loaded = load()
            _default = _default or loaded  # one may have been set meanwhile
        model = _default
    turn.pass_on()
    return model


def set_default_model(model: Model | None) -> None:
    """Make `model` the default; None lets the next use load it anew.

    >>> ossnb.set_default_model(ossnb.load("demo", precision="fast"))
    """
    global _default
    _default = model


@with_sampling_options
def generate(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str = "medium",
    *,
    tools: Tools | None = None,
    **sampling: Unpack[SamplingOptions],
) -> Reply:
    """Answer with the default model; see Model.generate.

    >>> ossnb.generate("What is 2 + 2?", temperature=0).text
    '2 + 2 = 4.'
    """
    return default_model().generate(prompt_or_messages, instructions, effort, tools=tools, **sampling)


@with_sampling_options
def stream(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str = "medium",
    *,
    tools: Tools | None = None,
    **sampling: Unpack[SamplingOptions],
) -> Stream:
    """Answer with the default model, event by event; see Model.stream.

    >>> for event in ossnb.stream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
    2 + 2 = 4.
    """
    return default_model().stream(prompt_or_messages, instructions, effort, tools=tools, **sampling)


@with_sampling_options
async def agenerate(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str = "medium",
    *,
    tools: Tools | None = None,
    **sampling: Unpack[SamplingOptions],
) -> Reply:
    """Answer with the default model, for `await`; see Model.agenerate.

    >>> reply = await ossnb.agenerate("What is 2 + 2?")
    """
    return await astream(prompt_or_messages, instructions, effort, tools=tools, **sampling).run()


@with_sampling_options
def astream(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str = "medium",
    *,
    tools: Tools | None = None,
    **sampling: Unpack[SamplingOptions],
) -> AsyncStream:
    """Answer with the default model, for `async for`; see Model.astream.

    >>> async for event in ossnb.astream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
    2 + 2 = 4.
    """
    return AsyncStream(
        lambda: default_model().stream(prompt_or_messages, instructions, effort, tools=tools, **sampling)
    )


@with_sampling_options
def complete(prompt: str | Iterable[int], **sampling: Unpack[SamplingOptions]) -> Reply:
    """Continue raw text with the default model; see Model.complete.

    >>> ossnb.complete("Roses are red, violets", max_tokens=2, temperature=0).text
    ' are blue'
    """
    return default_model().complete(prompt, **sampling)
