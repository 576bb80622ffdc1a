# ruff: noqa: E501 - wordings are data and stay on one line
"""Word problems, letters and small facts."""

from __future__ import annotations

from random import Random

import words
from wording import expand, wording

from tasks.base import Answer
from tasks.numbers import columns_add, columns_sub

# {n} hero, {p} pronoun, {P} capitalised pronoun, {f} friend, {t} things, {a} {b} numbers
GAIN = """
{n} has {a} {t} [and|. {P}] [gets|buys|finds|receives|wins|collects|picks|is given|takes|picks up] {b} more[ {t}|]. {ask}
{n} has {a} {t} [and|. {P}] [gets|buys|finds|receives|wins|collects|makes|earns] [another|] {b}[ {t}|]. {ask}
{n} had {a} {t} [and|. {P}] [got|bought|found|received|won|collected|picked|was given|earned|made|picked up] {b} more[ {t}|]. {ask}
{n} had {a} {t}. [then|later|today|yesterday|now] {p} [got|bought|found|received|won|collected] {b} more. {ask}
{n} has {a} {t}. {f} gives [{o}|{n}] {b} [more|more {t}|{t}|]. {ask}
{n} had {a} {t}. {f} gave [{o}|{n}] {b} [more|more {t}|{t}|]. {ask}
[there are|there were] {a} {t} [in a box|on the table|in the bag|in the basket|on a shelf]. {n} [adds|added|puts in|put in] {b} more. how many {t} are there [now|]
{n} has {a} {t} and {f} has {b}[ {t}|]. how many {t} do they have [together|in total|altogether|in all]
{n} and {f} have {a} and {b} {t}. how many {t} do they have [together|in total|altogether|in all]
if {n} has {a} {t} and [gets|buys|finds|receives] {b} more, [how many {t} does {p} have|how many does {n} have] [now|in total|]
~ {n} owns {a} {t} and then {f} brings {o} {b} more. {ask}
~ in the morning {n} had {a} {t}, and in the evening {p} found {b} more. {ask}
~ {n} starts with {a} {t}. after {p} gets {b} more {t}, how many does {p} have
~ {n} collected {a} {t} and {f} collected {b}. how many {t} is that together
"""
LOSS = """
{n} has {a} {t} [and|. {P}] [gives away|loses|sells|eats|uses|drops|breaks|throws away|gives {f}|spends] {b}[ {t}| of them|]. {ask}
{n} had {a} {t} [and|. {P}|but] [gave away|lost|sold|ate|used|dropped|broke|threw away|gave {f}|spent] {b}[ {t}| of them|]. {ask}
{n} had {a} {t}. [then|later|today|yesterday|now] {p} [gave away|lost|sold|ate|used] {b}[ of them|]. {ask}
{n} has {a} {t} and gives {b} [of them|{t}|] to {f}. {ask}
{n} gives {f} {b} of {h} {a} {t}. {ask}
{n} had {a} {t}. {f} [took|takes] {b}[ of them| {t}|]. {ask}
[there are|there were] {a} {t} [in a box|on the table|in the bag|in the basket|on a shelf]. {n} [takes|took|removes|takes away|took away] {b}. how many {t} are [left|there now]
[from|out of|of] {a} {t}, {n} [eats|uses|loses|sells|gives away] {b}. how many {t} are left
if {n} has {a} {t} and [loses|sells|gives away|eats|uses] {b}, [how many {t} does {p} have|how many are left|how many does {n} have left]
{n} has {a} {t} and {f} has {b}[ {t}|]. how many more {t} does {n} have [than {f}|]
~ {n} owns {a} {t}. after {p} loses {b} of them, how many {t} are left
~ in the morning {n} had {a} {t}, but in the evening {b} were gone. {ask}
~ {n} starts with {a} {t} and gives {f} {b} of them. how many {t} remain
~ {b} of the {a} {t} that {n} had were lost. how many are left
"""
EACH = """
{n} has {a} [boxes|bags|baskets] with {b} {t} each. how many {t} [does {p} have|are there|is that] [in total|in all|altogether|together|]
[there are|{n} has] {a} [boxes|bags|baskets|shelves] [and each has|each with|with] {b} {t}[ each|]. how many {t} [are there|is that] [in total|in all|altogether|]
{n} buys {a} [boxes|bags|packs] of {b} {t}. how many {t} [does {p} have|are there|is that] [in total|in all|altogether|]
each of {a} [friends|children|kids] [has|gets] {b} {t}. how many {t} [is that|are there] [in total|in all|altogether|]
[each|every] [box|bag|basket] holds {b} {t}. how many {t} are in {a} [boxes|bags|baskets]
~ {n} fills {a} boxes. each box gets {b} {t}. how many {t} are there in all
~ {a} children each have {b} {t}. how many {t} do they have together
"""
SHARE = """
{n} [has|had] {a} {t} and [shares|splits|divides] them [equally|evenly|fairly|] [among|between|with] {b} [friends|children|kids]. how many [{t}|] does each [get|friend get|child get|one get]
{n} [shares|splits|divides] {a} {t} [equally|evenly|] [among|between] {b} [friends|children|kids]. how many [{t}|] does each [get|one get]
{a} {t} are [shared|split|divided] [equally|evenly|] [among|between] {b} [friends|children|kids]. how many [{t}|] does each [get|child get|one get]
{n} puts {a} {t} [equally|evenly|] into {b} [boxes|bags|baskets]. how many [{t}|] are in each [box|bag|basket|one]
[if|when] {b} [friends|children|kids] share {a} {t}[ equally|], how many [{t}|] does each [get|one get]
~ {b} children want to share {a} {t} evenly. how many {t} for each
~ {n} gives {a} {t} to {b} friends, the same number to each. how many does each friend get
"""
ASK_NOW = (
    "how many {t} does {p} have [now|]", "how many {t} does {n} have [now|in total|]", "how many does {p} have [now|]",
    "how many {t} [is that|are there] [now|]", "how many [{t}|] now", "how many {t} are there [now|]",
)  # fmt: skip
ASK_LEFT = (
    "how many {t} does {p} have [left|now]", "how many {t} does {n} have [left|now]", "how many are left",
    "how many {t} are left", "how many does {p} have [left|now]", "how many [{t}|] remain", "what is left",
)  # fmt: skip


