"""A question: everything beside the model that a reply depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self, Unpack

from ..documents.library import Documents, documents_of
from ..forms.form import Form, form_of
from ..forms.held import Held
from ..harmony.legal import recipients
from ..harmony.masks import allows
from ..harmony.messages import Message, Prompt, as_messages
from ..harmony.parser import Parser
from ..harmony.prompt import EFFORTS, answer_header, call_names, check_effort, plain_tools
from ..harmony.tokenizer import VOCAB_SIZE, Tokenizer
from ..system.text import shown_value
from ..tools.approval import Approve
from ..tools.function import Function
from ..tools.named import tool_named
from ..tools.step import Step
from ..tools.tool import Tool, Toolbox
from ..tools.toolkit import Toolkit
from .keywords import takes
from .sampling import SAMPLING_DEFAULTS, Sampling, SamplingOptions

if TYPE_CHECKING:
    from .record import Reply


# A tool as callers write it: a JSON schema in OpenAI's form, a function, what ossnb makes one of, a name.
AnyTool = Mapping[str, Any] | Callable[..., Any] | Tool | Toolbox | str


class QuestionOptions(SamplingOptions, total=False):
    """The keywords of a question, as callers write them; instructions and effort are not among them."""

    tools: Sequence[AnyTool] | None
    docs: Any
    schema: Any
    response_format: Mapping[str, Any] | None
    run_tools: bool | None
    max_rounds: int | None
    timeout: float | None
    on_step: Callable[[Step], Any] | None
    approve: Approve | None
    overflow: str | None


DEFAULT_EFFORT = "medium"
OVERFLOWS = ("error", "drop_oldest")  # what becomes of a conversation that outgrew its context

_OF_A_TOOLKIT = {
    "run_tools": "run",
    "max_rounds": "max_rounds",
    "timeout": "timeout",
    "on_step": "on_step",
    "approve": "approve",
}

# What is no setting of the sampling is None where nobody asks for it.
QUESTION_DEFAULTS: dict[str, Any] = {
    **{name: None for name in QuestionOptions.__annotations__ if name not in SAMPLING_DEFAULTS},
    **SAMPLING_DEFAULTS,
}


@dataclass(frozen=True, slots=True)
class Question:
    """The task and its settings: everything beside the model that a reply depends on.

    >>> question = ossnb.Question.of("What is 2 + 2?", effort="low", seed=7)
    >>> ossnb.load("demo").ask(question).run().text
    'The answer is 4.'

    A question is a value: you can compare it, pickle it and keep it.
    `dataclasses.replace(question, effort="high")` makes another question and checks it anew. `of` makes a
    question from the arguments of `generate`. `raw` makes one that goes on with plain text, and `branch` one
    that goes on from the middle of a reply.

    `messages` become Message objects. `prompt` is text, or token ids that are rendered already; it replaces
    messages, instructions and tools. `effort` None reads the answer as raw text. `begun` are the tokens of
    the reply that are written already. `tools` become plain JSON schemas; those that came as functions are in
    `toolkit`, with the limits of their calls. `form` is what `schema` asks for. `docs` are documents to read.
    `overflow` "drop_oldest" leaves out the oldest turns of a conversation that outgrew its context, and a
    note says so; "error" raises ContextFull. A ValueError names the fault.
    """

    messages: tuple[Message, ...] = ()
    instructions: str | None = None
    effort: str | None = DEFAULT_EFFORT
    tools: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    toolkit: Toolkit = field(default_factory=Toolkit, hash=False)
    form: Form | None = None
    docs: Documents | None = field(default=None, hash=False)
    sampling: Sampling = field(default_factory=Sampling)
    prompt: str | tuple[int, ...] | None = None
    begun: tuple[int, ...] = ()
    overflow: str = "error"

    def __post_init__(self) -> None:
        if not isinstance(self.sampling, Sampling):
            got = type(self.sampling).__name__
            raise ValueError(f"sampling must be a Sampling, got {got}; write Sampling(temperature=0.5)")
        begun = tuple(self.begun)
        checked: dict[str, Any] = {"begun": as_token_ids(begun, "begun") if begun else ()}
        if self.overflow not in OVERFLOWS:
            raise ValueError(f"overflow must be one of {OVERFLOWS}, got {shown_value(self.overflow)}")
        if self.prompt is None:
            checked |= self._checked_conversation()
        else:
            checked |= self._checked_prompt(self.prompt)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _checked_conversation(self) -> dict[str, Any]:
        check_effort(self.effort)
        if self.instructions is not None and not isinstance(self.instructions, str):
            raise ValueError(f"instructions must be a str or None, got {type(self.instructions).__name__}")
        tools = ready_tools(self.tools)
        if found := tuple(tool for tool in tools if isinstance(tool, Tool)):
            live = found
        else:  # they are schemas already
            names = {name for tool in tools if not isinstance(tool, Tool) for name in call_names(tool)}
            live = tuple(tool for tool in self.toolkit.tools if names.issuperset(tool.names))
        docs = documents_of(self.docs)
        if self.toolkit.timeout != Toolkit().timeout and not live and docs is None:
            raise ValueError(
                "timeout is the time of one call of a tool, and tools has none that is carried out; "
                "asyncio.timeout around agenerate(...) ends an answer"
            )
        schemas = plain_tools(tool.definition if isinstance(tool, Tool) else tool for tool in tools)
        if docs is not None and "browser" in {tool.get("name") for tool in schemas}:
            raise ValueError("docs bring the model's browser with them, and tools has another one: give one")
        return {
            "messages": tuple(as_messages(self.messages)),
            "tools": schemas,
            "toolkit": replace(self.toolkit, tools=live),
            "form": form_of(self.form),
            "docs": docs,
        }

    def _checked_prompt(self, prompt: str | Iterable[int]) -> dict[str, Any]:
        for name in ("messages", "instructions", "tools", "docs"):
            if getattr(self, name):
                raise ValueError(f"a question has {name} or a prompt that is rendered already, got both")
        if self.effort is not None:
            check_effort(self.effort)
        elif self.form is not None:
            raise ValueError("a question has a form or a prompt of raw text, got both; give an effort too")
        if not isinstance(prompt, str):
            return {"prompt": as_token_ids(prompt, "prompt"), "tools": (), "form": form_of(self.form)}
        if self.effort is not None:
            raise ValueError(
                f"a prompt of text is continued as it stands, with effort=None, got {self.effort!r}; "
                "Question.of(text) asks it as a question"
            )
        if not prompt:
            raise ValueError("prompt must be text to go on from, got ''")
        return {"tools": ()}

    @property
    def first_tokens(self) -> tuple[int, ...]:
        """The tokens of the reply that stand before the first choice: those that are begun, or the header of
        an answer without a thought."""
        if self.begun or self.effort is None or self.sampling.max_reasoning_tokens != 0:
            return self.begun
        return tuple(answer_header())

    @classmethod
    @takes(QUESTION_DEFAULTS)
    def of(
        cls,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str | None = DEFAULT_EFFORT,
        **options: Unpack[QuestionOptions],
    ) -> Self:
        """Make a question from the arguments of `generate`: a prompt or messages, and settings as keywords.

        >>> ossnb.Question.of("Hi", effort="low", temperature=0).messages[0].content
        'Hi'

        Raises TypeError for a keyword that does not exist, ValueError for a value out of range.
        """
        given: dict[str, Any] = dict(options)
        sampling: Any = {name: given.pop(name) for name in SAMPLING_DEFAULTS if name in given}
        schema, response_format = given.pop("schema", None), given.pop("response_format", None)
        if schema is not None and response_format is not None:
            raise ValueError("an answer has one form: give schema or response_format, got both")
        if response_format is not None and not isinstance(response_format, Mapping):
            raise ValueError(
                "response_format must be a dict, as {'type': 'json_schema', ...}, got "
                f"{shown_value(response_format)}; schema takes types"
            )
        given["form"] = form_of(response_format if schema is None else schema)
        limits = {_OF_A_TOOLKIT[name]: given.pop(name) for name in _OF_A_TOOLKIT if name in given}
        if limits:
            given["toolkit"] = Toolkit(**limits)
        if given.get("overflow") is None:
            given.pop("overflow", None)
        if isinstance(instructions, str) and instructions in EFFORTS:
            raise ValueError(
                f"instructions are text for the model, got {instructions!r}; for the effort write "
                f'effort="{instructions}"'
            )
        messages = tuple(as_messages(prompt_or_messages))
        effort = DEFAULT_EFFORT if effort is None else effort
        return cls(messages, instructions, effort, sampling=Sampling.of(sampling), **given)

    @classmethod
    @takes(SAMPLING_DEFAULTS)
    def raw(cls, prompt: str | Iterable[int], **sampling: Unpack[SamplingOptions]) -> Self:
        """Make a question that goes on with plain text, or token ids, without harmony.

        >>> ossnb.Question.raw("Roses are red,", max_tokens=20).effort is None
        True
        """
        ids_or_text = prompt if isinstance(prompt, str) else as_token_ids(prompt, "prompt")
        return cls(effort=None, sampling=Sampling.of(sampling), prompt=ids_or_text)

    @classmethod
    @takes(SAMPLING_DEFAULTS, shown=False)
    def branch(
        cls, reply: Reply, at: int, text: str | Sequence[int], **sampling: Unpack[SamplingOptions]
    ) -> Self:
        """Make a question that writes `text`, or token ids, in place of a reply's token `at` and goes on.

        >>> reply = ossnb.load("demo").generate("What is 2 + 2?", seed=7)
        >>> len(ossnb.Question.branch(reply, 2, " not").begun)
        3

        The question has the reply's seed and settings, except those you give, and records no logprobs. It has
        the reply's schema where the tokens up to there fit it. Raises ValueError for a token that the reply
        does not have.
        """
        if isinstance(at, bool) or not isinstance(at, Integral) or not 0 <= at <= len(reply.tokens):
            raise ValueError(
                f"at must be in 0..{len(reply.tokens)}, a token of the reply, got {shown_value(at)}"
            )
        written = as_token_ids(Tokenizer().encode(text) if isinstance(text, str) else text, "text")
        changed: dict[str, Any] = {**sampling, "logprobs": 0}
        begun = (*reply.tokens[:at], *written)
        fits = reply.form is not None and _fits(reply.form, reply.prompt_tokens, begun)
        return cls(
            effort=reply.effort,
            form=reply.form if fits else None,
            sampling=replace(reply.sampling, **changed),
            prompt=tuple(reply.prompt_tokens),
            begun=begun,
        )


def _fits(form: Form, prompt: Sequence[int], begun: Iterable[int]) -> bool:
    """Whether a turn that begins with these tokens keeps to the form, and can go on in it. None is tried that
    does not fit: the grammar's library would print what is wrong with it."""
    held, parser = Held(form, VOCAB_SIZE, has_tools=bool(recipients(prompt))), Parser()
    try:
        for token in begun:
            mask = held.mask()
            if mask is not None and not allows(mask, token):
                return False
            parser.push(token)
            held.see(token, parser.place)
        held.mask()
    except ValueError:  # nothing may follow
        return False
    return True


