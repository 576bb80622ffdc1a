"""The keywords of calls: one table checks them, and help() shows them with their defaults.

Callers know names from other libraries. Such a name raises an error that tells ossnb's own name.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from inspect import Parameter
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

# Our name → the names that peers have for it.
PEER_NAMES = {
    "instructions": ("system", "system_prompt", "system_message", "developer"),
    "effort": ("reasoning_effort", "reasoning", "thinking", "think", "enable_thinking"),
    "tools": ("functions",),
    "schema": (
        "json_schema",
        "format",
        "output_type",
        "response_model",
        "text_format",
        "guided_json",
        "grammar",
    ),
    "docs": ("documents", "files", "attachments", "fragments"),
    "max_rounds": ("max_steps", "max_turns", "max_iterations", "max_tool_calls", "max_prediction_rounds"),
    "max_tokens": (
        "max_new_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "max_gen_len",
        "num_predict",
        "n_predict",
    ),
    "max_reasoning_tokens": ("reasoning_budget", "thinking_budget", "budget_tokens", "max_thinking_tokens"),
    "stop": ("stop_sequences", "stop_strings", "stop_token_ids", "eos_token_id"),
    "repetition_penalty": ("repeat_penalty",),
    "drafts": ("draft_model", "prompt_lookup_num_tokens", "speculative", "speculative_config"),
    "logprobs": ("top_logprobs", "n_probs"),
    "overflow": ("truncation", "context_overflow", "truncate_prompt", "context_overflow_policy"),
    "seed": ("random_seed", "random_state"),
    "context": ("num_ctx", "n_ctx", "max_length", "max_model_len", "max_seq_len", "context_length"),
    "threads": ("n_threads", "num_threads", "num_thread"),
    "precision": ("dtype", "torch_dtype", "quantization", "load_in_8bit", "load_in_4bit"),
    "kv": ("kv_cache_dtype", "cache_type_k", "cache_type_v", "type_k", "type_v", "cache_implementation"),
}
RENAMED = {peer: ours for ours, peers in PEER_NAMES.items() for peer in peers}


def renamed_flag(flag: str, known: Collection[str]) -> str | None:
    """Return the flag of ours that another library calls so; None where none of the known ones is meant.

    >>> renamed_flag("--max-new-tokens", ["--max-tokens", "--seed"])
    '--max-tokens'
    """
    ours = RENAMED.get(flag.removeprefix("--").replace("-", "_"), "").replace("_", "-")
    return f"--{ours}" if f"--{ours}" in known else None


# Our keywords that belong to one door: what to write there.
ELSEWHERE = {
    "instructions": "generate(..., instructions=...) and chat(instructions=...) take it",
    "effort": "generate(..., effort=...) and chat(effort=...) take it",
    "tools": "generate(..., tools=...) and chat(tools=...) take them",
    "docs": "generate(..., docs=[...]) and chat(docs=[...]) take them",
    "max_rounds": "generate(..., tools=[...], max_rounds=...) takes it",
    "schema": "generate(..., schema=...) and chat(schema=...) take it",
    "response_format": "generate(..., response_format=...) and chat(response_format=...) take it",
    "timeout": "asyncio.timeout around agenerate(...) ends it, and stream.cancel() ends it too",
    "context": "load(..., context=...) takes it, in tokens",
    "threads": "load(..., threads=...) takes it",
    "precision": 'load(..., precision="fast") or "exact" takes it',
    "kv": 'load(..., kv="bf16") or "int8" takes it',
    "revision": "load(..., revision=...) takes it",
    "on_end": "stream(..., on_end=...) takes it",
}

_ONE_REPLY = "a call gives one reply; for several: model.samples(prompt, 3)"
_GIVEN_FIRST = "give it first and without a name, as in {example}"
_LOADED_FIRST = 'load it first: model = ossnb.load("20b"); model.generate(...)'

# Names that peers use and that have no counterpart: what to do in place of them.
ADVICE = {
    "n": _ONE_REPLY,
    "num_return_sequences": _ONE_REPLY,
    "best_of": _ONE_REPLY,
    "prompt": _GIVEN_FIRST,
    "messages": _GIVEN_FIRST,
    "message": _GIVEN_FIRST,
    "content": _GIVEN_FIRST,
    "input": _GIVEN_FIRST,
    "model": _LOADED_FIRST,
    "model_name": _LOADED_FIRST,
    "do_sample": "temperature=0 always takes the likeliest token, a higher one draws",
    "greedy": "temperature=0 always takes the likeliest token, a higher one draws",
    "stream": "stream(...) gives the events one by one, generate(...) the whole reply",
    "tool_choice": "the model chooses; leave tools=[...] out where none may be called",
    "parallel_tool_calls": "gpt-oss makes one call at a time",
}

# What one door has to say otherwise: (the door's last name in small letters, our keyword) → advice.
AT_DOOR = {
    ("load", "model"): 'give it first and without a name, as in load("20b")',
    ("load", "model_name"): 'give it first and without a name, as in load("20b")',
    ("load", "path"): 'give it first and without a name, as in load("folder")',
    ("chat", "messages"): "begin the chat, then set them: chat = model.chat(); chat.messages = [...]",
    ("chat", "prompt"): 'begin the chat, then say it: model.chat().say("Hello")',
    ("complete", "effort"): "raw text has none; generate(..., effort=...) takes it",
    ("complete", "instructions"): "raw text has none; generate(..., instructions=...) takes them",
    ("complete", "tools"): "raw text has none; generate(..., tools=...) takes them",
}
AT_DOOR |= {
    (turn, "instructions"): "they hold for the whole chat: chat.instructions = ..."
    for turn in ("say", "stream", "asay", "astream")  # of a chat: a model's take them
}
AT_DOOR |= {
    ("sliders", name): f"set it on the panel: panel = ossnb.sliders(...); panel.set({name}=...)"
    for name in (
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "max_tokens",
        "seed",
        "effort",
    )
}
_EXAMPLES = {
    "complete": 'complete("Roses are red,")',
    "stream_complete": 'stream_complete("Roses are red,")',
    "raw": 'Question.raw("Roses are red,")',
    "of": 'Question.of("Hi")',
    "say": 'say("Hello")',
    "asay": 'asay("Hello")',
}


def check_keywords(door: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise TypeError for the first unknown keyword; the message tells what to write in its place.

    >>> check_keywords("generate", ["max_new_tokens"], ["max_tokens", "seed"])
    Traceback (most recent call last):
    TypeError: generate() got an unknown setting 'max_new_tokens': here it is max_tokens
    """
    __tracebackhide__ = True  # IPython and pytest leave this frame out
    for name in given:
        if name not in known:
            raise TypeError(f"{door}() got an unknown setting {name!r}{_advice(door, name, known)}")


