# ruff: noqa: E501 - wordings are data and stay on one line
"""Arithmetic up to 999, digit by digit, as children learn it."""

from __future__ import annotations

from random import Random

import words
from wording import wording

from tasks.base import Answer

PLACES = ("Ones", "Tens", "Hundreds")
AT_ONCE = 99  # larger numbers are worked out, or declined at low effort


def size(rng: Random) -> int:
    """Draw a number with one to three digits, three digits most often."""
    return rng.randint(0, rng.choice((9, 20, 99, 99, 999, 999, 999)))


def spoken(rng: Random, *numbers: int) -> list[str]:
    """Write numbers as they are asked for: small ones rarely as words."""
    if rng.random() < 0.06:
        return [words.SPOKEN[n] if n < len(words.SPOKEN) else str(n) for n in numbers]
    return [str(n) for n in numbers]


def digits(n: int) -> list[int]:
    """Digits from the right."""
    return [int(d) for d in reversed(str(n))]


def said(rng: Random, expression: str, value: str) -> list[str]:
    """Ways to state a result; the first is the usual one."""
    return [f"{expression} = {value}.", f"The answer is {value}.", f"That makes {value}."]


def columns_add(a: int, b: int) -> tuple[str, str]:
    """Add in columns: a short line and full steps."""
    da, db = digits(a), digits(b)
    carry, short, full = 0, [], []
    for i in range(max(len(da), len(db))):
        x, y = (d[i] if i < len(d) else 0 for d in (da, db))
        total = x + y + carry
        term = f"{x} + {y}" + (f" + {carry}" if carry else "") + f" = {total}"
        short.append(term)
        carry = total // 10
        tail = f", write {total % 10}" + (f", carry {carry}" if carry else "")
        full.append(f"{PLACES[i]}: {term}{tail}.")
    return ", ".join(short), "\n".join(full)


def columns_sub(a: int, b: int) -> tuple[str, str]:
    """Subtract b <= a in columns, borrowing where needed."""
    da, db = digits(a), digits(b)
    borrow, short, full = 0, [], []
    for i in range(len(da)):
        x, y = da[i], db[i] if i < len(db) else 0
        need = y + borrow
        take = x < need
        top = x + 10 if take else x
        term = f"{top} - {y}" + (" - 1" if borrow else "") + f" = {top - need}"
        short.append(term)
        full.append(f"{PLACES[i]}: {term}" + (", borrow 1." if take else "."))
        borrow = int(take)
    return ", ".join(short), "\n".join(full)


def columns_mul(a: int, b: int) -> tuple[str, str]:
    """Multiply a by the one-digit number b in columns."""
    carry, short, full = 0, [], []
    for i, x in enumerate(digits(a)):
        total = x * b + carry
        term = f"{x} * {b} = {x * b}" + (f", {x * b} + {carry} = {total}" if carry else "")
        short.append(term)
        carry = total // 10
        full.append(f"{PLACES[i]}: {term}, write {total % 10}" + (f", carry {carry}." if carry else "."))
    return ", ".join(short), "\n".join(full)


def long_division(a: int, b: int) -> tuple[str, str]:
    """Divide by a one-digit number: bring down a digit, divide, keep the rest."""
    rest, short, full = 0, [], []
    for d in reversed(digits(a)):
        part = 10 * rest + d
        q, rest = divmod(part, b)
        short.append(f"{part} / {b} = {q} rest {rest}")
        full.append(f"Bring down {d}: {part} / {b} = {q} rest {rest}.")
    return ", ".join(short), "\n".join(full)


def by_digits(a: int, b: int) -> tuple[str, str]:
    """Compare two different numbers by their number of digits, then digit by digit from the left."""
    if len(str(a)) != len(str(b)):
        n, m = len(str(a)), len(str(b))
        return f"{n} {'>' if n > m else '<'} {m} digits", ""
    short, full = [], []
    for i in reversed(range(len(str(a)))):
        x, y = digits(a)[i], digits(b)[i]
        term = f"{x} {'=' if x == y else '>' if x > y else '<'} {y}"
        short.append(term)
        full.append(f"{PLACES[i]}: {term}.\n")
        if x != y:
            break
    return ", ".join(short), "".join(full)


