# ruff: noqa: E501 - wordings are data and stay on one line
"""What was said earlier in the conversation: a name told before, the last question, the last answer."""

from __future__ import annotations

from random import Random

import words
from harmony import Message
from wording import sentence, wording

from tasks import chat, code, facts, letters, lists, numbers, tales
from tasks.base import Answer

# kind: how it is told, how it is asked, the reply to the first, the reply to the second, without it
TOLD: dict[str, tuple[str, str, str, str, str]] = {
    "name": (
        """
my name is {v}
[hello|hi|hey|hello there|good morning|good evening], [my name is|i am|i'm|this is|here is] {v}
i am [called|named] {v}
[you can|please|just|people|my friends] call me {v}
{v} is my name
i'm {v}[, nice to meet you|, and who are you|]
[hi|hello], {v} here
it is {v}, [hello|hi]
the name is {v}
[let me introduce myself|may i introduce myself]: {v}
~ hi there, they named me {v}
""",
        """
= my name
% [what|how] my name is
% [who i am|what i am called]
[what is|what's|whats] my name [again|]
who am i
[do you|can you] [know|remember|recall|tell me|say] my name [still|]
what did i [say|tell you] my name [is|was]
[and|so] my name [is|was]
what am i called
how did i introduce myself
which name did i [tell|give] you
[have you|did you] [forgotten|forget|remember|keep] my name
~ you still know how i am called, do you
""",
        "Nice to meet you, {v}! Ask me for a sum, a capital or a story.",
        "Your name is {v}.",
        "You have not told me your name.",
    ),
    "color": (
        "my favorite [color|colour] is {v}\ni like {v} best of all colors\ni like the color {v}\n{v} is my favorite color\n[the color|] i love [most|] is {v}\n~ of all colors i love {v}",
        "= my favorite [color|colour]\n% [what|which] my favorite color is\n% which color i like\n[what|which] [color|colour] do i [like|love|prefer|like best]\n[what is|what's] my favorite [color|colour]\n[do you|can you] [remember|recall|know] my favorite color\nwhich color did i [name|tell you]\n~ tell me the color that i love",
        "Noted: your favorite color is {v}.",
        "Your favorite color is {v}.",
        "You have not told me your favorite color.",
    ),
    "animal": (
        "my favorite animal is [the|a] {v}\ni like {v}s [best|most]\ni have a {v} [at home|]\n[we|my family] have a {v}\ni [own|got|bought] a {v}\n~ at home i keep a {v}",
        "= [my|the] animal [i like|i have|that i told you]\n= my favorite animal\n% [what|which] animal i [have|like]\n[what|which] animal do i [have|like|own|love]\n[what is|what's] my [favorite|] animal\n[do you|can you] [remember|recall|know] my animal\nwhich animal did i [name|tell you|mention]\n~ tell me my animal",
        "Noted: your animal is the {v}.",
        "Your animal is the {v}.",
        "You have not told me about an animal.",
    ),
    "city": (
        "i live in {v}\ni am [from|living in] {v}\nmy [home|city|home town] is {v}\n[we|my family and i] live in {v}\n{v} is my home\ni [moved|come] [to|from] {v}\n~ you find my house in {v}",
        "= the city i live in\n= my [city|home town|home]\n% [where|in which city] i live\nwhere do i live\nwhere am i from\n[what|which] city [do i live in|am i from|is my home]\n[what is|what's] my [city|home town]\n[do you|can you] [remember|recall|know] where i live\nwhich city did i [name|tell you|mention]\n~ tell me the town of my home",
        "Noted: you live in {v}.",
        "You live in {v}.",
        "You have not told me where you live.",
    ),
    "age": (
        "i am {v} years old\ni'm {v} years old\nmy age is {v}\ni am {v}\ni [just|] turned {v} [today|]\n~ it is {v} years since i was born",
        "= my age\n% how old i am\nhow old am i\nwhat is my age\n[do you|can you] [remember|recall|know] [my age|how old i am]\n[which|what] age did i [name|tell you|mention]\n~ tell me the years that i have lived",
        "Noted: you are {v} years old.",
        "You are {v} years old.",
        "You have not told me your age.",
    ),
    "number": (
        "remember [the number|] {v}\nmy [lucky|favorite|secret|] number is {v}\n[keep|hold|note|store] the number {v} [in mind|for me|]\nthe number is {v}\n[please|] [do not|don't] forget [the number|] {v}\n~ i give you the number {v} to keep",
        "= [the|my] number [i told you|i gave you|again|]\n= my [lucky|favorite|secret] number\n% [what|which] number i [told you|gave you|said]\n[what|which] number did i [say|tell you|give you|mention]\n[what is|what's|what was] [the|my] [secret|lucky|] number\n[do you|can you] [remember|recall|know] [the|my] number\n~ say the number that you keep for me",
        "Noted: the number is {v}.",
        "The number is {v}.",
        "You have not told me a number.",
    ),
}
I_SAID = """
what did i [just|] [say|ask|write|type|tell you|want]
what did i [just|] [say|ask|write] [before|last|a moment ago|just now|right now|earlier]
what was my [last|previous|] [question|message|request|sentence]
= my [last|previous] [question|message|request]
% what i [just|] [said|asked|wrote|asked you]
! repeat [my question|my last question|my last message|what i said|what i just said|what i asked]
[do you|can you] [remember|recall|know] what i [said|asked|just said|just asked]
[remind me|tell me] what i [asked|said]
what [have i|did i] [said|asked] [you|] [so far|]
which question did i [ask|just ask]
~ i said something just now, what was it
~ my message before this one was what
"""
YOU_SAID = """
what did you [just|] [say|answer|write|reply|tell me]
what did you [just|] [say|answer|write] [before|last|a moment ago|just now|earlier]
what was your [last|previous|] [answer|reply|message]
= your [last|previous] [answer|reply|message]
% what you [just|] [said|answered|wrote]
! repeat [your answer|your last answer|what you said|what you just said|that|yourself]
! say [that|it] [again|once more|one more time]
[do you|can you] [remember|recall|know] what you [said|answered]
[come again|pardon|what was that|say again|once more|sorry, what|i did not hear you|i did not catch that]
~ your reply before this one was what
~ i missed your answer, what was it
"""


