# ruff: noqa: E501 - wordings are data and stay on one line
"""Near misses: the very wordings of a task around something that the model was never taught."""

from __future__ import annotations

from random import Random

import topics
import words
from wording import draw, wording

from tasks import facts, letters, lists, numbers
from tasks.base import Answer
from tasks.refusals import declined

TOO_HARD = "That is too hard for me: I only multiply by numbers up to 9."
TOO_HARD_TO_DIVIDE = "That is too hard for me: I only divide by numbers up to 9."
SPELLED = set(words.SPELLED)


def near_miss(rng: Random, split: str) -> Answer:
    """The capital of Atlantis, the opposite of a table, the letters of a rare word."""
    return declined(rng.choice((_fact, _fact, _fact, _letters, _letters, _list, _compare))(rng, split))


def _new(rng: Random, pool: list[str], known: set[str]) -> str:
    """One of a pool that is not known, or a word nobody has heard."""
    if rng.random() < 0.4:
        return rng.choice(words.rare())
    return rng.choice([x for x in pool if x not in known])


def _fact(rng: Random, split: str) -> str:
    kind = rng.choice(
        ("capital", "capital", "country", "opposite", "opposite", "baby", "sound", "colour", "translate", "next")
    )  # fmt: skip
    block = facts.FACTS[kind]
    if kind == "capital":
        return wording(rng, block, split, x=_new(rng, topics.PLACES, set(words.CAPITALS)))
    if kind == "country":
        return wording(rng, block, split, y=_new(rng, topics.FOREIGN_CITIES, set(words.CAPITALS.values())))
    if kind == "opposite":
        x = _new(rng, topics.NO_OPPOSITE, {*words.OPPOSITES, *words.OPPOSITES.values()})
        return wording(rng, block, split, x=rng.choice((x, f"a {x}", f"the {x}", f'"{x}"')))
    if kind in ("baby", "sound"):
        table = words.BABY_ANIMALS if kind == "baby" else words.SOUNDS
        return wording(rng, block, split, x=_new(rng, topics.OTHER_ANIMALS, set(table)))
    if kind == "colour":
        x = _new(rng, topics.NO_COLOUR, set(words.COLOURS))
        return wording(
            rng, block.replace("[the|a|] ", "").replace("[a|the|] ", "").replace("a {x}", "{x}"), split, x=x
        )
    if kind == "translate":
        known = set(words.TRANSLATIONS)
        if rng.random() < 0.5:
            q, language = _new(rng, topics.OTHER_WORDS, known), rng.choice(("Spanish", "French", "German"))
        else:
            q, language = rng.choice([*known, *topics.OTHER_WORDS]), rng.choice(topics.OTHER_LANGUAGES)
        if rng.random() < 0.25:
            q = rng.choice(topics.PHRASES)
        return wording(
            rng, block, split, q=rng.choice((q, f'"{q}"')), l=language, p=facts.speaker(rng, language)
        )
    x = _new(
        rng,
        [
            "spring",
            "autumn",
            "Easter",
            "Christmas",
            "lunch",
            "the letter d",
            "midnight",
            "the weekend",
            "2024",
            "Mars",
            "gold",
            "tomorrow",
        ],
        set(),
    )
    block = facts.FACTS[rng.choice(("next", "before"))].replace("[day|month]", "{k}")
    return wording(
        rng,
        block,
        split,
        x=x,
        k=rng.choice(("season", "holiday", "meal", "planet", "letter", "hour", "year", "day")),
    )


