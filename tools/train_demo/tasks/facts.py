"""Capitals, opposites, translations and other small facts."""

from __future__ import annotations

from random import Random

import words
from wording import wording

from tasks.base import Answer

FACTS = {
    "capital": """
= the capital [city|] of {x}
= {x}'s capital [city|]
= the [name of the|] capital [of|in] {x}
= the [city|place] [that|which] is the capital of {x}
! name the capital [city|] of {x}
% what the capital [city|] of {x} is [called|named|]
% what {x}'s capital is
% which city is the capital of {x}
% which capital {x} has
capital {x}
{x}, capital
{x}, [which|what] is the capital
[where|in which city] is the [government|parliament|capital] of {x}
which city governs {x}
[i|we] [travel|fly|move|go] to {x} [soon|next week|tomorrow|]. [what is|what's] the capital [there|]
if [i|you] [visit|go to] {x}, [what|which city] is the capital
{x} is [run|ruled|governed] from [which|what] [capital|city]
the capital of {x}, [is it|what is it|please|where]
what city do [they|people] call the capital in {x}
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
= the country [whose|with the] capital [is|] {y}
= the country that {y} is the capital of
= the [land|nation|state] with {y} as its capital
! name the country [whose capital is|with the capital|that has as its capital] {y}
% which country has {y} as [its|the] capital
% which country's capital is {y}
% whose capital {y} is
% of which country {y} is the capital
{y} is the capital of
{y} is whose capital
{y}, [capital of what|the capital of which country|which country|of which land is it the capital]
[which|what] [nation|land|state|country] [calls|has] {y} [its|as its|as] capital
[which|what] country is [governed|run|ruled] from {y}
capital {y}, [which|what] country
in [which|what] country is {y} the capital
i am in {y}, the capital of [which|what] country
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
= the [opposite|antonym|contrary|reverse] of [the word|] {x}
= the word [that is|] opposite [to|of] {x}
= [an|the] antonym [of|for|to] {x}
= a word [that means|meaning] the opposite of {x}
! name [the|an|one] [opposite|antonym] [of|for] {x}
% what the opposite of {x} is
% [which|what] word is the opposite of {x}
% what is opposite to {x}
{x}, opposite
antonym {x}
antonym [of|for|:] {x}
opposite: {x}
what is [someone|something|a thing] that is not {x}
the opposite of being {x} is [what|being what|]
{x} [vs|versus|or] what
[something|someone|it] [is|was] {x}. what is the opposite
[what|which word] would you use for the opposite of {x}
turn {x} into its opposite
if it is not {x}, [what is it|then it is]
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
= the [name|word|term] for [a|the] [baby|young|little] {x}
= the [name|word] for [the|a] [baby|child|young|offspring] of [a|the] {x}
! name [a|the] baby {x}
% what [a|the] [baby|young] {x} is called
% what [people|we|you] call [a|the] [baby|young] {x}
% how [a|the] [baby|young] {x} is called
baby {x}
baby {x}, [name|what is it called|called what|what's the word]
{x} baby [name|]
[the|a] [young|offspring|child|little one] of [a|the] {x} is [a|called a|known as]
what name does a [young|baby] {x} [have|get|go by]
a [mother|] {x} has [what|which] babies
what is a {x} called when it is [young|a baby|small|just born]
a newborn {x} is [a|called]
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
= the [sound|noise|call|cry] of [a|the] {x}
= the [sound|noise] [a|the] {x} makes
= the [sound|noise] [that|which] comes from a {x}
! [name|imitate|do|make|write] the [sound|noise] of a {x}
% what [sound|noise] [a|the] {x} makes
% what [a|the] {x} says
% how [a|the] {x} [sounds|goes]
{x} sound
{x} noise
the {x} goes [what|...|]
the {x} on the farm says
what do {x}s say
[imagine|suppose|pretend] you are a {x}. what do you say
what can you hear [from|when there is] a {x}
in a [children's|kids'] book, what does the {x} say
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
= the [color|colour] of [a|the|] {x}
= the [usual|typical|normal|] [color|colour] [that|] [a|the|] {x} has
! name the [usual|] [color|colour] of [a|the|] {x}
% what [color|colour] [a|the|] {x} [is|has]
% which [color|colour] [a|the|] {x} [is|has]
color of {x}
{x} color
{x}, [color|colour|what color|which colour]
in [what|which] [color|colour] [do you|should i|do we] [paint|draw] [a|the|] {x}
[what|which] [crayon|pencil|paint] [do i take|do i need] for [a|the|] {x}
what [color|colour] [do you think of|comes to mind] when you [see|think of] [a|the|] {x}
[a|the|] {x} is usually [what|which] [color|colour]
of [what|which] [color|colour] is [a|the|] {x}
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
= the {l} [word|term|name|translation] [for|of] {q}
= {q} in {l}
= the translation of {q} [into|in|to] {l}
= the {l} for {q}
! translate [the word|] {q} [into|to|in] {l}
! say [the word|] {q} in {l}
! [turn|put|change] [the word|] {q} into {l}
% what {q} is in {l}
% how [to say|you say|people say|one says] {q} in {l}
% what the {l} word for {q} is
{q}, in {l}
{q} {l}
{q} into {l}
{l}: {q}
{q} > {l}
{l} [translation|] for {q}
[they|people] [speak|talk] {l} [there|here]. how do [they|people] say {q}
a {l} [speaker|person|friend] [says|calls] {q} how
i am [in a|at a|in] {l} [class|lesson|course]. [what is|how do i say] {q}
[my|the] {l} [homework|vocabulary|test] [asks|needs|has] [the word|] {q}
from English to {l}: {q}
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
= the {k} [after|following|that follows|right after|directly after] {x}
= the next {k} after {x}
! name the {k} [after|following|that follows] {x}
% which {k} [follows|comes after|is after] {x}
% what comes after {x}
{x}, then [what|which {k}]
after {x} comes [what|which {k}|]
{x} is followed by [what|which {k}]
[today|it] is {x}. [which|what] {k} is [next|it next]
[what|which {k}] [do we have|have we] after {x}
next {k} after {x}
{k} after {x}
{x} ends, [which|what] {k} [begins|starts]
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
= the {k} [before|preceding|that precedes|right before|directly before|just before] {x}
= the previous {k} before {x}
! name the {k} [before|preceding|right before] {x}
% which {k} [precedes|comes before|is before] {x}
% what comes before {x}
before {x} comes [what|which {k}|]
{x} comes after [which|what] {k}
{x} follows [which|what] {k}
[what|which {k}] [do we have|have we] before {x}
{k} before {x}
{x}, and before that
what is one {k} before {x}
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
