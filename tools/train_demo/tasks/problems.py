# ruff: noqa: E501 - wordings are data and stay on one line
"""Word problems with one operation."""

from __future__ import annotations

from random import Random

import words
from wording import expand, wording

from tasks.base import Answer
from tasks.numbers import columns_add, columns_sub

# {n} hero, {p} pronoun, {P} capitalised pronoun, {f} friend, {t} things, {a} {b} numbers
GAIN = """
{n} [owns|possesses|keeps|starts with|already has|begins with] {a} {t}. {P} [then|later|] [gets|buys|finds|receives|wins|collects|picks up|is handed|discovers|adds] [another|a further|an extra|] {b}[ more|]. {ask}
[my|our|her|his|the] [mother|father|sister|brother|aunt|uncle|teacher|neighbor|friend|boss|grandma|grandpa|mum|dad] has {a} {t} and [gets|buys|finds|receives|makes|bakes|orders] {b} more. how many [{t}|] [now|in total|altogether|is that|are there]
i [have|had|own] {a} {t} and [get|got|buy|bought|find|found] {b} more. how many [{t}|] do i have [now|in total|altogether|]
[we|you|they] [have|had] {a} {t} and [get|buy|find|are given] {b} more. how many [{t}|] [now|in total|altogether|is that]
[a|the] [shop|farmer|baker|school|library|box|basket|jar|bag|shelf|drawer] has {a} {t}. [today|then|later] {b} more [come|arrive|are added|are put in|are delivered]. how many [{t}|] [are there|now|in total|are in it]
{a} {t} [lie|are|sit] [in|on] the [box|table|shelf|bag|floor]. {n} [puts|adds|lays] {b} more [there|to them|in]. how many {t} [are there|now|in total]
{n}: {a} {t}. {f}: {b} {t}. [together|total|in total|how many together|sum]
{a} {t} [plus|and] {b} {t}. [how many|total|how many in total]
{n} [ate|sold|read|saw|counted|made|baked|picked] {a} {t} [on monday|in the morning|yesterday|first] and {b} [on tuesday|in the evening|today|later]. how many [{t}|] [in total|altogether|is that|were there|did {p} have]
on one [table|shelf|side] there are {a} {t}, on the other [one|] {b}. how many {t} [are there|in total|altogether]
how many {t} does {n} have [if|when] {p} has {a} and [gets|buys|finds|is given] {b} [more|extra|on top]
[suppose|say|imagine] {n} has {a} {t} and {f} [gives|hands|lends|brings] {o} {b}. {ask}
{n} [saves|saved|needs] {a} {t} and [later|then] {b} more [{t}|]. what is the total
[there are|a class has] {a} [boys|girls|red {t}|big {t}] and {b} [girls|boys|blue {t}|small {t}]. how many [in total|altogether|are there together|are there in all]
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
[yesterday|on monday|last week|at first] {n} had {a} {t}. [today|on tuesday|this week|now] {p} [got|found|bought] {b} more. {ask}
[today|yesterday|first] {n} [finds|found|buys|bought|collects] {a} {t} and [later|then] {b} more. {ask}
{f} [brings|brought|gives|hands] {n} {b} {t}. {n} [already|] had {a}. {ask}
{n} [counts|sees|finds] {a} {t} [here|in a box|on the table] and {b} [there|in a bag|on a shelf]. how many {t} [are there|is that] [in total|together|in all|altogether]
{n} [keeps|holds|carries] {a} {t}. after {f} gives {o} {b} more, {ask}
[with|having] {a} {t} already, {n} [buys|gets|finds] {b} more. {ask}
{n} [bought|picked|made] {a} {t} and {f} [bought|picked|made] {b}. how many {t} [are there|do they have|is it] [in total|together|in all|altogether]
~ {n} owns {a} {t} and then {f} brings {o} {b} more. {ask}
~ in the morning {n} had {a} {t}, and in the evening {p} found {b} more. {ask}
~ {n} starts with {a} {t}. after {p} gets {b} more {t}, how many does {p} have
~ {n} collected {a} {t} and {f} collected {b}. how many {t} is that together
"""
LOSS = """
{n} [owns|possesses|keeps|starts with|begins with|bakes|buys] {a} {t}. {P} [then|later|] [loses|sells|eats|gives away|drops|breaks|uses|donates|lends|mails|forgets] {b}[ of them|]. {ask}
[my|our|her|his|the] [mother|father|sister|brother|aunt|uncle|teacher|neighbor|friend|boss|grandma|grandpa|mum|dad] has {a} {t} and [loses|sells|eats|gives away|uses|donates] {b}. how many [{t}|] [are left|remain|are still there]
i [have|had|own] {a} {t} and [lose|lost|sell|sold|eat|ate|use|give away] {b}. how many [{t}|] do i [still|] have [left|now]
[we|you|they] [have|had] {a} {t} and [lose|sell|eat|use|give away] {b}. how many [{t}|] [are left|remain|now]
[a|the] [shop|farmer|baker|school|library|box|basket|jar|bag|shelf|drawer] has {a} {t}. {b} [are sold|are taken out|are eaten|break|are removed|go missing|are lent]. how many [{t}|] [are left|remain|are still there]
{a} {t} [lie|are|sit] [in|on] the [box|table|shelf|bag|floor]. {n} [takes|removes|eats|grabs] {b}[ of them|]. how many [{t}|] [are left|remain|stay]
how many {t} are left [if|when] {n} has {a} and [loses|sells|eats|gives away|uses] {b}
how many {t} does {n} [still have|keep] [if|when] {p} [had|has] {a} and {f} [takes|gets|steals] {b}
[suppose|say|imagine] {n} has {a} {t} and [gives|hands|lends] {f} {b}. {ask}
{n} [had|has] {a} {t}, [but|now] {b} [are|were] [gone|lost|broken|eaten|stolen|sold]. {ask}
{n} [needs|wants] {a} {t} and [has|found|got] [only|already|] {b}. how many [more|more {t}|{t} are missing|are missing|does {p} still need]
{a} {t} [minus|without|less] {b} {t}. how many [are left|remain|]
{n} has {a} {t}, {f} has {b}. how many more does {n} have
[a book has|there are] {a} [pages|{t}] and {n} [has read|has used|has taken] {b}. how many [are left|remain|are still there]
{b} of {a} {t} are [gone|sold|broken|eaten|missing|taken]. how many [are left|remain]
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
[yesterday|on monday|last week|at first] {n} had {a} {t}. [today|on tuesday|this week|now] {p} [lost|sold|ate|gave away] {b} [of them|]. {ask}
[out of|of] {n}'s {a} {t}, {b} [are|were] [lost|sold|eaten|broken|stolen]. {ask}
{b} of {n}'s {a} {t} [are|were] [lost|sold|eaten|broken|stolen|gone]. {ask}
{n} [keeps|holds|carries] {a} {t} and [loses|drops|sells] {b}. {ask}
[after|when] {n} [loses|sells|eats|gives away] {b} of {h} {a} {t}, how many [{t}|] are left
{n} [bought|picked|made] {a} {t}. {b} of them [are|were] [eaten|sold|broken|lost]. {ask}
{f} [takes|took|steals|borrows] {b} of the {a} {t} [of {n}|that {n} has]. {ask}
~ {n} owns {a} {t}. after {p} loses {b} of them, how many {t} are left
~ in the morning {n} had {a} {t}, but in the evening {b} were gone. {ask}
~ {n} starts with {a} {t} and gives {f} {b} of them. how many {t} remain
~ {b} of the {a} {t} that {n} had were lost. how many are left
"""
EACH = """
{a} [boxes|bags|baskets|packs|jars|shelves|rows|tables|cars|plates], {b} {t} [each|in each|per box|apiece]. [how many|how many in total|total|how many {t}]
{a} [rows|boxes|bags|shelves|plates|jars|tables] of {b} {t} [are|make] how many {t}
[my|our|the] [mother|teacher|aunt|uncle|neighbor|boss|grandma] has {a} [boxes|bags|jars|packs] with {b} {t} each. how many [{t}|] [in total|altogether|are there|is that]
i [have|buy|fill|carry] {a} [boxes|bags|jars|packs] with {b} {t} [each|in each]. how many [{t}|] [in total|altogether|do i have|is that]
one [box|bag|jar|pack] [has|holds|contains] {b} {t}. how many [{t}|] [are in|do] {a} [boxes|bags|jars|packs] [hold|have|]
[if|when] [each|every|one] [box|bag|child|friend|table] has {b} {t}, how many [{t}|] [are in|do|have] {a} [boxes|bags|children|friends|tables] [have|]
{n} [reads|eats|sells|makes|needs|collects] {b} {t} [a|every|each|per] day. how many [{t}|] [in|after] {a} days
{n} gives {b} {t} to each of {a} [friends|kids|children]. how many [{t}|] [does {p} give|is that|does {p} need] [in total|]
one of the {t} costs {b} [dollars|euros|cents]. [what|how much] do {a} [{t}|of them] cost
{n} has {a} [boxes|bags|baskets] with {b} {t} each. how many {t} [does {p} have|are there|is that] [in total|in all|altogether|together|]
[there are|{n} has] {a} [boxes|bags|baskets|shelves] [and each has|each with|with] {b} {t}[ each|]. how many {t} [are there|is that] [in total|in all|altogether|]
{n} buys {a} [boxes|bags|packs] of {b} {t}. how many {t} [does {p} have|are there|is that] [in total|in all|altogether|]
each of {a} [friends|children|kids] [has|gets] {b} {t}. how many {t} [is that|are there] [in total|in all|altogether|]
[each|every] [box|bag|basket] holds {b} {t}. how many {t} are in {a} [boxes|bags|baskets]
{n} [packs|makes|takes|carries] {a} [boxes|bags|baskets] with {b} {t} [in each|each]. how many {t} [are there|is that] [in total|in all|altogether|together|]
in each of {a} [boxes|bags|baskets] [there are|are] {b} {t}. how many {t} [are there|is that] [in total|in all|altogether|together|]
{a} [friends|children|kids] [bring|get|hold|buy] {b} {t} each. how many {t} [are there|is that|do they have] [in total|in all|altogether|]
{b} {t} [are|go|lie] in [each|every] [box|bag|basket], and there are {a} [boxes|bags|baskets]. how many {t} [are there|is that] [in total|in all|altogether|together|]
~ {n} fills {a} boxes. each box gets {b} {t}. how many {t} are there in all
~ {a} children each have {b} {t}. how many {t} do they have together
"""
SHARE = """
{a} {t}, {b} [friends|children|kids|people|players|boxes|bags|plates]. how many [{t}|] [each|for each|per person|does each get|per head]
[share|split|divide|distribute] {a} {t} [equally|evenly|fairly|] [among|between|over] {b} [friends|children|kids|people|boxes|bags]. how many [each|for each|does each get|per box|in each]
[my|our|the] [mother|teacher|aunt|uncle|neighbor|grandma] [has|gives|splits|shares] {a} {t} [equally|evenly|] [among|between|for|with] {b} [kids|children|friends|people]. how many [{t}|] [does each get|for each|each]
i [have|share|split] {a} {t} [equally|evenly|] [among|between|for] {b} [friends|kids|people]. how many [{t}|] [does each get|for each|each]
how many {t} does each of {b} [friends|children|kids|people] get [if|when] {a} [{t}|] are [shared|split|divided] [equally|evenly|fairly|]
{a} {t} [go|are put|are packed|fit] [equally|evenly|] into {b} [boxes|bags|baskets|jars|rows]. how many [{t}|] [per|in each|in every|in one] [box|bag|one|]
{b} [friends|children|kids|people] [split|share|divide] {a} {t} [equally|evenly|]. [what|how many] does [each|everyone|one of them] get
{n} [has|had] {a} {t} and [shares|splits|divides] them [equally|evenly|fairly|] [among|between|with] {b} [friends|children|kids]. how many [{t}|] does each [get|friend get|child get|one get]
{n} [shares|splits|divides] {a} {t} [equally|evenly|] [among|between] {b} [friends|children|kids]. how many [{t}|] does each [get|one get]
{a} {t} are [shared|split|divided] [equally|evenly|] [among|between] {b} [friends|children|kids]. how many [{t}|] does each [get|child get|one get]
{n} puts {a} {t} [equally|evenly|] into {b} [boxes|bags|baskets]. how many [{t}|] are in each [box|bag|basket|one]
[if|when] {b} [friends|children|kids] share {a} {t}[ equally|], how many [{t}|] does each [get|one get]
{b} [friends|children|kids] [have|get|find|buy] {a} {t} and share them [equally|evenly|fairly]. how many [{t}|] does each [get|one get|have]
there are {a} {t} for {b} [friends|children|kids]. how many [{t}|] does each [get|one get]
{n} has {a} {t} for {b} [friends|children|kids], [each gets the same|all get the same number]. how many [{t}|] does each [get|one get]
{n} [wants|needs] to [share|split|divide] {a} {t} [among|between] {b} [friends|children|kids]. how many [for each|does each get]
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
    known = rng.random() < 0.85
    things = rng.choice(words.THINGS if known else words.rare())
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
        [f"{a} {op} {b} = {value}, so {value} {things}.", f"The answer is {value} {things}."]
        if known
        else [f"{a} {op} {b} = {value}.", f"The answer is {value}."],
        f"{why}: {a} {op} {b}. {trail}. So {value}.",
        f"Kind of problem: {why.lower()}.\nNumbers: {a} and {b}.\nStep: {a} {op} {b}.\nWork: {trail}.\nResult: {value}.",
        str(value),
    )
