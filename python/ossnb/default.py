"""The default model, for callers who name no model; it is loaded at first use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from . import loader
from .engine.turns import Turn, Turns
from .generation.aio import AsyncStream
from .generation.keywords import takes
from .generation.question import QUESTION_DEFAULTS, Question, QuestionOptions
from .generation.record import Author, Reply
from .generation.sampling import SAMPLING_DEFAULTS, SamplingOptions
from .generation.stream import Stream
from .harmony.messages import Prompt
from .harmony.prompt import only_question
from .model import Model
from .system.text import shown_value

if TYPE_CHECKING:
    from .views.sliders import Sliders

_default: Model | None = None
_turns = Turns("the default model", "wait until it is loaded, or stop that")


def default_model() -> Model:
    """Return the model that `ossnb.generate` and `%%oss` use; load it (`load()`) when there is none yet.

    >>> ossnb.default_model().source
    'demo'

    Raises Busy if another thread has been loading it for seconds.
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


def check_model(door: str, model: Any) -> None:
    """Raise TypeError for what is no model, RuntimeError for one that was closed."""
    if not isinstance(model, Model):
        raise TypeError(f"{door} takes a Model, got {shown_value(model)}; ossnb.load(...) makes one")
    _ = model.engine  # a closed model says so here


def set_default_model(model: Model | None) -> None:
    """Make `model` the default; None lets the next use load it anew.

    >>> ossnb.set_default_model(ossnb.load("demo", precision="fast"))
    """
    global _default
    if model is not None:
        check_model("set_default_model", model)
    _default = model


@takes(QUESTION_DEFAULTS)
def generate(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str | None = "medium",
    **options: Unpack[QuestionOptions],
) -> Reply:
    """Answer with the default model; see Model.generate.

    >>> ossnb.generate("What is 2 + 2?", temperature=0).text
    '2 + 2 = 4.'
    """
    return stream(prompt_or_messages, instructions, effort, **options).run()


@takes(QUESTION_DEFAULTS)
def stream(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str | None = "medium",
    **options: Unpack[QuestionOptions],
) -> Stream:
    """Answer with the default model, event by event; see Model.stream.

    >>> for event in ossnb.stream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
    The answer is 4.
    """
    question = Question.of(prompt_or_messages, instructions, effort, **options)
    return default_model().ask(question)


@takes(QUESTION_DEFAULTS)
async def agenerate(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str | None = "medium",
    **options: Unpack[QuestionOptions],
) -> Reply:
    """Answer with the default model, for `await`; see Model.agenerate.

    >>> reply = await ossnb.agenerate("What is 2 + 2?")
    """
    return await astream(prompt_or_messages, instructions, effort, **options).run()


@takes(QUESTION_DEFAULTS)
def astream(
    prompt_or_messages: Prompt,
    instructions: str | None = None,
    effort: str | None = "medium",
    **options: Unpack[QuestionOptions],
) -> AsyncStream:
    """Answer with the default model, for `async for`; see Model.astream.

    >>> async for event in ossnb.astream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
    The answer is 4.
    """
    return AsyncStream(lambda: stream(prompt_or_messages, instructions, effort, **options))


@takes(SAMPLING_DEFAULTS)
def complete(prompt: str | Iterable[int], **sampling: Unpack[SamplingOptions]) -> Reply:
    """Continue raw text with the default model; see Model.complete.

    >>> ossnb.complete("Roses are red, violets", max_tokens=2, temperature=0).text
    ' are blue'
    """
    question = Question.raw(prompt, **sampling)
    return default_model().ask(question).run()


@takes()
def sliders(prompt: str | None = "", *, model: Model | None = None, reply: Reply | None = None) -> Sliders:
    """Show the sampling settings as sliders, with their effect on the next token.

    >>> ossnb.sliders("Tell me a joke").code
    "ossnb.generate('Tell me a joke')"

    `model` None is the default model. With a `reply` the panel begins with its answer, and with its question
    if the conversation had only this one. Without a reply, press Generate. The function works without a
    notebook too: see Sliders. Raises ValueError for a prompt that is no text, or what is no Reply.
    """
    from .views.sliders import Sliders

    prompt = "" if prompt is None else prompt
    if not isinstance(prompt, str):
        raise ValueError(f"prompt must be a str, got {type(prompt).__name__}")
    if model is not None:
        check_model("sliders", model)
    if reply is not None and not isinstance(reply, Reply):
        raise ValueError(f"reply must be a Reply, as generate() returns one, got {shown_value(reply)}")
    if reply is not None and not prompt:
        prompt = only_question(reply.prompt_tokens)
    writer: Author = model or (reply.origin.model if reply is not None else default_model())
    return Sliders(writer, prompt, reply)