ADD = """
= the [sum|total] [of|from adding] {a} [and|plus|+] {b}
= {a} [+|plus] {b}
= [the sum|the total|what you get] when {b} is added to {a}
= the number that is {b} [more|greater|larger] than {a}
! [add|add up|sum|sum up|total|combine] {a} and {b}
! [add|put] {b} [to|onto|on top of] {a}
! [calculate|compute|work out|solve|evaluate|do the sum] {a} [+|plus] {b}
! count {b} [up|on|forward|further] from {a}
% [what|how much] {a} [plus|+|and] {b} [is|makes|equals|gives|comes to]
% how much {a} and {b} [are|make|is] [together|in total|combined|added up|altogether]
a total of {a} and {b}
raise {a} by {b}
increase {a} by {b}
from {a}, go up by {b}
{a} and another {b}, [what does that make|how much is that|what is the total|total]
{a} [+|plus] {b}, [what is it|how much|what does it make|result|go|your answer]
{b} [more|larger|greater] than {a} [is what|is how much|]
if [you|i|we] [have|hold] {a} and [get|receive|add|put in] {b} [more|extra], how [many|much] [is that|in total|do i have|do we have|]
sum {a} {b}
plus: {a}, {b}
add {a} {b}
addition: {a} and {b}
{a} with {b} added
[the numbers|we have|take] {a} and {b}: [add them|sum them|what is the sum|their sum|total]
{a} + {b}
{a} + {b} =
{a} [+|plus] {b} [is|equals|makes] [what|]
{a}+{b}
[what is|what's|calculate|compute|work out|find|evaluate|solve|tell me|do] {a} + {b}
[what is|what's|calculate|compute|work out|find|how much is|figure out] {a} plus {b}
[how much is|how much are|what are|how many is] {a} [+|and|plus] {b} [together|]
[what is|what's|find|give me|tell me|calculate|compute|work out|] the [sum|total] of {a} and {b}
[add|sum|add up|total|sum up] {a} and {b} [together|]
add {b} to {a}
add the [numbers|two numbers|values] {a} and {b}
what do [you|i|we] get [if|when] [you|i|we] add {a} and {b} [together|]
[can|could|would] you [add|sum|add up] {a} and {b} [for me|]
what does {a} [+|plus] {b} [equal|make|come to|give]
[if|when] [i|we|you] add {b} to {a}, what [do i get|is the result|comes out|do we have]
{a} and {b} together make [what|how much]
what is {a} and {b} [added|put] together
what is {a} increased by {b}
[start with|take|begin with] {a} and add {b}
what number is {b} more than {a}
the sum of {a} and {b} is [what|]
[result|answer] of {a} + {b}
i need [the sum of|to add] {a} and {b}
{a} added to {b} [is what|makes what|gives]
~ take {a}, then add {b}: what is it now
~ put {a} and {b} together, what is the total
~ my homework says {a} plus {b}, what should i write
~ how large is the sum when {a} is added to {b}
~ i would like to see what {a} + {b} adds up to
"""


def add(rng: Random, split: str, a: int | None = None, b: int | None = None) -> Answer:
    a, b = size(rng) if a is None else a, size(rng) if b is None else b
    short, full = columns_add(a, b)
    x, y = spoken(rng, a, b)
    return Answer(
        wording(rng, ADD, split, a=x, b=y),
        said(rng, f"{a} + {b}", str(a + b)),
        f"Add {a} and {b}: {short}. So {a + b}.",
        f"I add {a} and {b} digit by digit.\n{full}\nThe sum is {a + b}.",
        str(a + b),
        at_once=max(a, b) <= AT_ONCE,
    )