def as_token_ids(ids: Iterable[int], name: str = "token_ids") -> tuple[int, ...]:
    """Check token ids, of any vocabulary, and return them as plain integers; errors call them `name`.

    >>> as_token_ids([13225, 2375])
    (13225, 2375)
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise ValueError(f"{name} must be a sequence of integers, got {type(ids).__name__}")
    tokens = tuple(ids)
    if not tokens:
        raise ValueError(f"{name} must have at least one token, got none")
    for i, token in enumerate(tokens):
        if type(token) is not int and (isinstance(token, bool) or not isinstance(token, Integral)):
            raise ValueError(f"{name}[{i}] must be an integer, got {token!r}")
    return tuple(map(int, tokens))


def ready_tools(
    tools: Any, named: Callable[[str], Tool] = tool_named
) -> tuple[Mapping[str, Any] | Tool, ...]:
    """Return tools as callers write them with each callable as a Function; a ValueError names the fault.

    >>> ready_tools([{"name": "now"}])
    ({'name': 'now'},)

    `named` makes the tool of a name, such as "python".
    """
    if tools is None:
        return ()
    if isinstance(tools, str | bytes | Mapping | Tool | Toolbox) or not isinstance(tools, Iterable):
        what = repr(tools) if isinstance(tools, str) else getattr(tools, "__name__", "...")
        raise ValueError(
            f"tools must be a list of functions or dicts, got {type(tools).__name__}; write tools=[{what}]"
        )
    return tuple(ready for tool in tools for ready in _ready(tool, named))


def _ready(tool: Any, named: Callable[[str], Tool]) -> Sequence[Mapping[str, Any] | Tool]:
    if isinstance(tool, Toolbox):
        return tool.tools
    if isinstance(tool, str):
        return [named(tool)]
    return [tool if isinstance(tool, Mapping | Tool) else Function(tool)]