def sentence_case(text: str) -> str:
    return ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))


def story_sum(rng: Random, split: str) -> Answer:
    """A word problem with one operation."""
    kind = rng.choice(("gain", "gain", "loss", "loss", "each", "share"))
    name, friend = rng.sample(words.NAMES, 2)
    things = rng.choice(words.THINGS)
    female = name in words.HER
    top = rng.choice((10, 20, 50, 99))
    a, b = rng.randint(1, top), rng.randint(1, top)
    ask = ASK_NOW
    if kind == "loss":
        a, b, ask = max(a, b) + rng.randint(0, 1), min(a, b), ASK_LEFT
    elif kind == "each":
        a, b = rng.randint(2, 9), rng.randint(2, 12)
    elif kind == "share":
        b = rng.randint(2, 9)
        a = b * rng.randint(1, 10)
    slots = {
        "n": name, "f": friend, "t": things, "a": a, "b": b, "p": "she" if female else "he",
        "P": "She" if female else "He", "o": "her" if female else "him", "h": "her" if female else "his",
    }  # fmt: skip
    block = {"gain": GAIN, "loss": LOSS, "each": EACH, "share": SHARE}[kind]
    text = wording(rng, block, split, ask=rng.choice(ask), **slots)
    text = expand(rng, text).format(**slots).replace(" .", ".")  # the question itself holds slots
    if kind == "gain":
        op, value, trail = "+", a + b, columns_add(a, b)[0]
    elif kind == "loss":
        op, value, trail = "-", a - b, columns_sub(a, b)[0]
    elif kind == "each":
        op, value, trail = "*", a * b, f"{a} times {b}"
    else:
        op, value, trail = "/", a // b, f"{b} * {a // b} = {a}"
    why = {"gain": "Put together", "loss": "Take away", "each": "Equal groups", "share": "Share equally"}[
        kind
    ]
    return Answer(
        sentence_case(text),
        [f"{a} {op} {b} = {value}, so {value} {things}.", f"The answer is {value} {things}."],
        f"{why}: {a} {op} {b}. {trail}. So {value}.",
        f"Kind of problem: {why.lower()}.\nNumbers: {a} and {b}.\nStep: {a} {op} {b}.\nWork: {trail}.\nResult: {value}.",
        str(value),
    )