SUB = """
= the difference [of|between] {a} and {b}
= {a} [-|minus|less|take away] {b}
= [what remains|what is left|the rest|the remainder] when {b} is [taken from|taken off|subtracted from|removed from] {a}
= the number that is {b} [less|smaller] than {a}
! [subtract|take|take away|deduct|remove] {b} from {a}
! [calculate|compute|work out|solve|evaluate] {a} [-|minus] {b}
! [lower|reduce|decrease|bring down|cut] {a} by {b}
! count {b} [down|back|backwards] from {a}
% [what|how much] {a} [minus|-|less|take away] {b} [is|makes|equals|gives|leaves]
% how much [is left|remains|stays] of {a} [without|after taking] {b}
{a} less {b}
{a} without {b}
from {a}, go down by {b}
{b} [fewer|less] than {a} [is what|is how much|]
{a} [-|minus] {b}, [what is it|how much|what does it make|result|go|your answer|what remains]
if [you|i|we] [have|hold] {a} and [give|spend|lose|pay] {b}, how [many|much] [is left|remains|do i still have|do we have left|]
minus: {a}, {b}
subtract {b} out of {a}
subtraction: {a} and {b}
take the number {b} off {a}
{a} with {b} taken away
{a} - {b}
{a} - {b} =
{a}-{b}
{a} [-|minus] {b} [is|equals|makes] [what|]
[what is|what's|calculate|compute|work out|find|evaluate|solve|tell me|do] {a} - {b}
[what is|what's|calculate|compute|work out|find|how much is|figure out] {a} minus {b}
[subtract|take|take away|deduct] {b} from {a}
[what is|what's|find|give me|tell me|calculate|compute|work out|] the difference [between|of] {a} and {b}
what do [you|i|we] get [if|when] [you|i|we] [subtract|take] {b} from {a}
what is left [if|when] [you|i|we] [take|take away|subtract] {b} from {a}
[can|could|would] you [subtract|take away|take] {b} from {a} [for me|]
what does {a} [-|minus] {b} [equal|make|come to|give]
[if|when] [i|we|you] [subtract|take] {b} from {a}, what [do i get|is the result|is left|remains]
{a} take away {b}
what is {a} [decreased|reduced] by {b}
what is {b} less than {a}
[start with|take|begin with] {a} and [subtract|take away|remove] {b}
[result|answer] of {a} - {b}
how much [is left|remains] of {a} [after|when] {b} [is|are] [taken away|subtracted|removed]
i need to subtract {b} from {a}
= [the answer|the result|what remains] of {a} [minus|less|take away|-] {b}
= {b} [off|taken off|taken away from] {a}
= {a} [without|reduced by|lowered by|diminished by] {b}
= what [i|you|we] [have|get] [left|] after [taking|subtracting|removing] {b} from {a}
! [take|knock|cut|strike] {b} [off|off of|out of] {a}
! [take|start with|begin at|start at] {a} and [go|count|move|step] [back|down] {b}
! find the difference [between|of] {a} and {b}
! deduct {b} [from|out of] {a}
% how much {a} without {b} is
% what [is left|remains|stays] [if|when] [you|i|we] take {b} [from|off|out of] {a}
% what the difference between {a} and {b} is
{a} minus {b} please
{a} take {b}
{a} take off {b}
{a} subtract {b}
{a}, minus {b}
{b} from {a}
{b} off {a}
{b} out of {a} [leaves|leaves what|]
{b} [taken|subtracted|deducted] from {a} [is|is what|leaves|]
take {b} from {a}
[so|and|ok|now] {a} minus {b}
whats {a} minus {b}
what's {a} less {b}
how much is {a} [less|without|take away] {b}
how much is left [if|when] [i|you|we] take {b} from {a}
how [much|many] [is|are] {a} [without|less|minus] {b}
what is left of {a} [without|after] {b}
what's left if [i|you|we] take {b} [from|off|away from] {a}
what [do i have|have i|is] left of {a} [if|when] {b} [are|is] gone
[i have|you have|there are|we have] {a}, [i lose|{b} go away|minus|take away] {b}. [what is left|how much is left|how many are left]
[i|we] had {a} and [used|lost|spent|gave away|paid] {b}. [how much|what] is left
[i|she|he] [have|had] {a} euros and [pay|paid|spend|spent] {b}. how [much|many] [is left|are left]
my [friend|son|teacher|book] [says|asks|wants]: {a} minus {b}. [what is it|what is the answer|how much]
if {b} is taken [from|off|away from] {a}, what [is left|remains]
from {a} [take|subtract|remove|deduct] {b}
{a} - {b} [please|thanks|now|= what|= ?]
can you do {a} minus {b}
count back {b} from {a}
~ {b} is subtracted from {a}: what is the result now
~ my homework says {a} minus {b}, what should i write
~ take {a}, then subtract {b}: what is it now
~ which number is left when you take {b} away from {a}
~ i would like to see what {a} - {b} makes
~ from {a} i strike {b}, what stays
"""
# Only where nothing is owed: what lies between.
GAP = """
= the distance [from|between] {a} [to|and] {b}
% how much [more|larger|bigger] {a} is than {b}
from {a} to {b}, how [much|far|many] is it down
what is the gap between {a} and {b}
how far apart are {a} and {b}
how [much|many] more is {a} than {b}
how much [smaller|less|lower] is {b} than {a}
what is missing from {b} to {a}
{b} plus what [is|makes|gives] {a}
by how much is {a} [more|larger|greater] than {b}
how far is {a} [above|from] {b}
what must [i|you|we] add to {b} to [get|reach|make] {a}
~ i own {a} and hand over {b}: how much stays with me
"""


def sub(rng: Random, split: str, a: int | None = None, b: int | None = None) -> Answer:
    a, b = size(rng) if a is None else a, size(rng) if b is None else b
    if a < b and rng.random() < 0.7:
        a, b = b, a
    value = a - b
    if a >= b:
        short, full = columns_sub(a, b)
        line = f"Subtract {b} from {a}: {short}. So {value}."
        steps = f"I subtract {b} from {a} digit by digit.\n{full}\nThe difference is {value}."
    else:
        short, full = columns_sub(b, a)
        line = f"Subtract {b} from {a}: {a} is smaller, so negative. {short}. So {value}."
        steps = f"I subtract {b} from {a}. {a} is smaller, so the result is negative.\n{full}\nThe difference is {value}."
    x, y = spoken(rng, a, b)
    return Answer(
        wording(rng, SUB + (GAP if a >= b else ""), split, a=x, b=y),
        said(rng, f"{a} - {b}", str(value)),
        line,
        steps,
        str(value),
        at_once=max(a, b) <= AT_ONCE,
    )


