# ruff: noqa: E501 - wordings are data and stay on one line
"""Questions that only make sense after an earlier turn."""

from __future__ import annotations

import json
from random import Random

import words
from harmony import Message, Tool
from wording import sentence, wording

from tasks import calls, numbers, tales
from tasks.base import Answer
from tasks.skills import SKILLS

WHAT_ABOUT = """
[and|] [what about|how about] {x}
and [of|for|in|] {x}
and {x}
[and|] {x}
the same [for|with] {x}
now [for|with|] {x}
[what|how] about {x}[ then|]
[and|] what is it for {x}
[ok|okay], and {x}
[and|now|ok|okay|so] [do|take|try] {x}
[i|we] also [want|need] {x}
{x} [too|also|as well|next|now]
[tell me|give me|say] [it|the same] for {x} [too|also|]
~ then {x}
~ same question for {x}
"""
CHANGE = """
[now|and|then|] add {c} [to that|to it|to this|to the result|]
[now|and|] plus {c}
[and|] what [about|is that|is it] plus {c}
what if [i|you] add {c} [to that|to it|]
add {c} more
[and|] {c} more
[add|put] {c} [on top|to the result|to it]
[the result|that|it] and {c} [more|together|]
[increase|raise] [it|that|the result] by {c}
~ the result plus {c}, please
~ make it {c} more
"""
LESS = """
[now|and|then|] [subtract|take|take away] {c} [from that|from it|from this|from the result|]
[now|and|] minus {c}
[and|] what [about|is that|is it] minus {c}
what if [i|you] [subtract|take away] {c} [from that|from it|]
[and|] {c} less
[take|subtract] {c} [off|from the result|from it]
[the result|that|it] [take away|without] {c}
[decrease|reduce|lower] [it|that|the result] by {c}
~ the result minus {c}, please
~ make it {c} less
"""
SURE = """
are you sure [about that|]
really
is that [right|correct|true]
[can you|] check [it|that|] again
[i|we] [think|believe] [this|that|it] is [wrong|not right|not correct]
[is it|is this] [really|] [true|right|correct|so]
[you|are you] [think so|certain|really sure]
[i do not|do you] [think|believe] [so|that|it]
~ do you really think so
~ i do not believe it, is it correct
"""
AGAIN = """
[another one|one more|again|another|more|tell me another|tell me one more|a different one|something else|do it again][ please|]
[can you|] tell me [another|another one|one more]
i [want|would like] [another|one more] [one|]
[that was|this was] [nice|great|good|fun][, another one|, again|, tell me more]
[now|and] [a different|another|a new] one
[let me|let us|can i] [have|get|see] [another|one more|a new one]
~ that was good, now one more
~ let me hear another one
"""


def draw(rng: Random, split: str) -> tuple[Answer, list[Message], list[Tool]]:
    """Return the answer to the last question, the turns before it, and the tools."""
    kind = rng.choice(("capital", "translate", "opposite", "plus", "minus", "sure", "again", "weather"))
    if kind == "weather":
        return _weather(rng, split)
    if kind in ("plus", "minus"):
        first = numbers.add(rng, "train", rng.randint(1, 300), rng.randint(1, 300))
        value, c = int(first.value), rng.randint(1, 99)
        answer = (numbers.add if kind == "plus" else numbers.sub)(rng, "train", value, min(c, value))
        answer.user = wording(rng, CHANGE if kind == "plus" else LESS, split, c=min(c, value))
    elif kind == "sure":
        first = rng.choice((numbers.add, numbers.parity, numbers.sub))(rng, "train")
        answer = Answer(
            wording(rng, SURE, split),
            [f"Yes, I am sure: {first.finals[0]}"],
            f"I check again: {first.finals[0]}",
            f"Earlier question: about numbers.\nI check again: {first.finals[0]}\nIt is right.",
        )
        return answer, _turn(rng, first.user, first.finals[0]), []
    elif kind == "again":
        first = rng.choice((tales.joke, tales.story, tales.poem))(rng, "train")
        answer = first
        history = _turn(rng, answer.user, answer.finals[0])
        again = {"joke": tales.joke, "story": tales.story, "poem": tales.poem}[_kind(answer)](rng, "train")
        line, steps = again.line, again.steps
        check = tales.joke(rng, "train").check
        if _kind(answer) == "story":
            check = lambda text: text.count(".") >= 4 and "named" in text  # noqa: E731
        elif _kind(answer) == "poem":
            check = lambda text: text.count("\n") == 3  # noqa: E731
        return Answer(wording(rng, AGAIN, split), again.finals, line, steps, check=check), history, []
    else:
        first, answer = _pair(rng, kind)
        asked = answer.user
        answer.user = wording(rng, WHAT_ABOUT, split, x=asked)
    return answer, _turn(rng, first.user, first.finals[0]), []


