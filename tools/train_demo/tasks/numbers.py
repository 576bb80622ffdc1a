# ruff: noqa: E501 - wordings are data and stay on one line
"""Arithmetic up to 999, digit by digit, as children learn it."""

from __future__ import annotations

from random import Random

from wording import wording

from tasks.base import Answer

PLACES = ("Ones", "Tens", "Hundreds")
AT_ONCE = 99  # larger numbers are worked out, or declined at low effort


def size(rng: Random) -> int:
    """Draw a number with one to three digits, three digits most often."""
    return rng.randint(0, rng.choice((9, 20, 99, 99, 999, 999, 999)))


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


ADD = """
= the [sum|total|result] [of|from adding] {a} [and|plus|+] {b}
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
    return Answer(
        wording(rng, ADD, split, a=a, b=b),
        said(rng, f"{a} + {b}", str(a + b)),
        f"Add {a} and {b}: {short}. So {a + b}.",
        f"I add {a} and {b} digit by digit.\n{full}\nThe sum is {a + b}.",
        str(a + b),
        at_once=max(a, b) <= AT_ONCE,
    )


SUB = """
= the [difference|result] [of|between] {a} and {b}
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
by how much is {a} [more|larger|greater] than {b}
how far is {a} [above|from] {b}
minus: {a}, {b}
subtract {b} out of {a}
subtraction: {a} and {b}
take the number {b} off {a}
{a} with {b} taken away
what must [i|you|we] add to {b} to [get|reach|make] {a}
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
~ {b} is subtracted from {a}: what is the result now
~ my homework says {a} minus {b}, what should i write
~ take {a}, then subtract {b}: what is it now
~ which number is left when you take {b} away from {a}
~ i would like to see what {a} - {b} makes
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
    return Answer(
        wording(rng, SUB, split, a=a, b=b),
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


def mul(rng: Random, split: str) -> Answer:
    if rng.random() < 0.2:
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
    x, y = (b, a) if rng.random() < 0.4 else (a, b)
    return Answer(
        wording(rng, MUL, split, a=x, b=y),
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


def div(rng: Random, split: str) -> Answer:
    b = rng.randint(2, 9)
    a = rng.randint(1, 999 // b) * b if rng.random() < 0.6 else rng.randint(b, 999)
    if rng.random() < 0.4:
        a = rng.randint(1, 12) * b
    q, r = divmod(a, b)
    value = f"{q} remainder {r}" if r else str(q)
    short, full = long_division(a, b)
    return Answer(
        wording(rng, DIV, split, a=a, b=b),
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
! [compare|look at] {a} [and|with] {b} and [say|tell me|name] the {w} [one|number]
! [choose|pick|select|take] the {w} [number|one|] from {a} and {b}
! decide which is {w}, {a} or {b}
% [which|which one|which number] is {w}, {a} or {b}
% [whether|if] {a} or {b} is {w}
% which of {a} and {b} is {w}
{a} [vs|versus|against] {b}, [which|what] is {w}
{a} [and|,] {b}. [which|what] [one|number|] is {w}
who is {w}, {a} or {b}
[out of|from] {a} and {b}, [which|what] [one|number|] is {w}
[two numbers|numbers|we have]: {a} and {b}. [which|what] [one|number|of them|] is {w}
{w} one, {a} or {b}
which would be the {w} one, {a} or {b}
does {a} or {b} [count as|come out|rank] {w}
what number is the {w} one, {a} or {b}
[if|when] [i|you|we] compare {a} [with|and|to] {b}, which is {w}
~ here are {a} and {b}, say which is {w}
[which|what] [number|one|] is [{w}], {a} or {b}
[which|what] is the {w} [number|one]: {a} or {b}
is {a} or {b} [{w}|the {w} number]
[what|which] is {w}: {a} or {b}
[what|which] number is {w} {a} or {b}
[pick|choose|give me|tell me|name|find] the {w} [number|one|] of {a} and {b}
[compare|look at] {a} and {b}: which [number|one|] is {w}
between {a} and {b}, which [number|one|] is {w}
of {a} and {b}, which is the {w} one
{a} or {b}, [which|what] is {w}
{w} [number|]: {a} or {b}
~ i have {a} and {b}: tell me the {w} one
~ there are two numbers, {a} and {b}. which of them is {w}
~ would you say {a} or {b} is {w}
~ given {a} and {b}, name the {w} number
"""


def compare(rng: Random, split: str) -> Answer:
    a = size(rng)
    b = size(rng) if rng.random() < 0.6 else min(999, max(0, a + rng.randint(-60, 60)))
    if a == b:
        b = (a + 7) % 1000
    big = rng.random() < 0.6
    w = rng.choice(("larger", "bigger", "greater", "higher") if big else ("smaller", "lower", "less"))
    value = max(a, b) if big else min(a, b)
    other = a + b - value
    sign, word = (">", "larger") if big else ("<", "smaller")
    return Answer(
        wording(rng, COMPARE, split, a=a, b=b, w=w),
        [f"{value} is {word} than {other}.", f"The {word} number is {value}."],
        f"Compare {a} and {b}: {value} {sign} {other}.",
        f"I compare {a} and {b}.\nDigits: {len(str(a))} and {len(str(b))}.\n{value} {sign} {other}.\nThe {word} one is {value}.",
        str(value),
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


def parity(rng: Random, split: str) -> Answer:
    a = size(rng)
    kind = "odd" if a % 2 else "even"
    return Answer(
        wording(rng, PARITY, split, a=a),
        [f"{a} is {kind}.", f"{a} is an {kind} number."],
        f"The last digit of {a} is {a % 10}, so {kind}.",
        f"I look at the last digit of {a}.\nLast digit: {a % 10}.\n{a % 10} is {kind}.\nSo {a} is {kind}.",
        kind,
    )
