# ruff: noqa: E501 - wordings are data and stay on one line
"""Counting, spelling and reversing letters."""

from __future__ import annotations

from random import Random

import words
from wording import wording

from tasks.base import Answer

LETTERS = {
    "count": """
= the number of [times|occurrences] [{q} appears|of {q}|of the letter {q}] in {w}
= the [count|number|amount] of [{q}'s|{q}s|letter {q}] in [the word|] {w}
! count [the letter|the letters|every|each|all|how many|the number of] {q} in [the word|] {w}
! count how [often|many times] {q} [appears|occurs|is|comes up] in [the word|] {w}
! go through [the word|] {w} and count the letter {q}
% how many [{q}'s|{q}s|times the letter {q}|letters {q}] [are in|there are in|appear in|occur in] [the word|] {w}
% how often [the letter|] {q} [appears|occurs|is used|comes up|is found] in [the word|] {w}
{q} in {w}, how many
{w}, how many [times|] {q}
how many of the letter {q} [does|would] {w} [have|contain|need]
how frequently does [the letter|] {q} [occur|appear|show up] in {w}
how many times do [i|you|we] [find|see|meet|write|use] [the letter|a|] {q} in {w}
do you see [the letter|] {q} in {w}, [and how many times|how many]
[letter|letters|count] {q}, word {w}
count: {q} in {w}
how many {q} {w}
does [the word|] {w} have [one|two|three] {q}'s or [more|not]
how many [times does|times is] {q} [appear|occur|appears] in {w}
how many {q}'s [are|are there] in {w}
how many {q}s [are|are there] in {w}
how many [letters|letter] {q} [are|are there|are found] in {w}
how many [times does|times is] the letter {q} [appear|occur|in|used in|found in] {w}
[count|count up] [the|all|] [letter|letters] {q} in {w}
count [the|how many|] {q}'s in {w}
how often [does|is] [the letter|] {q} [appear|occur|used] in {w}
[the word|] {w} has how many {q}'s
[what is|find|give me|tell me|] the number of [letter|letters|] {q} in {w}
[number|count] of {q} in {w}
[can|could] you count [the letter|the|] {q} in {w}
in [the word|] {w}, how many {q}'s [are there|do you see|]
how many {q} does [the word|] {w} [have|contain]
[here is a|this is my|take the|take a|my] word: {w}. how many [letters|] {q} [does it have|are in it|do you see|are there]
[take|read|see|check] [the word|] {w} and [tell me|count|say] how many {q} [it has|are in it|there are]
given [the word|] {w}, count [the|all|] [letter|letters|] {q}
{w}: [count|how many|find] [the letter|] {q}
when [i|you|we] [write|read] {w}, how [many|often] {q} [do i see|are there|is there]
[how many|count the] letters in {w} [that|which] are {q}
i [see|count|need] [the letter|] {q} in {w}, how [many|often|many times]
~ look at the word {w} and count the letter {q}
~ if i spell {w}, how many times do i write the letter {q}
~ the letter {q}: how many are in {w}
~ how many of the letters in {w} are {q}
""",
    "length": """
= the [length|letter count|size] of [the word|] {w}
= the [number|count|total] of letters [in|of] [the word|] {w}
! count [the|all|all the|every one of the] letters [of|in] [the word|] {w}
! [say|measure] how long [the word|] {w} is
% how many letters [the word|] {w} [has|contains|is made of|consists of|is written with]
% how long [the word|] {w} is
{w}, how many letters
{w}, how long is it
letters in {w}
length of {w}
count letters: {w}
[the word|] {w} is how [long|many letters long]
of how many letters does {w} consist
how many [characters|letters] [long|] is [the word|] {w}
how many letters [make up|spell|form] [the word|] {w}
how many letters [are|are there|are found] in {w}
how many letters does [the word|] {w} [have|contain]
how long is [the word|] {w}
[what is|what's|find|give me|tell me|] the length of [the word|] {w}
[count|count all] [the|] letters in {w}
[the word|] {w} has how many letters
[what is|find|give me|tell me|] the number of letters in {w}
how many letters {w}
[here is a|this is my|take the|take a|my] word: {w}. how many letters [does it have|are in it]
[take|read|see|check] [the word|] {w} and [tell me|say] how many letters [it has|are in it|there are]
given [the word|] {w}, count [the|all|] letters
{w}: [count|how many|number of|count the|count all] letters
when [i|you|we] [write|read|spell] {w}, how many letters [do i see|are there|is that]
[how many|count the] letters [make|are needed for|does it take to write] {w}
~ look at the word {w} and count all its letters
~ the word {w}: how many letters is that
~ how many letters do i need to write {w}
""",
    "spell": """
= the [spelling|letters] of [the word|] {w}
= [the word|] {w} [letter by letter|spelled out|in single letters|one letter at a time]
! spell [the word|out|out the word|] {w}
! [write|say|read|type|give] [the word|] {w} [letter by letter|one letter at a time|in single letters|as separate letters]
! [list|name|show] [the letters|all letters|each letter|every letter] [of|in] [the word|] {w}
! [split|break|cut|separate] [the word|] {w} into [its|] [letters|single letters]
% how [the word|] {w} is [spelled|spelt|written]
% how [to spell|you spell|one spells|i should spell|people spell] [the word|] {w}
{w}, spelled [out|]
{w} spelling
spell: {w}
[i always misspell|i cannot spell|i can't spell] [the word|] {w}
how should i write [the word|] {w}, letter by letter
spell [the word|] {w}
how do you spell {w}
how is {w} spelled
[can|could] you spell [the word|] {w} [for me|]
spell {w} [letter by letter|out|]
[write|say|list|give me] [the letters of|the letters in] {w}
what are the letters [of|in] {w}
how [do i|to] spell {w}
spelling of {w}
[here is a|this is my|take the|take a|my] word: {w}. [spell it|how do you spell it|name its letters]
[take|read|see] [the word|] {w} and spell it
given [the word|] {w}, [spell it|name its letters|list its letters]
{w}: [spell|spell it|spelled how|letter by letter]
when [i|you] write {w}, [which|what] letters do [i|you] [need|use|write]
[which|what] letters [are in|make|make up] [the word|] {w}
~ i want to write {w}, how is it spelled
~ the word {w}: spell it
~ which letters does {w} have, one by one
""",
    "backwards": """
= [the word|] {w} [backwards|spelled backwards|in reverse|from the end|from right to left|the other way round|reversed]
= the [reversed spelling|reversed letters|letters in reverse] of [the word|] {w}
! [spell|write|say|read|type|put] [the word|] {w} [backwards|in reverse|from back to front|from right to left|the other way round|from the end|in reverse order]
! [reverse|flip|turn around] [the word|the letters of|the spelling of|] {w}
% what [the word|] {w} is [backwards|in reverse|reversed]
% how [the word|] {w} is [spelled|written] [backwards|in reverse]
% how [to spell|you spell] {w} [backwards|in reverse]
{w}, [but backwards|backwards|in reverse]
reverse: {w}
backwards: {w}
{w} [from back to front|from the last letter to the first|the other way round]
spell [the word|] {w} [backwards|in reverse|backward]
[write|say] [the word|] {w} [backwards|in reverse|backward]
reverse [the word|the letters of|the letters in] {w}
[what is|what's] {w} [backwards|spelled backwards|in reverse|backward|reversed]
how do you spell {w} backwards
[can|could] you [spell|write] {w} backwards [for me|]
{w} [backwards|reversed|spelled backwards]
[here is a|this is my|take the|take a|my] word: {w}. [spell it|write it|say it] [backwards|in reverse]
[take|read|see] [the word|] {w} and [spell|write|turn] it [backwards|around|in reverse]
given [the word|] {w}, [spell it backwards|reverse it|write its letters backwards]
{w}: [spell|write|say] it [backwards|in reverse]
[which|what] letters does {w} have [backwards|from the end|in reverse]
~ the word {w}: spell it backwards
~ look at the word {w} and write its letters in reverse
""",
    "first": """
= the [first|very first|initial|starting] letter [of|in] [the word|] {w}
= the letter [that|which] [the word|] {w} [starts|begins] with
! [name|give|say|write|tell] the first letter [of|in] [the word|] {w}
% [which|what] letter [the word|] {w} [starts|begins] with
% what the first letter [of|in] [the word|] {w} is
{w}, first letter
first letter: {w}
with [which|what] letter does {w} [start|begin]
[the word|] {w} [starts|begins] with [what|which letter]
[what is|what's|tell me|give me|] the first letter [of|in] {w}
which letter does {w} [start|begin] with
what letter does {w} [start|begin] with
{w} [starts|begins] with which letter
[here is a|this is my|take the|take a|my] word: {w}. [what is|name|tell me] [its|the] first letter
given [the word|] {w}, [what is|name] the first letter
[in|of] {w}, [what|which] is the first letter
{w}: [first letter|the first letter|which letter is first]
~ the word {w}: what is its first letter
~ tell me which letter {w} starts with
""",
    "last": """
= the [last|very last|final|ending] letter [of|in] [the word|] {w}
= the letter [that|which] [the word|] {w} [ends|finishes|stops] with
! [name|give|say|write|tell] the last letter [of|in] [the word|] {w}
% [which|what] letter [the word|] {w} [ends|finishes|stops] with
% what the last letter [of|in] [the word|] {w} is
{w}, last letter
last letter: {w}
with [which|what] letter does {w} [end|finish|stop]
[the word|] {w} [ends|finishes|stops] with [what|which letter]
[what is|what's|tell me|give me|] the last letter [of|in] {w}
which letter does {w} end with
what letter does {w} end with
{w} ends with which letter
[here is a|this is my|take the|take a|my] word: {w}. [what is|name|tell me] [its|the] last letter
given [the word|] {w}, [what is|name] the last letter
[in|of] {w}, [what|which] is the last letter
{w}: [last letter|the last letter|which letter is last]
tell me [the|which] letter [at the end of|that ends] {w}
~ the word {w}: what is its last letter
~ tell me which letter {w} ends with
""",
}


