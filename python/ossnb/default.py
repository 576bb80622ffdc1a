"""The default model: loaded at first use, for those who name none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from . import loader
from .engine.turns import Turn, Turns
from .generation.aio import AsyncStream
from .generation.loop import Stream
from .generation.record import Author, Reply
from .generation.sampling import SamplingOptions, with_sampling_options
from .harmony.messages import Prompt, Tools
from .harmony.prompt import only_question
from .model import Model
from .views.sliders import Sliders

_default: Model | None = None
_turns = Turns("the default model", "wait until it is loaded, or stop that")


def default_model() -> Model:
    """Return the model that `ossnb.generate` and `%%oss` use, loading it (`load()`) when there is none yet.

    >>> ossnb.default_model().source  # doctest: +SKIP
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
            loaded = loader.load()
            _default = _default or loaded  # one may have been set meanwhile
        model = _default
    turn.pass_on()
    return model


def set_default_model(model: Model | None) -> None:
    """Make `model` the default; None lets the next use load it anew.

    >>> ossnb.set_default_model(ossnb.load("demo", precision="fast"))  # doctest: +SKIP
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

    >>> ossnb.generate("What is 2 + 2?").text  # doctest: +SKIP
    '4'
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

    >>> for event in ossnb.stream("Hi"): print(event.text, end="")  # doctest: +SKIP
    Hello!
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

    >>> reply = await ossnb.agenerate("What is 2 + 2?")  # doctest: +SKIP
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

    >>> async for event in ossnb.astream("Hi"): print(event.text, end="")  # doctest: +SKIP
    Hello!
    """
    return AsyncStream(
        lambda: default_model().stream(prompt_or_messages, instructions, effort, tools=tools, **sampling)
    )


@with_sampling_options
def complete(prompt: str | Iterable[int], **sampling: Unpack[SamplingOptions]) -> Reply:
    """Continue raw text with the default model; see Model.complete.

    >>> ossnb.complete("Roses are red, violets", max_tokens=20).text  # doctest: +SKIP
    ' are blue'
    """
    return default_model().complete(prompt, **sampling)


def sliders(prompt: str = "", *, model: Author | None = None, reply: Reply | None = None) -> Sliders:
    """Show the sampling settings as sliders, with what they do to the next token.

    >>> ossnb.sliders("Tell me a joke")  # doctest: +SKIP

    `model` None is the default model. With a `reply` the panel begins with its answer, and with its question
    if that was the only one; else press Generate. Works without a notebook too: see Sliders.
    """
    if reply is not None and not prompt:
        prompt = only_question(reply.prompt_tokens)
    model = model or (reply.origin.model if reply is not None else default_model())
    return Sliders(model, prompt, reply)