def _kind(answer: Answer) -> str:
    return next(k for k in ("joke", "story", "poem") if k in answer.line)


def _turn(rng: Random, user: str, final: str) -> list[Message]:
    return [Message("user", sentence(rng, user)), Message("assistant", final, "final")]


def _pair(rng: Random, kind: str) -> tuple[Answer, Answer]:
    """Two questions of one kind; the second one's `user` is only what changes."""
    if kind == "capital":
        a, b = rng.sample(list(words.CAPITALS), 2)
        return tuple(  # type: ignore[return-value]
            Answer(
                x,
                [f"The capital of {c} is {y}."],
                f"Capital of {c}: {y}.",
                f"Question: a capital.\nCountry: {c}.\nCapital: {y}.",
                y,
            )
            for x, c, y in (
                (f"what is the capital of {a}", a, words.CAPITALS[a]),
                (b, b, words.CAPITALS[b]),
            )
        )
    if kind == "opposite":
        a, b = rng.sample(list(words.OPPOSITES), 2)
        return tuple(  # type: ignore[return-value]
            Answer(
                x,
                [f'The opposite of "{w}" is "{y}".'],
                f"Opposite of {w}: {y}.",
                f"Question: an opposite.\nWord: {w}.\nOpposite: {y}.",
                y,
            )
            for x, w, y in (
                (f"what is the opposite of {a}", a, words.OPPOSITES[a]),
                (b, b, words.OPPOSITES[b]),
            )
        )
    w = rng.choice(list(words.TRANSLATIONS))
    a, b = rng.sample(("Spanish", "French", "German"), 2)
    return tuple(  # type: ignore[return-value]
        Answer(
            x,
            [f'"{w}" is "{words.TRANSLATIONS[w][lang]}" in {lang}.'],
            f"{w} in {lang}: {words.TRANSLATIONS[w][lang]}.",
            f"Question: a translation.\nWord: {w}.\nLanguage: {lang}.\nTranslation: {words.TRANSLATIONS[w][lang]}.",
            words.TRANSLATIONS[w][lang],
        )
        for x, lang in ((f"how do you say {w} in {a}", a), (f"in {b}", b))
    )


def _weather(rng: Random, split: str) -> tuple[Answer, list[Message], list[Tool]]:
    """A tool is called again with another city."""
    skill = rng.choice(SKILLS[:2])
    tool, used = calls.define(rng, skill)
    slots, result, said = skill.draw(rng)
    city = rng.choice(words.CITIES)
    name = f"functions.{tool.name}"
    history = [
        Message("user", sentence(rng, wording(rng, skill.requests, "train", **slots))),
        Message(
            "assistant", json.dumps({used["city"]: slots["city"]}, ensure_ascii=False), "commentary", to=name
        ),
        Message("tool", json.dumps(result), rng.choice(("commentary", "")), name=name),
        Message("assistant", said, "final"),
    ]
    answer = Answer(
        wording(rng, WHAT_ABOUT, split, x=rng.choice(("", "in ")) + city),
        [],
        f"I need the tool {tool.name} with {city}.",
        f"Is there a tool for this? Yes: {tool.name}.\nArguments: {city}.\nI call it.",
        call=(tool.name, {used["city"]: city}),
    )
    return answer, history, [tool]