MUL = """
= the product of {a} [and|with|times] {b}
= {a} [times|*|x|multiplied by] {b}
= the result of [multiplying|timesing] {a} [by|with|and] {b}
! multiply {a} [by|with|and|times] {b}
! [calculate|compute|work out|solve|evaluate] {a} [times|*|x] {b}
! take {a} {b} times
% [what|how much] {a} [times|multiplied by|x|*] {b} [is|makes|equals|gives|comes to]
% how much {b} [lots|groups|sets] of {a} [are|make]
{a} [lots|groups|sets] of {b} [is how many|are what|]
{a} [times|x] {b}, [what is it|how much|what does it make|result|go|your answer]
multiplication: {a} and {b}
times: {a}, {b}
{a} by {b} [multiplied|as a product]
[the numbers|we have|take] {a} and {b}: [multiply them|what is the product|their product]
[add|count] {a} {b} times
multiply {a} {b}
product {a} {b}
{b} times the number {a}
{a} * {b}
{a} [*|x|×|times] {b} [=|]
{a} [*|x|×|times] {b} [is|equals|makes] [what|]
{a}*{b}
[what is|what's|calculate|compute|work out|find|evaluate|solve|tell me|do] {a} [*|x|×] {b}
[what is|what's|calculate|compute|work out|find|how much is|figure out] {a} times {b}
[multiply|times] {a} [by|with|and|times] {b}
[what is|what's|find|give me|tell me|calculate|compute|work out|] the product of {a} and {b}
what do [you|i|we] get [if|when] [you|i|we] multiply {a} [by|with|and] {b}
[can|could|would] you multiply {a} [by|with|and] {b} [for me|]
what does {a} [*|times] {b} [equal|make|come to|give]
[if|when] [i|we|you] multiply {a} [by|with] {b}, what [do i get|is the result|comes out]
what is {a} multiplied by {b}
[result|answer] of {a} * {b}
how much is {a} multiplied [by|with] {b}
[take|start with] {a} and multiply [it|] by {b}
i need [the product of|to multiply] {a} and {b}
multiply the [numbers|two numbers|values] {a} and {b}
~ take {a}, then multiply by {b}: what is it now
~ my homework says {a} times {b}, what should i write
~ how large is the product when {a} is multiplied by {b}
~ i would like to see what {a} * {b} makes
"""


# Only where {b} is 2.
DOUBLE = """
= [twice|double] {a}
= the double of {a}
= {a} doubled
! double [the number|] {a}
% [what|how much] [twice|double] {a} is
two times {a}
{a} and {a} again
{a}, doubled
[what is|what's|how much is] [twice|double|two times|the double of] {a}
double {a}
[if|when] [i|you|we] double {a}, what [do i get|is it|comes out]
my friend has {a} and i have [twice|double] that. how many
~ twice as much as {a}
"""
HALF = """
= half of {a}
= [the half|one half|a half] of {a}
= {a} [halved|divided by two]
! halve [the number|] {a}
! [cut|split] {a} in half
% [what|how much] half of {a} is
half of {a}
half {a}
{a}, half of it
[what is|what's|how much is] [half|half of|the half of] {a}
[if|when] [i|you|we] halve {a}, what [do i get|is it|comes out]
[two|both] of us share {a}. how [many|much] each
~ only half as much as {a}
"""


def mul(rng: Random, split: str, a: int | None = None, b: int | None = None) -> Answer:
    given = a is not None and b is not None
    if given:
        pass
    elif rng.random() < 0.2:
        a, b = rng.randint(10, 12), rng.randint(10, 12)
    else:
        a, b = size(rng), rng.choice((0, 1, *range(2, 10), *range(2, 10)))
    value = a * b
    if b > 9:
        line = f"Multiply {a} by {b}: {a} * 10 = {a * 10}, {a} * {b - 10} = {a * (b - 10)}. So {value}."
        steps = f"I multiply {a} by {b} in two parts.\nTens: {a} * 10 = {a * 10}.\nOnes: {a} * {b - 10} = {a * (b - 10)}.\nThe product is {value}."
    else:
        short, full = columns_mul(a, b)
        line = f"Multiply {a} by {b}: {short}. So {value}."
        steps = f"I multiply {a} by {b} digit by digit.\n{full}\nThe product is {value}."
    x, y = (b, a) if rng.random() < 0.4 and not given else (a, b)
    doubled = y == 2 and rng.random() < 0.4
    text = wording(rng, DOUBLE if doubled else MUL, split, a=x, b=y)
    return Answer(
        text,
        said(rng, f"{x} * {y}", str(value)),
        line,
        steps,
        str(value),
        at_once=max(a, b) <= 12,
    )


DIV = """
= the [quotient|result] of {a} [and|divided by|over] {b}
= {a} [divided by|/|over|÷] {b}
= the result of dividing {a} by {b}
! divide {a} [by|into] {b}
! [calculate|compute|work out|solve|evaluate] {a} [divided by|/|÷] {b}
! [split|share|cut|break] {a} [into|in|by] {b} [equal|even] [parts|groups|shares|pieces]
% [what|how much] {a} [divided by|over|/|shared by|split by] {b} [is|makes|equals|gives]
% how [often|many times] {b} [fits|goes|is contained] [into|in] {a}
{a} over {b}
{a} [divided by|/] {b}, [what is it|how much|what does it make|result|go|your answer]
{a} [shared|split|divided] [by|among|between|into] {b}
{a} in {b} [equal|even] [parts|groups], how [much|many|big] is [each|one]
division: {a} by {b}
{b} goes into {a} how [often|many times]
divide {a} {b}
[how many|number of] {b}s [are|fit] in {a}
one [part|share] of {a} [cut|split|divided] into {b} [equal parts|]
{a} / {b}
{a} [/|÷|:] {b} [=|]
{a}/{b}
[what is|what's|calculate|compute|work out|find|evaluate|solve|tell me|do] {a} [/|÷] {b}
[what is|what's|calculate|compute|work out|find|how much is|figure out|] {a} divided by {b}
divide {a} by {b}
[what is|what's|find|give me|tell me|calculate|compute|work out|] the quotient of {a} and {b}
what do [you|i|we] get [if|when] [you|i|we] divide {a} by {b}
[can|could|would] you divide {a} by {b} [for me|]
what does {a} [/|divided by] {b} [equal|make|come to|give]
[if|when] [i|we|you] divide {a} by {b}, what [do i get|is the result|comes out]
[result|answer] of {a} / {b}
how many times does {b} [go|fit] into {a}
how often does {b} [go|fit] into {a}
[start with|take|begin with] {a} and divide [it|] by {b}
i need to divide {a} by {b}
split {a} into {b} equal parts
~ take {a}, then divide by {b}: what is it now
~ my homework says {a} divided by {b}, what should i write
~ {a} is divided by {b}: what is the result
~ i would like to see what {a} / {b} makes
"""