def _advice(door: str, name: str, known: Collection[str]) -> str:
    place = door.rpartition(".")[2].lower()
    ours = RENAMED.get(name, name)
    if ours in known:
        return f": here it is {ours}"
    if text := AT_DOOR.get((place, ours)) or ELSEWHERE.get(ours) or ADVICE.get(ours):
        renamed = "" if ours == name else f"here it is {ours}, and "
        example = _EXAMPLES.get(place, f'{place}("Hi")')
        return f": {renamed}{text.format(example=example)}"
    close = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f"; did you mean {close[0]}?" if close else "."
    return f"{meant} The settings are {', '.join(known)}"


def takes(options: Mapping[str, Any] | None = None, *, shown: bool = True) -> Callable[[Function], Function]:
    """Check the keywords of a function that takes **options, and show `options` in its signature.

    >>> @takes({"seed": None})
    ... def ask(prompt, **options): return options
    >>> ask("Hi", seed=7)
    {'seed': 7}

    `options` are names with their defaults. An option that is None counts as not given. `shown` False keeps
    **options in the signature, for functions that take their defaults from elsewhere. A wrong keyword is a
    TypeError.
    """
    defaults = dict(options or {})

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        named = [p for p in signature.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        known = [*(p.name for p in named if p.name not in ("self", "cls")), *defaults]
        is_method = next(iter(signature.parameters), "") == "self"

        def given(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
            __tracebackhide__ = True
            door = function.__qualname__
            if is_method and arguments:  # the caller's class, and not the one that has the method
                door = f"{type(arguments[0]).__name__}.{function.__name__}"
            door = door.removesuffix(".__init__")
            check_keywords(door, keywords, known)
            try:
                signature.bind(*arguments, **keywords)
            except TypeError as error:  # Python's own would name the function's class
                raise TypeError(f"{door}() got wrong arguments: {error}") from None
            return {name: v for name, v in keywords.items() if v is not None or name not in defaults}

        @functools.wraps(function)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            __tracebackhide__ = True
            return function(*arguments, **given(arguments, keywords))

        @functools.wraps(function)
        async def checked_when_awaited(*arguments: Any, **keywords: Any) -> Any:
            __tracebackhide__ = True
            return await function(*arguments, **given(arguments, keywords))

        wrapped: Any = checked_when_awaited if inspect.iscoroutinefunction(function) else checked
        if shown:
            added = [Parameter(name, Parameter.KEYWORD_ONLY, default=d) for name, d in defaults.items()]
            wrapped.__signature__ = signature.replace(parameters=[*named, *added])
        return cast(Function, wrapped)

    return decorate