def memory(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """Return the question with its answer, and the turns before it."""
    r = rng.random()
    if r < 0.25:
        return _said(rng, split)
    kind = rng.choice(("name", "name", "name", *TOLD))
    tell, ask, noted, answer, missing = TOLD[kind]
    value = _value(rng, kind)
    if r < 0.45:  # the telling itself
        final = noted.format(v=value)
        told = Answer(wording(rng, tell, split, v=value), [final], f"They tell me their {kind}: {value}.",
                      f"Kind of message: something to remember.\nTold: {kind}, {value}.\nI note it.", value)  # fmt: skip
        return told, other_turns(rng, (0, 0, 1))
    if r < 0.57:  # never told
        none = Answer(wording(rng, ask, split), [missing], f"Their {kind} was not told.",
                      f"Do I know their {kind}?\nEarlier messages: it was not told.\nI say so honestly.")  # fmt: skip
        return none, other_turns(rng, (0, 0, 1, 2))
    history = other_turns(rng, (0, 0, 0, 1)) + _turn(
        rng, wording(rng, tell, "train", v=value), noted.format(v=value)
    )
    if rng.random() < 0.15:  # told as part of something else: the reply did not repeat it
        history[-1] = Message("assistant", rng.choice(chat.SMALL_TALK["greeting"][1]), "final")
    return Answer(wording(rng, ask, split), [answer.format(v=value)], f"Their {kind} was told: {value}.",
                  f"Do I know their {kind}?\nEarlier messages: {value}.\nI tell it.", value), history + other_turns(rng, (0, 0, 1, 1, 2))  # fmt: skip


def _value(rng: Random, kind: str) -> str:
    colors = ("red", "blue", "green", "yellow", "orange", "purple", "black", "white", "brown")
    pools = {"name": words.NAMES, "color": colors, "animal": list(words.BABY_ANIMALS), "city": words.CITIES}
    return (
        rng.choice(pools[kind])
        if kind in pools
        else str(rng.randint(*{"age": (3, 99), "number": (0, 999)}[kind]))
    )


def _turn(rng: Random, user: str, final: str) -> list[Message]:
    return [Message("user", sentence(rng, user)), Message("assistant", final, "final")]


def _short(rng: Random) -> tuple[str, str]:
    """A short question with its answer, without a word the model could not repeat."""
    while True:
        task = rng.choice(
            (
                numbers.add,
                numbers.sub,
                numbers.compare,
                numbers.parity,
                facts.facts,
                letters.letters,
                lists.lists,
                code.python,
                chat.small_talk,
                tales.joke,
            )
        )
        answer = task(rng, "train")
        if len(answer.user) < 70 and '"' not in answer.user and len(answer.finals[0]) < 100:
            return answer.user, answer.finals[0]


def other_turns(rng: Random, n: tuple[int, ...]) -> list[Message]:
    return [m for _ in range(rng.choice(n)) for m in _turn(rng, *_short(rng))]


def _said(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    mine = rng.random() < 0.6
    block = I_SAID if mine else YOU_SAID
    if rng.random() < 0.12:
        final = "You have not said anything yet." if mine else "I have not said anything yet."
        return Answer(wording(rng, block, split), [final], "This is the first message.",
                      "Earlier messages: none.\nI say so honestly."), []  # fmt: skip
    history = other_turns(rng, (0, 0, 1))
    kind = rng.choice(list(TOLD))
    if rng.random() < 0.4:
        value = _value(rng, kind)
        history += _turn(rng, wording(rng, TOLD[kind][0], "train", v=value), TOLD[kind][2].format(v=value))
    else:
        history += _turn(rng, *_short(rng))
    text = history[-2 if mine else -1].content
    final = f'You said: "{text}"' if mine else f'I said: "{text}"'
    who = "their" if mine else "my"
    return Answer(wording(rng, block, split), [final], f"I look at {who} last message: {text}",
                  f"Wanted: {who} last message.\nIt was: {text}\nI repeat it.", text), history  # fmt: skip