def letters(rng: Random, split: str, kind: str = "", word: str = "") -> Answer:
    kind = kind or rng.choice(("count", "count", "count", "length", "spell", "backwards", "first", "last"))
    word = word or (rng.choice(words.SPELLED) if rng.random() < 0.93 else "strawberry")
    letter = rng.choice(word)
    if rng.random() < 0.15:
        letter = rng.choice("abcdefghiklmnoprstuvwy")
    quote = rng.choice(("", "", "", "", '"', '"', "'"))
    mark = rng.choice(("", "", '"', "'")) if kind == "count" else ""
    shown = letter.upper() if rng.random() < 0.15 else letter
    text = wording(rng, LETTERS[kind], split, q=f"{mark}{shown}{mark}", w=f"{quote}{word}{quote}")
    spelled = "-".join(word)
    n = word.count(letter)
    if kind == "count":
        at = [str(i + 1) for i, c in enumerate(word) if c == letter]
        times = {0: "no times", 1: "once", 2: "twice"}.get(n, f"{n} times")
        seen, rows = 0, []
        for c in word:
            seen += c == letter
            rows.append(f"{c}: {seen}")
        return Answer(
            text,
            [
                f"The letter {letter} appears {times} in {word}.",
                f"There {'is' if n == 1 else 'are'} {n} {letter} in {word}.",
            ],
            f"Count {letter} in {spelled}: {'at ' + ', '.join(at) if at else 'none'}. So {n}.",
            f"I go through {word} and count {letter}.\n" + "\n".join(rows) + f"\nTotal: {n}.",
            str(n),
        )
    if kind == "length":
        rows = [f"{c}: {i + 1}" for i, c in enumerate(word)]
        return Answer(
            text,
            [f"The word {word} has {len(word)} letters."],
            f"Count all letters in {spelled}: {len(word)}.",
            f"I count all letters of {word}.\n" + "\n".join(rows) + f"\nTotal: {len(word)}.",
            str(len(word)),
        )
    if kind in ("spell", "backwards"):
        out = spelled if kind == "spell" else spelled[::-1]
        note = "backwards" if kind == "backwards" else "letter by letter"
        return Answer(
            text,
            [f"{out}"] if kind == "spell" else [f"{out}", f"Backwards, {word} is {out}."],
            f"Spell {word} {note}: {spelled}.",
            f"I spell {word} {note}.\nLetters: {spelled}."
            + (f"\nReversed: {out}." if kind == "backwards" else ""),
            out,
        )
    value = word[0] if kind == "first" else word[-1]
    return Answer(
        text,
        [f"The {kind} letter of {word} is {value}."],
        f"The word {word} is {spelled}; the {kind} letter is {value}.",
        f"I need the {kind} letter of {word}.\nLetters: {spelled}.\nThe {kind} one is {value}.",
        value,
    )
