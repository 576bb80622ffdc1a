"""Capitals, opposites, translations and other small facts."""

from __future__ import annotations

from random import Random

import words
from wording import wording

from tasks.base import Answer

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
[i am|we are|my friend is] in {x}, [what is|what is called|which city is] the capital
the country {x} has which [capital|capital city]
[for|of|in] {x}, [name|tell me|what is] the capital [city|]
[which|what] city is the capital of {x}
{x}: [capital|the capital|name the capital|which capital]
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
{y} is the capital [city|] of [what|which country|which]
[which|what] country [is that|does it belong to|has it]: the capital is {y}
[the capital|a capital|the capital city] [is|named|called] {y}, [which|what] country is it
{y}: [capital of which country|which country|capital of what|name the country]
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
[not|never] {x} but [what|the opposite]
{x} and its opposite: [what is it|what]
[i|we] [want|need] the opposite [of|for] {x}
{x}: [opposite|the opposite|what is the opposite|which word is the opposite]
[which|what] [is|word is] the opposite of {x}
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
[i|we] [see|have] a [young|baby|little] {x}, [what is it called|how is it called|what do i call it]
a {x} has a [baby|child], [what is it called|what is its name]
{x}: [name of the baby|the baby|what is the baby called|name the baby]
[the|a] [young|baby|little] {x} is called [what|how]
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
[i|we] [hear|have] a {x}, [what sound is it|what does it say|which sound does it make]
{x}: [sound|which sound|what sound|the sound]
[the|a] {x} [says|makes] [what|which sound]
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
[i|we] [see|have|draw] a {x}, [which|what] color is it
{x}: [color|which color|what color|the color]
[the|a] {x} is [which|what] color
[tell me|name|say] the color of [a|the|] {x}
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
[i|we] [want|need] the {l} word [for|of] {q}
{q}: [what is it|how is it called|translate it] in {l}
[for|the word] {q}, [what is|tell me|give me] the {l} word
[my friend|my teacher] speaks {l}, [how do i say|what is] {q}
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