LETTERS = {
    "count": """
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
~ look at the word {w} and count the letter {q}
~ if i spell {w}, how many times do i write the letter {q}
~ the letter {q}: how many are in {w}
~ how many of the letters in {w} are {q}
""",
    "length": """
how many letters [are|are there|are found] in {w}
how many letters does [the word|] {w} [have|contain]
how long is [the word|] {w}
[what is|what's|find|give me|tell me|] the length of [the word|] {w}
[count|count all] [the|] letters in {w}
[the word|] {w} has how many letters
[what is|find|give me|tell me|] the number of letters in {w}
how many letters {w}
~ look at the word {w} and count all its letters
~ the word {w}: how many letters is that
~ how many letters do i need to write {w}
""",
    "spell": """
spell [the word|] {w}
how do you spell {w}
how is {w} spelled
[can|could] you spell [the word|] {w} [for me|]
spell {w} [letter by letter|out|]
[write|say|list|give me] [the letters of|the letters in] {w}
what are the letters [of|in] {w}
how [do i|to] spell {w}
spelling of {w}
~ i want to write {w}, how is it spelled
~ the word {w}: spell it
~ which letters does {w} have, one by one
""",
    "backwards": """
spell [the word|] {w} [backwards|in reverse|backward]
[write|say] [the word|] {w} [backwards|in reverse|backward]
reverse [the word|the letters of|the letters in] {w}
[what is|what's] {w} [backwards|spelled backwards|in reverse|backward|reversed]
how do you spell {w} backwards
[can|could] you [spell|write] {w} backwards [for me|]
{w} [backwards|reversed|spelled backwards]
~ the word {w}: spell it backwards
~ look at the word {w} and write its letters in reverse
""",
    "first": """
[what is|what's|tell me|give me|] the first letter [of|in] {w}
which letter does {w} [start|begin] with
what letter does {w} [start|begin] with
{w} [starts|begins] with which letter
~ the word {w}: what is its first letter
~ tell me which letter {w} starts with
""",
    "last": """
[what is|what's|tell me|give me|] the last letter [of|in] {w}
which letter does {w} end with
what letter does {w} end with
{w} ends with which letter
~ the word {w}: what is its last letter
~ tell me which letter {w} ends with
""",
}


def letters(rng: Random, split: str) -> Answer:
    kind = rng.choice(("count", "count", "count", "length", "spell", "backwards", "first", "last"))
    word = rng.choice(words.SPELLED) if rng.random() < 0.93 else "strawberry"
    letter = rng.choice(word)
    if rng.random() < 0.15:
        letter = rng.choice("abcdefghiklmnoprstuvwy")
    quote = rng.choice(("", "", '"', '"', "'"))
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
                f'The letter {letter} appears {times} in "{word}".',
                f'There {"is" if n == 1 else "are"} {n} "{letter}" in "{word}".',
            ],
            f"Count {letter} in {spelled}: {'at ' + ', '.join(at) if at else 'none'}. So {n}.",
            f"I go through {word} and count {letter}.\n" + "\n".join(rows) + f"\nTotal: {n}.",
            str(n),
        )
    if kind == "length":
        rows = [f"{c}: {i + 1}" for i, c in enumerate(word)]
        return Answer(
            text,
            [f'"{word}" has {len(word)} letters.'],
            f"Count all letters in {spelled}: {len(word)}.",
            f"I count all letters of {word}.\n" + "\n".join(rows) + f"\nTotal: {len(word)}.",
            str(len(word)),
        )
    if kind in ("spell", "backwards"):
        out = spelled if kind == "spell" else spelled[::-1]
        note = "backwards" if kind == "backwards" else "letter by letter"
        return Answer(
            text,
            [f"{out}"] if kind == "spell" else [f"{out}", f'"{word}" backwards is {out}.'],
            f"Spell {word} {note}: {spelled}.",
            f"I spell {word} {note}.\nLetters: {spelled}."
            + (f"\nReversed: {out}." if kind == "backwards" else ""),
            out,
        )
    value = word[0] if kind == "first" else word[-1]
    return Answer(
        text,
        [f'The {kind} letter of "{word}" is {value}.'],
        f"{word} is {spelled}; the {kind} letter is {value}.",
        f"I need the {kind} letter of {word}.\nLetters: {spelled}.\nThe {kind} one is {value}.",
        value,
    )


