"""A small template language for wordings, and the noise that makes wordings free.

`[a|b|]` picks one alternative (nesting allowed), `{name}` is filled in.  A line that starts with `~` is held
out: it is never trained on and measures how well new wordings are understood.  A line that starts with `=`,
`!` or `%` is only what is asked; `asking.py` has the ways to ask.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

import asking

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@cache
def lines(text: str, split: str) -> tuple[str, ...]:
    """Return the wordings of one split ("train" or "new") of a block of template lines."""
    rows = [row.strip() for row in text.strip().splitlines() if row.strip()]
    if split == "new":
        return tuple(row[1:].strip() for row in rows if row.startswith("~"))
    return tuple(row for row in rows if not row.startswith("~"))


def expand(rng: Random, template: str) -> str:
    """Resolve the alternatives of a template, innermost first."""
    while True:
        out = _CHOICE.sub(lambda m: rng.choice(m[1].split("|")), template)
        if out == template:
            return re.sub(r" +", " ", out).strip()
        template = out


def wording(rng: Random, text: str, split: str, /, **slots: object) -> str:
    """Draw one wording of a block, resolve it and fill in the slots."""
    return draw(rng, text, split).format(**slots)


def draw(rng: Random, text: str, split: str) -> str:
    """Draw one wording of a block and resolve it; the slots stay. Half of the time it is a bare thing to ask,
    in one of all the ways to ask."""
    rows = lines(text, split)
    bare = [row for row in rows if row[0] in asking.KINDS]
    whole = [row for row in rows if row[0] not in asking.KINDS]
    if not bare or (whole and rng.random() < 0.5):
        return expand(rng, rng.choice(whole))
    row = rng.choice(bare)
    way = expand(rng, rng.choice(lines(asking.KINDS[row[0]], "train")))
    return way.replace("@", expand(rng, row[1:].strip()))


PREFIXES = """
please
hey,
hi,
hello,
hi there,
ok,
okay,
so,
well,
now
[can|could|would] you [please|] tell me:
[can|could] you help me?
quick question:
[one|another] question:
[a|my] question:
question:
tell me,
i [want|need|would like|'d like] to know:
i wonder:
i was wondering:
do you know:
help me:
[let's see|let me see]:
"""
SUFFIXES = """
please
, please
thanks
, thanks
, thank you
for me
for me please
? thanks
, [can|could] you tell me
, do you know
[right now|now|today]
, i need it for [school|work|my homework]
"""
# Words that carry little: they may be dropped or swapped without changing the task.
FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "of",
        "to",
        "me",
        "you",
        "for",
        "what's",
        "please",
        "can",
        "could",
        "do",
        "does",
        "it",
        "i",
        "my",
        "your",
        "that",
        "this",
        "in",
        "with",
        "just",
        "tell",
        "give",
        "would",
        "like",
        "want",
        "know",
        "and",
        "how",
        "so",
        "be",
        "will",
        "get",
        "there",
        "which",
        "one",
    ]
)

# Words of requests that may be misspelled; what a request is about stays as it is.
COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        please could would which write what between number numbers letter letters country capital
        called opposite translate calculate compute result answer larger smaller bigger smallest
        largest together question sorted reverse remember string python story
        """,
    )
)


def sentence(rng: Random, text: str, question: bool | None = None) -> str:
    """Write a wording as people mostly do: capital letter and a closing mark."""
    text = text[:1].upper() + text[1:]
    if question is None:
        question = bool(
            re.match(r"(what|who|how|which|is|are|can|could|do|does|where|when|will|would)\b", text.lower())
        )
    if text[-1] in '.?!:"`)':
        return text
    return text + ("?" if question else "")


def noisy(rng: Random, text: str, rare: list[str], strength: float = 1.0) -> str:
    """Vary a wording: politeness around it, lost or foreign filler words, case and punctuation.

    `rare` are words outside the vocabulary, so that unknown words do not stop the model from understanding.
    Quoted text and code stay as they are.
    """
    if rng.random() < 0.35 * strength and len(text) < 400:
        text = _blur(rng, text, rare)
    r = rng.random()
    if r < 0.12 * strength:
        text = f"{expand(rng, rng.choice(lines(PREFIXES, 'train')))} {text}"
    elif r < 0.22 * strength:
        before = expand(rng, rng.choice(lines(asking.BEFORE, "train")))
        text = f"{sentence(rng, before, False)} {sentence(rng, text) if before[-1] in '.!' else text}"
    elif r < 0.28 * strength:
        after = expand(rng, rng.choice(lines(asking.AFTER, "train")))
        text = f"{sentence(rng, text)}{'' if text[-1] in '.?!' else '.'} {after}".replace("?.", "?")
    elif r < 0.35 * strength:
        text = (
            (text.rstrip("?. ") + f" {expand(rng, rng.choice(lines(SUFFIXES, 'train')))}")
            .replace(" ,", ",")
            .replace(" ?", "?")
        )
    r = rng.random()
    if r < 0.55:
        text = sentence(rng, text)
    elif r < 0.65:
        text = sentence(rng, text).rstrip("?. ") + rng.choice([".", "?", "!", "??", " ?"])
    elif r < 0.75:
        text = text[:1].upper() + text[1:]
    elif r < 0.85:
        text = text.rstrip("?.") + "?"
    if rng.random() < 0.12 * strength and len(text) < 400:
        text = _typo(rng, text)
    if rng.random() < 0.14:
        text = text.lower()
    return text


def _blur(rng: Random, text: str, rare: list[str]) -> str:
    words = text.split(" ")
    safe = [i for i, w in enumerate(words) if w.lower().strip(",.?") in FILLERS]
    for _ in range(rng.choice((1, 1, 2, 3))):
        r = rng.random()
        if r < 0.4 and safe:
            words[rng.choice(safe)] = ""
        elif r < 0.7 and safe:
            words[rng.choice(safe)] = rng.choice(rare)
        elif r < 0.8:
            words.append(rng.choice(rare))
        elif r < 0.9:
            words.insert(0, rng.choice(rare))
        elif safe:
            words.insert(rng.choice(safe), rng.choice(rare))
    return " ".join(w for w in words if w) or text


def _typo(rng: Random, text: str) -> str:
    """Misspell one longer word, as people do; numbers, names and quoted text stay."""
    words = text.split(" ")
    long = [i for i, w in enumerate(words) if len(w) > 4 and w.isalpha() and w.islower() and w in COMMON]
    if long:
        i = rng.choice(long)
        w, k = words[i], rng.randrange(1, len(words[i]) - 1)
        swapped = w[:k] + w[k + 1] + w[k] + w[k + 2 :]
        words[i] = rng.choice((swapped, w[:k] + w[k + 1 :], w[:k] + w[k] + w[k:]))
    return " ".join(words)