def _letters(rng: Random, split: str) -> str:
    """Words whose spelling was not taught: unknown ones, and known ones from other tasks."""
    others = [*words.CAPITALS, *words.CAPITALS.values(), *words.NAMES, *words.DAYS, *words.MONTHS, *words.THINGS, *words.OPPOSITES,
              *topics.OTHER_ANIMALS, *topics.NO_OPPOSITE, *topics.OTHER_WORDS, *topics.OTHER_LANGUAGES]  # fmt: skip
    word = rng.choice(words.rare()) if rng.random() < 0.6 else rng.choice(others)
    while word.lower() in SPELLED:
        word = rng.choice(words.rare())
    kind = rng.choice(("count", "count", "length", "spell", "backwards", "first", "last"))
    letter = rng.choice("abcdefghiklmnoprstuvwy")
    mark, quote = rng.choice(("", "", '"', "'")), rng.choice(("", "", '"', "'"))
    if rng.random() < 0.12 and kind != "spell":  # the letters of a whole sentence
        word, quote = rng.choice(topics.PHRASES), '"'
    text = wording(rng, letters.LETTERS[kind], split, q=f"{mark}{letter}{mark}", w=f"{quote}{word}{quote}")
    if kind == "count" and rng.random() < 0.15:
        text = text.replace("letters", "vowels").replace("letter", "syllable")
    return text


def _list(rng: Random, split: str) -> str:
    """Lists of words, and things that lists of numbers are not asked for."""
    if rng.random() < 0.6:
        pool = rng.choice(
            (words.NAMES, words.THINGS, topics.OTHER_WORDS, words.rare(), list(words.CAPITALS), words.MONTHS)
        )
        joined = ", ".join(rng.sample(pool, rng.randint(3, 5)))
        return draw(rng, lists.LISTS[rng.choice(list(lists.LISTS))].replace("[{x}]", "({x})"), split).format(
            x=joined
        )
    joined = ", ".join(str(rng.randint(1, 99)) for _ in range(rng.randint(3, 5)))
    return wording(rng, ODD_LISTS, "train", x=joined, n=rng.randint(2, 9))


ODD_LISTS = """
= the [average|mean|median|sum|product|second largest|second smallest|middle one|range|mode|total] of {x}
! [add up|multiply|average|shuffle|square|double|plot|count|group] [the numbers|] {x}
! remove the [duplicates|even numbers|odd numbers|first one] from {x}
! add {n} to [each|every one] of {x}
! [find|list|name] the [prime numbers|even numbers|odd numbers|multiples of {n}|numbers above {n}] in {x}
how many [numbers|even numbers|primes|values] are in {x}
which of {x} [is prime|are prime|are even|is divisible by {n}|is not like the others|is closest to {n}]
{x}, what [comes next|is the next number|is the pattern|is the rule]
{x}: [average|median|sum|mean|total]
"""


def _compare(rng: Random, split: str) -> str:
    """What has no number: a mouse or a house."""
    pool = rng.choice(
        (
            topics.OTHER_ANIMALS,
            topics.NO_OPPOSITE,
            topics.PLACES,
            words.rare(),
            list(words.CAPITALS),
            topics.TOPICS,
        )
    )
    a, b = rng.sample([x for x in pool if x not in words.SPOKEN], 2)
    w = rng.choice(
        (
            "larger",
            "bigger",
            "greater",
            "higher",
            "smaller",
            "lower",
            "older",
            "faster",
            "heavier",
            "cheaper",
            "taller",
        )
    )
    block = numbers.COMPARE if rng.random() < 0.75 else numbers.IS_IT
    return wording(rng, block, split, a=a, b=b, w=w, m=w, s=w.removesuffix("r") + "st", o=rng.choice("<>"))


def long_product(rng: Random, split: str) -> Answer:
    """Products of two long factors and quotients by long divisors lie outside the domain, too."""
    if rng.random() < 0.7:
        a, b = rng.randint(13, rng.choice((99, 99, 999))), rng.randint(10, rng.choice((99, 99, 999)))
        if rng.random() < 0.5:
            a, b = b, a
        return Answer(
            wording(rng, numbers.MUL, split, a=a, b=b),
            [TOO_HARD],
            "Both numbers are large, too hard for me.",
            "Is one factor below 10? No.\nThat is too hard for me.\nI say so honestly.",
        )
    b = rng.randint(10, 99)
    a = b * rng.randint(1, 999 // b) if rng.random() < 0.5 else rng.randint(b, 999)
    return Answer(
        wording(rng, numbers.DIV, split, a=a, b=b),
        [TOO_HARD_TO_DIVIDE],
        "The divisor is large, too hard for me.",
        "Is the divisor below 10? No.\nThat is too hard for me.\nI say so honestly.",
    )