FACTS = {
    "capital": """
[what is|what's|tell me|name|give me|do you know|say] the capital [city|] of {x}
[which|what] city is the capital [city|] of {x}
capital [city|] of {x}
{x}[:|'s|] capital [city|]
what is {x}'s capital [city|]
[what|which] capital does {x} have
what is the capital in {x}
[can|could] you [tell me|name] the capital of {x}
[i want to know|i need] the capital of {x}
what is the name of the capital of {x}
the capital of {x} is [what|called what|which city|]
what do you call the capital of {x}
{x} has which capital
what is the [main|capital] city of {x}
~ i am going to {x}, what is its capital called
~ for the country {x}, name the capital city
~ and the capital of {x} would be
~ which city has {x} as its capital
""",
    "country": """
{y} is the capital of [which|what] country
[which|what] country [has|is] {y} as [its|the] capital
[of which|of what|which|what] country is {y} the capital [of|]
[what|which] country's capital is {y}
[which|what] country has the capital {y}
{y} is the capital of [what|where|which]
{y} is [what|which] country's capital
[name|tell me] the country whose capital is {y}
[whose|what] capital is {y}
~ the capital is called {y}: what country is that
~ for which country is {y} the capital city
~ {y}: the capital of which country
""",
    "opposite": """
[what is|what's|tell me|name|give me|say] the opposite of {x}
opposite of {x}
[what is|what's|tell me|give me] the [antonym|reverse] of {x}
[which|what] word [is the opposite of|means the opposite of|is opposite to] {x}
[what|which] is opposite to {x}
the opposite of [the word|] {x} is [what|]
[can|could] you [tell me|name] the opposite of {x}
give [me|] an [antonym|opposite] [of|for] {x}
not {x} but [what|]
what is the contrary of {x}
~ if something is not {x}, it is the opposite: what
~ i need a word that is the opposite of {x}
~ {x}: name the opposite word
""",
    "baby": """
what is [a|the] baby {x} called
what do you call [a|the] baby {x}
[what is|what's|tell me|give me] the [name|word] [of|for] [a|the] baby {x}
[name|word] for [a|] baby {x}
[a|the] baby {x} is called [what|a what|]
what is the [baby|young|child] of a {x} [called|]
how do you call a baby {x}
what [is|do you call] a young {x} [called|]
[what|which] word [is there|do we use] for a baby {x}
~ when a {x} is a baby, what is its name
~ i saw a baby {x}, what do people call it
~ the baby of the {x}: what is it called
""",
    "sound": """
what [sound|noise] does [a|the] {x} make
what does [a|the] {x} say
[which|what] [sound|noise] [does|do] [a|the] {x} make
how does [a|the] {x} [sound|go]
[sound|noise] of [a|the] {x}
what is the [sound|noise] of [a|the] {x}
[a|the] {x} says [what|]
~ when a {x} makes a sound, what is it
~ the sound that a {x} makes
""",
    "colour": """
what [color|colour] is [the|a|] {x}
what [color|colour] [does|has] [the|a|] {x} [have|]
which [color|colour] is [the|a|] {x}
[what is|what's|tell me|name|] the [color|colour] of [the|a|] {x}
{x}: what [color|colour]
[which|what] [color|colour] does [the|a|] {x} have
~ when i paint a {x}, which color do i need
~ the {x} has which color
""",
    "translate": """
[how do you say|how do i say|how would you say|how to say|say] {q} in {l}
[what is|what's] {q} in {l}
[what is|what's|tell me|give me] the {l} word for {q}
translate {q} [into|to|in] {l}
[what is|what's|tell me|give me] the {l} [translation|] [of|for] {q}
{q} in {l}
[can|could] you translate {q} [into|to] {l} [for me|]
[which|what] {l} word means {q}
{l} [word|] for {q}
translate [the word|] {q} [into|to] {l}
[what|how] is {q} called in {l}
~ i am learning {l}, how do i say {q}
~ in {l}, {q} is called what
~ the word {q}: what is it in {l}
""",
    "next": """
what [day|month] comes after {x}
[which|what] {k} [follows|is after|comes after|is next after] {x}
what [comes|is] after {x}
[what is|what's|tell me|name] the [next|] {k} after {x}
the {k} after {x}
what {k} comes next after {x}
~ {x} is over, which {k} is next
~ after {x} we have which {k}
""",
    "before": """
what [day|month] comes before {x}
[which|what] {k} [is before|comes before|precedes] {x}
what [comes|is] before {x}
[what is|what's|tell me|name] the {k} before {x}
the {k} before {x}
what {k} comes right before {x}
~ which {k} did we have before {x}
~ before {x} there is which {k}
""",
}