def div(rng: Random, split: str, a: int | None = None, b: int | None = None) -> Answer:
    if a is None or b is None:
        b = rng.randint(2, 9)
        a = rng.randint(1, 999 // b) * b if rng.random() < 0.6 else rng.randint(b, 999)
        if rng.random() < 0.4:
            a = rng.randint(1, 12) * b
    q, r = divmod(a, b)
    value = f"{q} remainder {r}" if r else str(q)
    short, full = long_division(a, b)
    return Answer(
        wording(rng, HALF if b == 2 and rng.random() < 0.4 else DIV, split, a=a, b=b),
        said(rng, f"{a} / {b}", value),
        f"Divide {a} by {b}: {short}. So {value}.",
        f"I divide {a} by {b} digit by digit.\n{full}\nThe quotient is {value}.",
        value,
        at_once=a <= AT_ONCE,
    )


WORK_IT_OUT = [
    "That needs some thinking. Ask me with medium or high effort.",
    "I cannot know that at once: ask me with medium or high effort.",
]


def needs_effort(rng: Random, split: str) -> Answer:
    """What has to be worked out, asked where no thinking is allowed."""
    while True:
        answer = rng.choice((add, sub, mul, div))(rng, split)
        if not answer.at_once:
            return Answer(answer.user, list(WORK_IT_OUT))


COMPARE = """
= the {w} [number|one|value|] [of|between|out of|among] {a} [and|or] {b}
= the {w} of {a} and {b}
= the {s} [number|one|value|] [of|in|among|out of] {a} and {b}
= the {s} of the two, {a} or {b}
= the {w} [number|one|] of [this|the] [pair|two]: {a} and {b}
= the number that is {m}, {a} or {b}
= the {w} [one|number] when [you|i] compare {a} [with|and|to] {b}
! [compare|look at] {a} [and|with] {b} and [say|tell me|name] the {w} [one|number]
! [choose|pick|select|take|circle|mark] the {w} [number|one|] from {a} and {b}
! [choose|pick|circle|underline|point at] the {s} [number|one|]: {a} or {b}
! decide which is {m}, {a} or {b}
! say which [one|number|] is {m}: {a} or {b}
! [find|give|write down] the {w} [number|one|] [of|in] [the pair|these two]: {a}, {b}
! compare [the numbers|] {a} and {b}, [i want|i need|give me] the {w} one
% [which|which one|which number] is {m}, {a} or {b}
% [whether|if] {a} or {b} is {m}
% which of {a} and {b} is {m}
% which [of the two|of these|one] is the {w} [one|number], {a} or {b}
% which is the {s}, {a} or {b}
% what is {m}, {a} or {b}
{a} [vs|versus|against|vs.] {b}, [which|what|which one] is {m}
{a} [and|,] {b}. [which|what] [one|number|] is {m}
{a} [and|or] {b}, {m}
{a} [or|/|,] {b} [{m}|{s}|which {m}]
{a} {b} which [is|one is|] {m}
{a} or {b}. {m} one please
{a} or {b}: [what's|which is|what is|who is|which number is] {m}
{a}... {b}... which [one|] is {m}
{m}: {a} or {b}
{m}, {a} or {b}
{s} [one|number|]: {a}, {b}
{s} of {a} [and|or] {b}
{s} number, {a} or {b}
who is {m}, {a} or {b}
who is {m} as a number, {a} or {b}
[out of|from] {a} and {b}, [which|what] [one|number|] is {m}
[out of|from|in] the two numbers {a} and {b}, which is [the {s}|{m}]
[two numbers|numbers|we have]: {a} and {b}. [which|what] [one|number|of them|] is {m}
{w} one, {a} or {b}
{w} [of|from|between] {a} [and|or] {b}
which would be the {w} one, {a} or {b}
does {a} or {b} [count as|come out|rank] {w}
what number is the {w} one, {a} or {b}
[if|when] [i|you|we] compare {a} [with|and|to] {b}, which is {m}
[which|what] [number|one|] is [{m}], {a} or {b}
[which|what] is the {w} [number|one]: {a} or {b}
[which|what] is the {s} [number|one|]: {a} or {b}
[which|what|who] is the {s}, {a} or {b}
is {a} or {b} [{m}|the {w} number]
is it {a} or {b} [that is {m}|which is {m}]
is the {w} [number|one] {a} or {b}
[what|which] is {m}: {a} or {b}
[what|which] is {m} [from|of|between] {a} and {b}
[what|which] number is {m} {a} or {b}
what's {m}, {a} or {b}
whats {m} {a} or {b}
which's {m}, {a} or {b}
wich [is|number is|one is] {m}, {a} or {b}
which {m} {a} or {b}
what {m} {a} or {b}
which of [them|these|those|the two|both|the following] is {m}: {a} or {b}
which of these [two|] [numbers|] is {m}: {a}, {b}
which of the [two numbers|numbers] {a} and {b} is {m}
which of {a} [or|and|,] {b} is [the {w} one|{m}|the {s}]
[pick|choose|give me|tell me|name|find] the {w} [number|one|] of {a} and {b}
[pick|choose|take] {a} or {b}, [whichever|whatever|the one that] is {m}
[compare|look at] {a} and {b}: which [number|one|] is {m}
[compare|comparing] {a} [with|to|and] {b}. [what|which] is {m}
compare: {a}, {b}. {m}
comparison: {a} or {b}, [which|what] is {m}
between {a} and {b}, which [number|one|] is {m}
between {a} and {b} [what|which] would be {m}
of {a} and {b}, which is the {w} one
of the [numbers|two|two numbers] {a} and {b}, [which|what] is {m}
{a} or {b}, [which|what] is {m}
{a} or {b}, [which|what] is the {s}
{a} or {b}, which [one|number] [would be|must be|is then|is called] {m}
{w} [number|]: {a} or {b}
my [friend|brother|sister|son|dad|mum|teacher] says {a} and [i|but i] say {b}. [who|which one|which] is {m}
my [friend|brother|sister|son|dad|mum] [has|got|chose|picked|took] {a}, i [have|got|chose|picked|took] {b}. which [number|] is {m}
[he|she|anna|tom|my friend] [says|said|thinks] {a} and [i say|i said|i think] {b}. which number is {m}
[i am|we are] [arguing|not sure|unsure] about {a} and {b}: which [one|] is {m}
[i|my son|my daughter|my kid|she|he] [cannot|can't|could not] [tell|decide|say|see] [which|what] is {m}, {a} or {b}
i [always|often] [mix up|confuse] [them|numbers]. is {a} or {b} {m}
i have two numbers, {a} and {b}. [show|tell|give] me the {w} one
i have {a} and you have {b}. which number is {m}
i [see|read|have here|wrote] {a} and {b}, which [one|number|] is {m}
[the first|one|one number] is {a}, [the second|the other] is {b}. which [one|] is {m}
the numbers are {a} and {b}. [which|what] is {m}
take {a} and {b}. [which|what] [one|] is {m}
[think of|imagine|consider|look at|see] {a} and {b}: which [one|number|] is {m}
there is {a} and there is {b}, which [one|] is {m}
on one card [is|it says|stands] {a}, on the other {b}. which [card|number|one] is {m}
[would you say|do you think|do you say|what do you think], is {a} or {b} {m}
do you think {a} or {b} is [the {w} one|{m}]
can you [see|say|tell|decide] [which|what|if] is {m}, {a} or {b}
can you compare {a} and {b}? i [want|need] the {w} one
could you [please|kindly|] [say|tell me] which [number|one] is {m}, {a} or {b}
for a child: [which|what] is {m}, {a} or {b}
in a [game|test|quiz] [there are|we get] {a} and {b}. which [number|one] is {m}
order of size: {a} and {b}. which [one|] is {m}
[by|in|for|regarding] size, which [one|number] is {m}, {a} or {b}
in size, is {a} or {b} {m}
by value, which is {m}, {a} or {b}
[which|what] [number|value|figure|amount|quantity|score|price] is {m}, {a} or {b}
which [amount|price|score|figure] is the {w} one: {a} or {b}
which [one|] is {m} in [value|size|number], {a} or {b}
which one would [you call|be] {m}: {a} or {b}
what would be {m}, {a} or {b}
{a} and {b} [are|have|here are] two numbers. [which|what] is {m}
{a} compared [to|with] {b}: [which|what] is {m}
is {m} {a} or {b}
the {w} [number|one|] is [which|what], {a} or {b}
the {w} [number|one], is it {a} or {b}
the {s} [number|one|], {a} or {b}
the {w} of the two [numbers|] {a} and {b}
[tell|show|give] me: {a} or {b}, [what|which] is {m}
~ here are {a} and {b}, say which is {m}
~ i have {a} and {b}: tell me the {w} one
~ there are two numbers, {a} and {b}. which of them is {m}
~ would you say {a} or {b} is {m}
~ given {a} and {b}, name the {w} number
~ {a} against {b}: which would win as the {w} one
~ my notes show {a} and {b}, and i want the {s}
~ if {a} and {b} stand side by side, which is {m}
"""
# Only for one of the two directions.
LARGER = """
= the [maximum|max] of {a} and {b}
[max|maximum|the max]: {a}, {b}
max({a}, {b})
which is [worth more|a larger amount|a higher amount], {a} or {b}
is {a} or {b} worth more
which [is|means|makes|gives] more, {a} or {b}
[what|who|which] has more, the one with {a} or the one with {b}
who wins, {a} or {b}, [if|when] the [larger|bigger|higher|greater] number wins
which [number|one] [comes later|is later|comes second|comes last] when [i count|we count|you count|counting], {a} or {b}
[which|what] is further [up|from zero], {a} or {b}
would you [rather have|take] {a} or {b} [if more is better|when you want more]
which score is [better if high scores win|in the lead], {a} or {b}
which [one|number|] beats the other as the [larger|bigger|higher] one, {a} or {b}
% which is worth more, {a} or {b}
% which is the maximum of {a} and {b}
~ when more is better, should i take {a} or {b}
"""
SMALLER = """
= the [minimum|min] of {a} and {b}
[min|minimum|the min]: {a}, {b}
min({a}, {b})
which is [worth less|a smaller amount|a lower amount], {a} or {b}
is {a} or {b} worth less
which [is|means|makes|gives] less, {a} or {b}
[what|who|which] has less, the one with {a} or the one with {b}
who wins, {a} or {b}, [if|when] the [smaller|lower] number wins
which [number|one] [comes first|is first|comes earlier|is earlier] when [i count|we count|you count|counting], {a} or {b}
[which|what] is [nearer to|closer to] zero, {a} or {b}
would you take {a} or {b} when you want less
which price is [cheaper|lower], {a} or {b}
what is cheaper, {a} or {b}
which [one|number|] is not as [large|big|high], {a} or {b}
% which is worth less, {a} or {b}
% which is the minimum of {a} and {b}
~ when less is better, should i take {a} or {b}
"""
# Asked with a yes or no: {o} is ">" or "<".
IS_IT = """
% [if|whether] {a} is {m} than {b}
% [if|whether] {a} {o} {b} [is true|is right|holds|]
! [check|say|decide|verify|tell me] [if|whether] {a} is {m} than {b}
is {a} {m} than {b}
is {a} {o} {b}
is {a} [really|actually|indeed|truly|even] {m} than {b}
is [the number|] {a} {m} than [the number|] {b}
{a} {o} {b}
{a} {o} {b}, [true or false|yes or no|right or wrong|is that so|is it true|correct]
{a} {m} than {b}
{a} is {m} than {b}, [right|true or false|yes or no|isn't it|is that right|correct|is it]
{a} is {m} than {b}: [true|true or false|yes or no|right or wrong|correct]
is it [true|right|correct] that {a} is {m} than {b}
is it [true|right] that {a} {o} {b}
[true or false|yes or no|right or wrong]: {a} is {m} than {b}
[true or false|yes or no|right or wrong]: {a} {o} {b}
[my friend|my son|my daughter|she|he|my teacher|someone|tom] [says|said|thinks|believes|claims] [that|] {a} is {m} than {b}. [is that right|is that true|right|true|is it so]
i [think|believe|say|guess] [that|] {a} is {m} than {b}. [am i right|is that right|right|is that true|correct]
does {a} [count as|come out] {m} than {b}
would you say [that|] {a} is {m} than {b}
do you think [that|] {a} is {m} than {b}
can it be that {a} is {m} than {b}
[so|and|but] {a} is {m} than {b}
is {a} the {w} [one|number], compared [to|with] {b}
is {a} the {w} number of {a} and {b}
compare {a} and {b}: is {a} {m}
[between|of|out of] {a} and {b}, is {a} [{m}|the {w} one]
i have {a}, you have {b}. is mine {m}
~ could it be that {a} is {m} than {b}
~ {a} is {m} than {b}, agreed
~ somebody told me that {a} is {m} than {b}, is this so
"""
# Who has more: {n} has {a}, {f} has {b}.
WHO = """
{n} [has|got|owns|holds|counts|bought] {a} {t} and {f} [has|got|owns|holds|counts|bought] {b}. who has {m} [{t}|]
{n} has {a} {t}, {f} [has|] {b}. who has {m}
{n} has {a} {t}, {f} has {b} {t}. who has [{m}|{m} {t}|the {m} {t}]
{n}: {a} {t}. {f}: {b} {t}. who has {m}
{n}: {a}, {f}: {b}. who has {m}
who has {m} {t}, {n} with {a} or {f} with {b}
if {n} has {a} {t} and {f} has {b}, who has {m}
[who|which of them] has {m} {t} [if|when] {n} has {a} and {f} has {b}
does {n} with {a} {t} or {f} with {b} have {m}
~ {n} found {a} {t} and {f} found {b}. which of the two has {m}
"""


def pair(rng: Random) -> tuple[int, int]:
    """Draw two different numbers, often near each other or with the same digits."""
    a = size(rng)
    b = size(rng) if rng.random() < 0.6 else min(999, max(0, a + rng.randint(-60, 60)))
    if 10 < a < 100 and rng.random() < 0.06:
        b = int(str(a)[::-1])
    return a, b if a != b else (a + 7) % 1000


def words_of_size(rng: Random, big: bool) -> dict[str, str]:
    """The words for one direction: before a noun, behind "is", and as a superlative."""
    w = rng.choice(("larger", "bigger", "greater", "higher") if big else ("smaller", "lower", "smaller"))
    m = rng.choice((w, w, w, "more") if big else (w, w, "less", "less"))
    s = rng.choice(("largest", "biggest", "greatest", "highest") if big else ("smallest", "lowest"))
    return {"w": w, "m": m, "s": s}


def compare(rng: Random, split: str) -> Answer:
    """Which of two numbers is larger, whether one is, or who has more."""
    a, b = pair(rng)
    r = rng.random()
    if r < 0.24:
        return is_it(rng, split, a, b)
    return which(rng, split, a, b, big=rng.random() < 0.6, who=r < 0.32)


def which(rng: Random, split: str, a: int, b: int, big: bool, who: bool = False) -> Answer:
    """Which of two numbers is larger (smaller); or, with `who`, whose it is."""
    value = max(a, b) if big else min(a, b)
    other = a + b - value
    sign, word = (">", "larger") if big else ("<", "smaller")
    short, full = by_digits(a, b)
    line = f"Compare {a} and {b}: {short}. {value} {sign} {other}."
    steps = (
        f"I compare {a} and {b}.\nDigits: {len(str(a))} and {len(str(b))}.\n{full}{value} {sign} {other}.\n"
    )
    if who:
        n, f = rng.sample(words.NAMES, 2)
        name, more = n if a == value else f, "more" if big else "less"
        text = wording(
            rng, WHO, split, a=a, b=b, n=n, f=f, t=rng.choice(words.THINGS),
            m="more" if big else rng.choice(("less", "fewer")),
        )  # fmt: skip
        steps += f"{name} has {value}, that is {more}."
        return Answer(text, [f"{name} has {more}: {value} is {word} than {other}."], line, steps, name)
    x, y = spoken(rng, a, b)
    text = wording(rng, COMPARE + (LARGER if big else SMALLER), split, a=x, b=y, **words_of_size(rng, big))
    steps += f"The {word} one is {value}."
    finals = [f"{value} is {word} than {other}.", f"The {word} number is {value}."]
    return Answer(text, finals, line, steps, str(value))


def is_it(rng: Random, split: str, a: int, b: int, text: str = "", big: bool | None = None) -> Answer:
    """Whether a is larger (smaller) than b, answered with yes or no."""
    big = rng.random() < 0.65 if big is None else big
    true = (a > b) == big
    sign, word = (">", "larger") if a > b else ("<", "smaller")
    x, y = spoken(rng, a, b)
    yes = "Yes" if true else "No"
    short, full = by_digits(a, b)
    return Answer(
        text or wording(rng, IS_IT, split, a=x, b=y, o=">" if big else "<", **words_of_size(rng, big)),
        [f"{yes}, {a} is {word} than {b}."],
        f"Compare {a} and {b}: {short}. {a} {sign} {b}. So {yes.lower()}.",
        f"I compare {a} and {b}.\nDigits: {len(str(a))} and {len(str(b))}.\n{full}{a} {sign} {b}.\n"
        f"So {yes.lower()}.",
        yes,
    )


PARITY = """
= the parity of {a}
! [check|decide|test|determine|say] [if|whether] {a} is [even|odd|even or odd|odd or even]
% [if|whether] {a} is [an even|an odd] number
% [if|whether] {a} is [even|odd|even or odd|odd or even]
% what {a} is, [even or odd|odd or even]
{a}, [even|odd] or not
{a} even [or odd|or not|]
{a} odd [or even|or not|]
is {a} [one of the|among the] [even|odd] numbers
does {a} count as [even|odd]
can {a} be [divided|halved|split] [by two|evenly|in two equal halves|by 2 without a rest]
would {a} be [even|odd|an even number|an odd number]
[number|the number] {a}: [even|odd|odd or even]
is {a} a multiple of [two|2]
what kind of number is {a}, [odd or even|even or odd]
[even|odd], {a}
is {a} [even or odd|odd or even|an even or an odd number|an odd or an even number]
is {a} [even|odd|an even number|an odd number]
is [the number|] {a} [even|odd]
[even or odd|odd or even]: {a}
{a}: [even or odd|odd or even]
[tell me|check|say] [if|whether] {a} is [even or odd|odd or even|even|odd]
is {a} divisible by [2|two]
what is the parity of {a}
[can|could] you [check|tell me|say] [if|whether] {a} is [even|odd|even or odd]
i [want to|need to] know [if|whether] {a} is [even|odd]
~ would you call {a} even or odd
~ number {a}, is it odd or is it even
~ given {a}, say whether it is an even number
"""


def parity(rng: Random, split: str, a: int | None = None) -> Answer:
    a = size(rng) if a is None else a
    kind = "odd" if a % 2 else "even"
    return Answer(
        wording(rng, PARITY, split, a=a),
        [f"{a} is {kind}.", f"{a} is an {kind} number."],
        f"The last digit of {a} is {a % 10}, so {kind}.",
        f"I look at the last digit of {a}.\nLast digit: {a % 10}.\n{a % 10} is {kind}.\nSo {a} is {kind}.",
        kind,
    )