def facts(rng: Random, split: str) -> Answer:
    kind = rng.choice(
        (
            "capital",
            "capital",
            "country",
            "opposite",
            "baby",
            "sound",
            "colour",
            "translate",
            "translate",
            "next",
            "before",
        )
    )
    if kind in ("capital", "country"):
        x, y = rng.choice(list(words.CAPITALS.items()))
        text = wording(rng, FACTS[kind], split, x=x, y=y)
        if kind == "capital":
            finals, line, value = (
                [f"The capital of {x} is {y}.", f"{y} is the capital of {x}."],
                f"Capital of {x}: {y}.",
                y,
            )
            steps = f"Question: a capital.\nCountry: {x}.\nCapital: {y}."
        else:
            finals, line, value = [f"{y} is the capital of {x}."], f"{y} is the capital of {x}.", x
            steps = f"Question: a country.\nCapital: {y}.\nCountry: {x}."
    elif kind == "opposite":
        x, y = rng.choice(list(words.OPPOSITES.items()))
        if rng.random() < 0.5 and y not in words.OPPOSITES and y != "light":
            x, y = y, x
        q = rng.choice((x, x, f'"{x}"', f"'{x}'"))
        text = wording(rng, FACTS[kind], split, x=q)
        finals, line, value = [f'The opposite of "{x}" is "{y}".'], f"Opposite of {x}: {y}.", y
        steps = f"Question: an opposite.\nWord: {x}.\nOpposite: {y}."
    elif kind in ("baby", "sound", "colour"):
        table = {"baby": words.BABY_ANIMALS, "sound": words.SOUNDS, "colour": words.COLOURS}[kind]
        x, y = rng.choice(list(table.items()))
        text = wording(rng, FACTS[kind], split, x=x)
        an = "an" if y[0] in "aeiou" else "a"
        if kind == "baby":
            finals, name = [f"A baby {x} is called {an} {y}."], "name of a baby animal"
        elif kind == "sound":
            finals, name = [f"The sound of the {x} is {y}."], "sound of an animal"
        else:
            finals, name = [f"The color of {x} is {y}."], "color"
        line, value = f"{name[:1].upper() + name[1:]}, {x}: {y}.", y
        steps = f"Question: the {name}.\nWord: {x}.\nAnswer: {y}."
    elif kind == "translate":
        x = rng.choice(list(words.TRANSLATIONS))
        language = rng.choice(("Spanish", "French", "German"))
        y = words.TRANSLATIONS[x][language]
        q = rng.choice((x, x, f'"{x}"', f"'{x}'"))
        text = wording(rng, FACTS[kind], split, q=q, l=language)
        finals, line, value = [f'"{x}" is "{y}" in {language}.'], f"{x} in {language}: {y}.", y
        steps = f"Question: a translation.\nWord: {x}.\nLanguage: {language}.\nTranslation: {y}."
    else:
        table, k = rng.choice(((words.DAYS, "day"), (words.MONTHS, "month")))
        i = rng.randrange(len(table))
        x, y = table[i], table[(i + (1 if kind == "next" else -1)) % len(table)]
        text = wording(rng, FACTS[kind].replace("[day|month]", k), split, x=x, k=k)
        where = "after" if kind == "next" else "before"
        finals, line, value = [f"{y} comes {where} {x}."], f"The {k} {where} {x}: {y}.", y
        steps = f"Question: the {k} {where} {x}.\nAnswer: {y}."
    return Answer(text, finals, line, steps, value)
