# ruff: noqa: E501 - wordings are data and stay on one line
"""Questions that only make sense after an earlier turn."""

from __future__ import annotations

import json
from random import Random

import topics
import words
from harmony import Message, Tool
from wording import noisy, sentence, wording

from tasks import calls, facts, letters, memory, numbers, tales
from tasks.base import Answer
from tasks.refusals import declined
from tasks.skills import SKILLS

WHAT_ABOUT = """
[and|] [what about|how about] {x}
and [of|for|in|] {x}
and {x}
[and|] {x}
the same [for|with] {x}
now [for|with|] {x}
[what|how] about {x}[ then|]
[and|] what is it for {x}
[ok|okay], and {x}
[and|now|ok|okay|so] [do|take|try] {x}
[i|we] also [want|need] {x}
{x} [too|also|as well|next|now]
[tell me|give me|say] [it|the same] for {x} [too|also|]
and with {x}
and then {x}
and now {x}
and also {x}
and {x}, please
and {x} [then|too|as well|maybe|now]
and what [is|about] {x}
[and|] what's [with|about] {x}
also {x}
also for {x}
again [for|with] {x}
again, [now|but|this time] [for|with] {x}
again, {x}
but {x}
but what about {x}
[great|good|nice|thanks|thank you|perfect|cool|wow|aha|ah|i see|got it][,|.|!] [and|now|what about|how about] {x}
[thanks|thank you|good|great]. now {x}
[alright|right|well|fine], {x}
[hm|hmm|um|oh|so], and {x}
or {x}
next: {x}
next one: {x}
next question: {x}
[one more|another one]: {x}
one more, {x}
same for {x}
same [question|thing], [but|] [for|with] {x}
same with {x} [please|]
the same thing for {x}
the same question [for|with|about|again with] {x}
repeat [that|it] [for|with] {x}
do [it|that|the same] [for|with] {x}
do {x} [next|now|too]
[can you|could you|please] do [it|the same] [for|with] {x}
can you also [tell me|say|do] {x}
could you [also|] tell me {x} [too|]
do you [also|] know {x} [too|]
do you know it for {x}
how is it [for|with] {x}
how does it look for {x}
[i meant|i mean|sorry, i meant|no, i meant|i wanted] {x}
instead [of that|] {x}
if it is {x}
[what if|and if] it [is|was|were] {x}
let's [do|try|take] {x}
let us [take|try] {x} [now|next|]
try {x}
[try|take|use] {x} instead
[my friend|my son|she|he] [asks|wants to know] about {x}
my friend [is|asks] for {x}
now do the same for {x}
now i [want|need] {x}
now with {x}
now it is {x}
then {x}
then for {x}
{x}?
{x} [please|, please|pls|then]
{x}, what is it
{x}, the same
{x} instead
~ then, what would it be for {x}
~ same question for {x}
~ i am also curious about {x}
~ and if i say {x}
"""
# What fits one kind of question only.
ABOUT = {
    "capital": """
and of {x}
and {x}'s
and {x}'s capital
and the capital of {x}
and that of {x}
and the one of {x}
and in {x}
what about {x}'s
what about the capital of {x}
what about that of {x}
[which|what] one is it in {x}
which is [it|the one] [in|for|of] {x}
which [city|one] is it for {x}
what is it in {x}
what is {x}'s
what is the one [of|in|for] {x}
now the capital of {x}
now [the one of|] the country {x}
[i|we] [go|travel|fly] to {x} [next|then|too], so which city [is it|] [there|]
and my friend is from {x}, what is [it|the capital] there
~ and which city has {x}
""",
    "country": """
and of what country is {x}
and {x}, which country
[and|] {x} is the capital of
and {x} is whose capital
and which country has {x}
and for the capital {x}
and what about the city {x}
and {x} belongs to which country
~ and the city of {x}
""",
    "opposite": """
and of {x}
and the opposite of {x}
and the word {x}
and for the word {x}
and not {x}
what about the word {x}
what is it for the word {x}
now {x}, the opposite
now the opposite of {x}
next word: {x}
next word, {x}
my next word is {x}
~ and when i say {x}
""",
    "baby": """
and a {x}
and a baby {x}
and of a {x}
and for a {x}
and the {x}
and the baby of a {x}
what about a {x}
what about a baby {x}
now a {x}
~ and when a {x} is young
""",
    "sound": """
and a {x}
and the {x}
and of a {x}
and a {x}, what does it say
and what does the {x} say
what about a {x}
what about the {x}
now a {x}
the {x} now
~ and if it is a {x}
""",
    "colour": """
and a {x}
and the {x}
and of the {x}
and what color is the {x}
and the color of {x}
what about the {x}
what about a {x}
now the {x}
~ and if i draw the {x}
""",
    "word": """
and {x}
and the word {x}
and how about the word {x}
and {x}, how do they say that
and what is {x}
what is {x} then
what is {x} in that language
how do you say {x} then
how do they say {x}
now the word {x}
next word: {x}
translate {x} too
translate {x} [as well|now|next]
say {x} [too|as well|now]
~ and when i want to say {x}
""",
    "language": """
and in {x}
in {x}
in {x} [too|now|please|as well|, please|then]
and in {x} [too|please|then]
[and|] what about in {x}
[and|] what is it in {x}
how [is|about] it in {x}
how do you say [it|that] in {x}
how do [they|people] say [it|that] in {x}
how would [you|one] say [it|that] in {x}
and how is [it|that] in {x}
translate [it|that] [into|to] {x} [too|]
now [say|translate|do] [it|that] in {x}
say [it|that] in {x} [too|]
the same word in {x}
the same in {x}
same word, {x}
[i|we] [need|want] it in {x} [too|as well]
can you say [it|that] in {x}
my friend speaks {x}, so how is it there
or in {x}
but in {x}
instead in {x}
~ and the {x} word
~ and which word do they use in {x}
""",
    "next": """
and after {x}
and what comes after {x}
and which one after {x}
and the one after {x}
what about after {x}
what comes after {x} then
now after {x}
after {x}
~ and following {x}
""",
    "before": """
and before {x}
and what comes before {x}
and which one before {x}
and the one before {x}
what about before {x}
what comes before {x} then
now before {x}
before {x}
~ and preceding {x}
""",
}
# After "Tuesday comes after Monday".
ON = """
and [the one|the next one|] after [that|it]
and after [that|it|this] [one|]
and then
and next
and the next [one|{k}|]
and what comes [then|next|after that|after it]
and what is next
after that
after [it|that one]
then
then what
and which {k} [comes|is] [then|next|after that|after it]
what comes [next|then|after that|after it]
what [comes|is] after [that|it]
which one [is|comes] [next|then|after that]
which {k} is [next|then|after that]
the next one
the next [one|{k}] [please|now|]
the {k} after [that|it]
the one after [that|it|this one]
one more
go on
continue
one {k} later
now the next [one|{k}]
~ and what follows that one
~ and which one follows
"""
BACK = """
and [the one|] before [that|it]
and before [that|it|this] [one|]
and the one before
and the previous [one|{k}]
and what comes before [that|it]
and what [was|is] before [that|it]
before that
before [it|that one]
and which {k} [comes|is|was] before [that|it]
what comes before [that|it]
what [comes|is|was] before [that|it]
which one [is|comes|was] before [that|it]
which {k} [is|was] before [that|it]
the previous [one|{k}] [please|now|]
the {k} before [that|it]
the one before [that|it|this one]
one {k} earlier
one back
one further back
now the one before [that|it]
now the previous [one|{k}]
~ and what precedes that one
~ and which one came earlier
"""
CHANGE = """
[now|and|then|] add {c} [to that|to it|to this|to the result|]
[now|and|] plus {c}
[and|] what [about|is that|is it] plus {c}
what if [i|you] add {c} [to that|to it|]
add {c} more
[and|] {c} more
[add|put] {c} [on top|to the result|to it]
[the result|that|it] and {c} [more|together|]
[increase|raise] [it|that|the result] by {c}
plus {c}
plus {c} [more|then|now|please|too]
+ {c}
+{c}
and {c} on top
and another {c}
and {c} added
and if [i|we|you] add {c}
and if [i|we] [get|have|find] {c} more
another {c} more
a further {c}
{c} [more|extra|on top|added]
{c} more [makes|is] what
[i|we] [add|get|found|buy] {c} more. how [many|much] now
how much is [it|that] [plus|and|with] {c}
how much [is it|do i have] with {c} more
now {c} more
now give me {c} more
now it gets {c} more
now raise it by {c}
now put {c} [on top|to it]
[ok|okay|good|great|thanks], [now|and] [add {c}|plus {c}]
the result plus {c}
that plus {c}
that number plus {c}
that and {c} more
to that add {c}
take [that|it|the result] and add {c}
use [that|the result] and add {c}
what do [i|we|you] get with {c} more
what is that with {c} more
what is the result plus {c}
with {c} more
[can|could] you add {c} [to that|to it|more]
count {c} [up|on|further] [from there|]
~ the result plus {c}, please
~ make it {c} more
~ suppose there come {c} more, how many now
"""
LESS = """
[now|and|then|] [subtract|take|take away] {c} [from that|from it|from this|from the result|]
[now|and|] minus {c}
[and|] what [about|is that|is it] minus {c}
what if [i|you] [subtract|take away] {c} [from that|from it|]
[and|] {c} less
[take|subtract] {c} [off|from the result|from it]
[the result|that|it] [take away|without] {c}
[decrease|reduce|lower] [it|that|the result] by {c}
minus {c}
minus {c} [then|now|please|again]
- {c}
-{c}
and {c} off
and {c} fewer
and if [i|we|you] take [away|off|] {c}
and if [i|we] [lose|spend|give away] {c}
and without {c}
{c} [less|fewer|off]
{c} less [makes|is] what
[i|we] [lose|spend|give away|use] {c}. how [many|much] now
how much is [it|that] [minus|without|less] {c}
how much is left without {c}
now {c} less
now take {c} [away|off|from it]
now it gets {c} less
now lower it by {c}
[ok|okay|good|great|thanks], [now|and] [subtract {c}|minus {c}|take {c} away]
the result minus {c}
that minus {c}
that number minus {c}
from that take {c}
from [it|that|the result] [subtract|remove|deduct] {c}
take [that|it|the result] and subtract {c}
use [that|the result] and take away {c}
deduct {c} [from it|]
remove {c}
what [is|remains] left without {c}
what is that without {c}
what is the result minus {c}
what is left if i take {c} away
without {c}
[can|could] you [subtract|take away] {c} [from that|from it|]
count {c} [down|back] [from there|]
~ the result minus {c}, please
~ make it {c} less
~ suppose {c} of them go, how many now
"""
TIMES = """
times {c}
* {c}
x {c}
and times {c}
[now|and|then|] [multiply|times] [it|that|the result] by {c}
[now|and|then|] multiply by {c}
[and|] what [about|is that|is it] times {c}
and {c} times [that|as much]
the result times {c}
that times {c}
{c} times [that|it|the result]
how much is {c} times [that|it]
take [it|that] {c} times
what if i multiply [it|that] by {c}
~ now take {c} of them together
"""
DOUBLE = """
[now|and|then|] double [it|that|the result]
[now|and|] doubled
and twice [that|as much]
twice [that|as much]
[and|] the double [of that|of it|]
two times [that|it]
[and|] times two
what is [twice|double|the double of] that
what if i double [it|that]
[can|could] you double [it|that]
make it double
~ and two of those
"""
HALVE = """
[now|and|then|] [halve|divide by 2|divide it by 2] [it|that|]
[now|and|] half of [it|that|the result]
[and|] the half [of that|of it|]
[and|] half
what is half [of that|of it]
[now|and|] [split|cut] [it|that] in half
what if i halve [it|that]
divided by two
~ and when two people share it
"""
DIVIDE = """
divided by {c}
/ {c}
over {c}
and divided by {c}
[now|and|then|] divide [it|that|the result] by {c}
[now|and|then|] divide by {c}
[and|] what [about|is that|is it] divided by {c}
the result divided by {c}
that divided by {c}
[split|share] [it|that] [among|between|by] {c}
how often does {c} go into [it|that]
what if i divide [it|that] by {c}
~ now cut it into {c} parts
"""
# Another number at the place of {b}.
INSTEAD = """
and with {c} [instead of {b}|for {b}]
with {c} instead of {b}
and {c} instead of {b}
{c} instead of {b}
{c}, not {b}
what if it [is|was|were] {c} instead of {b}
what if i [take|use|write] {c} instead of {b}
what about {c} instead of {b}
now [use|take] {c} instead of {b}
again [with|but with] {c} instead of {b}
the same with {c} [instead of|for] {b}
[change|replace|swap] {b} [by|with|to|for] {c}
put {c} [for|in place of] {b}
[sorry|no|oh|oops], i meant {c} instead of {b}
[sorry|no|oh|oops], {c} instead of {b}
[sorry|no], not {b}, {c}
[i meant|i mean|it should be] {c}, not {b}
my mistake: {c} instead of {b}
~ now with {c} where there was {b}
"""
OTHER_ONE = """
and the {w} [one|number|]
and which is {w}
and which [one|] is the {w} [one|number]
and what is the {w} one
and {w}
the {w} [one|number]
which [one|] is [the|] {w} [one|then|]
which is {w} [then|of them|of the two|]
what about the {w} one
what is the {w} [one|number]
now the {w} [one|number]
and the {s} [one|]
[so|then] which is {w}
[ok|okay|thanks], and the {w} one
tell me the {w} one [too|]
~ and of the two, which one is {w}
"""
IS_RESULT_EVEN = """
is [it|that|this|the result|the answer] [even|odd|even or odd|odd or even|an even number|an odd number]
[and|] is that [even|odd|even or odd]
[and|so] [even or odd|odd or even]
[even|odd] or [odd|not]
and is it [even|odd]
check if [it|that|the result] is [even|odd]
[does that|does it] count as [even|odd]
can [it|that] be divided by [2|two]
~ and would you call it even or odd
"""
IS_RESULT_MORE = """
is [it|that|this|the result] {m} than {c}
[and|so] is [it|that] {m} than {c}
is [it|that] {o} {c}
[and|] {m} than {c}
[it|that|this] is {m} than {c}, right
[that is|it's] {m} than {c}, [true or false|correct|isn't it]
does it come out {m} than {c}
check if [it|that] is {m} than {c}
~ and would that be {m} than {c}
"""
SURE = """
are you sure [about that|]
really
is that [right|correct|true]
[can you|] check [it|that|] again
[i|we] [think|believe] [this|that|it] is [wrong|not right|not correct]
[is it|is this] [really|] [true|right|correct|so]
[you|are you] [think so|certain|really sure]
[i do not|do you] [think|believe] [so|that|it]
are you [really|very|quite|100 percent|absolutely|totally|completely] [sure|certain]
are you [positive|confident] [about that|]
sure
[you|u] sure
are u sure
is this [a|the] [right|correct] answer
is your answer [right|correct|true]
is that [really|actually|definitely] [so|right|true|it]
is that your final answer
is it [certain|sure]
[hm|hmm|oh|what|huh], [really|are you sure|is that right]
[really|true|right|correct|sure|certain]?
i am not [sure|convinced] [about that|]
i [doubt|question] [that|it]
i don't [think|believe] [so|that|it]
i do not agree
i [thought|expected] something else
[my friend|my teacher|my son|he|she] [says|thinks] [that is|it's|that's] [wrong|not right]
[that|this] [cannot|can't|can not] be [right|true|so]
[that|this] [looks|sounds|seems] [wrong|strange|odd to me|not right]
[that's|that is|it's] [wrong|not right|not correct|false], [right|no|isn't it]
did you [make a mistake|check it|check that|get that right|calculate well]
did you check [it|that|your answer]
[can|may] i [trust|believe] [that|it|you]
[could|can] you be wrong
could that be [wrong|a mistake]
[please|] [verify|double check|recheck|confirm] [it|that|your answer|]
check your answer
check [it|that] [once more|twice|for me|please]
[do you|can you] [confirm|promise] [it|that|]
no way
look again
think again
~ do you really think so
~ i do not believe it, is it correct
~ would you bet on it
"""
WHY = """
why
why [is that|is it so|so|is it|that]
but why
and why
why do you [say|think] [so|that]
how come
how do you know [that|]
how do you [get|find|see] [that|it]
how did you [get|find|see|do|know] [that|it|the answer]
how is that
[explain|please explain|can you explain|explain it|explain that|explain it to me|could you explain]
[what is|tell me|give me] the reason
because of what
show me [why|how]
[prove it|prove that|show it]
[where|how] does that come from
what makes you [say|think] [so|that]
i don't [understand|get it|see why]
~ and what is the reason for that
~ could you tell me why it is so
"""
BARE = """
[just|only] the [answer|result|word|name|number] [please|, please|]
[just|only] [the answer|the result] [again|once more|]
the [answer|result] [only|alone|in short]
[answer|say it|tell me|again] [in one word|in short|shorter|briefly]
[shorter|short|in short|in one word|one word][, please|]
[only|just] [say|give me|tell me|write] the [answer|result|word]
[can you|please] say [it|that] [shorter|in one word|in short]
no [sentence|sentences], [just|only] the [answer|result]
without a sentence
~ please leave out the sentence, only the result
"""
# After a word was spelled or counted: "it" is that word.
IT_AND = {
    "length": """
[and|] how many letters [does it have|has it|are there|are in it|are that|in all|in total]
[and|] how long is [it|that|the word]
[and|] the number of letters
how many letters [is|are] [it|that]
[and|] count the letters
~ and what is its length
""",
    "backwards": """
[and|now|] backwards
[and|] [in reverse|reversed|from the end|the other way round]
[now|and|then|] [spell|write|say] it backwards
[and|] what is [it|that] backwards
[can you|] reverse [it|that]
~ and how is it from right to left
""",
    "spell": """
[and|now|] [spell|can you spell] it
[and|] how [do you|to|do i] spell [it|that]
[now|and|] letter by letter
how is [it|that] spelled
spell [it|that|the word] [please|for me|too]
~ and its single letters
""",
    "first": """
[and|] [what is|which is] [the|its] first letter
[and|] the first letter
[and|] the first [one|]
[and|] what does it [start|begin] with
~ and its very first letter
""",
    "last": """
[and|] [what is|which is] [the|its] last letter
[and|] the last letter
[and|] the last [one|]
[and|] what does it end with
~ and its very last letter
""",
}
AGAIN = """
[another one|one more|again|another|more|tell me another|tell me one more|a different one|something else|do it again][ please|]
[can you|] tell me [another|another one|one more]
i [want|would like] [another|one more] [one|]
[that was|this was] [nice|great|good|fun][, another one|, again|, tell me more]
[now|and] [a different|another|a new] one
[let me|let us|can i] [have|get|see] [another|one more|a new one]
[another|one more|a new one|a different one] [please|, please|pls|now|for me|for my kids]
[once more|one more time|again please|and again|more of that|more please|more of these]
and another
and another one
and one more
and [now|] a second one
a [second|new|different|further|better|funnier|shorter] one
[ha|haha|lol|hihi|wow|great|nice|cool|good one|lovely|funny][!|,|.] [another|one more|another one|more|again]
[i|we] [like|love|liked|loved] [it|that|this][, another|. one more|, more|. again]
[i|we] want [more|another|a different one]
[do you have|have you got|got|do you know|know] [another|another one|more|one more|a different one]
[have you|do you have] [any|] [others|more]
[give|tell|write|show|make] [me|us] [another|one more|another one|a new one|a different one]
[could|would|can] you [do|write|make|tell me|give me] [another|one more|a new one]
[i know|i heard] [that one|it already|this one]. [another|a new one|a different one] [please|]
[that one|it] was [boring|old|bad|too short|not good]. [another|try another one|a better one]
[try|do|make] another [one|]
is there [another|one more|another one]
keep going
next [one|] [please|]
the next one
~ that was good, now one more
~ let me hear another one
~ i could listen to one more
"""
WEATHER = """
and in {x}
[and|] what about {x}
[and|] what is it [like|] in {x}
[and|] how is it in {x}
[now|the same] for {x}
the same in {x}
check {x} [too|as well|now]
[and|] can you [check|do] {x} [too|]
[thanks|ok|okay|great], and {x}
and for {x} [please|]
~ and over in {x}
"""

KINDS = {
    "fact": 34, "language": 9, "word": 5, "order": 8, "sum": 10, "instead": 4, "expression": 4, "parity": 4,
    "result": 5, "compare": 8, "sure": 6, "why": 4, "bare": 3, "letters": 6, "again": 5, "weather": 6, "unknown": 3,
}  # fmt: skip


def draw(rng: Random, split: str) -> tuple[Answer, list[Message], list[Tool]]:
    """Return the answer to the last question, the turns before it, and the tools."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "weather":
        return _weather(rng, split)
    answer, history = DRAWN[kind](rng, split)
    if rng.random() < 0.2:
        history = memory.other_turns(rng, (1,)) + history
    return answer, history, []


def _turn(rng: Random, asked: Answer, user: str = "") -> list[Message]:
    """A turn that is over: asked in any wording, answered in a sentence or in a word."""
    text = user or asked.user
    text = noisy(rng, text, words.rare(), 0.5) if rng.random() < 0.3 else sentence(rng, text)
    short = [asked.value, f"{asked.value}.", f"It is {asked.value}."] if asked.value else []
    final = asked.finals[0] if rng.random() < 0.7 else rng.choice(asked.finals + short)
    return [Message("user", text), Message("assistant", final, "final")]


def _fact(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """Another country, word, animal or day."""
    kind = rng.choice([k for k in facts.KINDS if k != "translate"])
    items = facts.items(kind)
    if kind in ("next", "before"):
        items = rng.choice((words.DAYS, words.MONTHS))
    xs = rng.sample(items, 3)
    asked = [facts.fact(rng, "train", kind, x) for x in xs]
    if kind == "country":
        xs = [words.CAPITALS[x] for x in xs]
    return _chain(rng, split, WHAT_ABOUT + ABOUT[kind], asked, xs)


def _chain(
    rng: Random, split: str, block: str, asked: list[Answer], xs: list[str]
) -> tuple[Answer, list[Message]]:
    """One question, or two, and then what changes."""
    history = _turn(rng, asked[0])
    if rng.random() < 0.3:
        history += _turn(rng, asked[2], wording(rng, block, "train", x=xs[2]))
    asked[1].user = wording(rng, block, split, x=xs[1])
    return asked[1], history


def _language(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """The same word in another language."""
    x, langs = rng.choice(facts.items("translate")), rng.sample(facts.LANGUAGES, 3)
    asked = [facts.fact(rng, "train", "translate", x, lang) for lang in langs]
    return _chain(rng, split, ABOUT["language"], asked, langs)


def _word(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """Another word in the same language."""
    xs, lang = rng.sample(facts.items("translate"), 3), rng.choice(facts.LANGUAGES)
    asked = [facts.fact(rng, "train", "translate", x, lang) for x in xs]
    xs = [rng.choice((x, x, f'"{x}"')) for x in xs]
    return _chain(rng, split, WHAT_ABOUT.replace("[of|for|in|]", "") + ABOUT["word"], asked, xs)


def _order(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """On from the day or month just named, or back from it."""
    kind = rng.choice(("next", "next", "before"))
    table, k = rng.choice(((words.DAYS, "day"), (words.MONTHS, "month")))
    first = facts.fact(rng, "train", kind, rng.choice(table))
    answer = facts.fact(rng, "train", kind, first.value)
    answer.user = wording(rng, ON if kind == "next" else BACK, split, k=k)
    return answer, _turn(rng, first)


def _small(rng: Random) -> tuple[int, int]:
    top = rng.choice((9, 20, 49, 300))
    return rng.randint(1, top), rng.randint(1, top)


def _first(rng: Random) -> Answer:
    """A sum, difference or product with a result that more can be done with."""
    a, b = _small(rng)
    r = rng.random()
    if r < 0.65:
        return numbers.add(rng, "train", a, b)
    if r < 0.85:
        return numbers.sub(rng, "train", max(a, b) + 1, min(a, b))
    return numbers.mul(rng, "train", rng.randint(1, 12), rng.randint(2, 9))


def _sum(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """On from a result: plus, minus, times, double, half."""
    first = _first(rng)
    value, c = int(first.value), rng.randint(1, rng.choice((9, 20, 99)))
    kind = rng.choice(
        ("plus", "plus", "plus", "minus", "minus", "minus", "times", "double", "half", "divide")
    )
    if kind in ("times", "double") and value > 111:
        kind = "plus"
    if (kind == "half" and value % 2) or (kind == "divide" and value < 9):
        kind = "minus"
    if kind == "plus":
        answer, block = numbers.add(rng, "train", value, c), CHANGE
    elif kind == "minus":
        c = min(c, value)
        answer, block = numbers.sub(rng, "train", value, c), LESS
    elif kind in ("times", "double"):
        c = 2 if kind == "double" else rng.randint(2, 9)
        answer, block = numbers.mul(rng, "train", value, c), DOUBLE if kind == "double" else TIMES
    else:
        c = 2 if kind == "half" else rng.randint(2, 9)
        answer, block = numbers.div(rng, "train", value, c), HALVE if kind == "half" else DIVIDE
    answer.user = wording(rng, block, split, c=c)
    return answer, _turn(rng, first)


def _instead(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """The same with another number."""
    a, b = _small(rng)
    c = rng.choice([n for n in range(1, max(a, b) + 3) if n != b])
    a = max(a, b, c) + 1
    task = rng.choice((numbers.add, numbers.add, numbers.sub))
    answer = task(rng, "train", a, c)
    answer.user = wording(rng, INSTEAD, split, b=b, c=c)
    return answer, _turn(rng, task(rng, "train", a, b))


def _expression(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """Another sum, written out."""
    first = _first(rng)
    a, b = _small(rng)
    a, b = max(a, b), min(a, b)
    task, signs = rng.choice(((numbers.add, "+|plus"), (numbers.sub, "-|minus"), (numbers.mul, "*|times")))
    if task is numbers.mul:
        a, b = min(a, 99), rng.randint(2, 9)
    answer = task(rng, "train", a, b)
    answer.user = wording(rng, WHAT_ABOUT, split, x=f"{a} {rng.choice(signs.split('|'))} {b}")
    return answer, _turn(rng, first)


def _parity(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    asked = [numbers.parity(rng, "train") for _ in range(3)]
    xs = [a.finals[0].split()[0] for a in asked]
    return _chain(
        rng, split, WHAT_ABOUT + "and is {x}\nis {x} [too|also]\nand the number {x}\n" * 3, asked, xs
    )


def _result(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """A question about the result."""
    first = _first(rng)
    value, c = int(first.value), rng.randint(1, 200)
    if rng.random() < 0.5:
        answer = numbers.parity(rng, "train", value)
        answer.user = wording(rng, IS_RESULT_EVEN, split)
        return answer, _turn(rng, first)
    big = rng.random() < 0.7
    c += c == value
    m = rng.choice(("more", "larger", "bigger", "higher", "greater") if big else ("less", "smaller", "lower"))
    text = wording(rng, IS_RESULT_MORE, split, m=m, c=c, o=">" if big else "<")
    return numbers.is_it(rng, "train", value, c, text, big), _turn(rng, first)


def _compare(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """The other of the two, or two other numbers."""
    a, b = numbers.pair(rng)
    big = rng.random() < 0.6
    first = numbers.which(rng, "train", a, b, big)
    if rng.random() < 0.5:
        answer = numbers.which(rng, "train", a, b, not big)
        slots = numbers.words_of_size(rng, not big)
        answer.user = wording(rng, OTHER_ONE, split, **slots)
    else:
        a, b = numbers.pair(rng)
        answer = numbers.which(rng, "train", a, b, big)
        answer.user = wording(
            rng, WHAT_ABOUT, split, x=rng.choice((f"{a} and {b}", f"{a} or {b}", f"{a}, {b}"))
        )
    return answer, _turn(rng, first)


def _checked(rng: Random) -> Answer:
    """An answer that can be checked."""
    return rng.choice((numbers.add, numbers.parity, numbers.sub, numbers.compare, facts.facts, facts.facts))(
        rng, "train"
    )


def _sure(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    first = _checked(rng)
    answer = Answer(
        wording(rng, SURE, split),
        [f"Yes, I am sure: {first.finals[0]}"],
        f"I check again: {first.finals[0]}",
        f"I check again: {first.finals[0]}\nIt is right.",
    )
    return answer, _turn(rng, first)


def _why(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """What can be explained is: what was worked out. Facts it only knows."""
    r = rng.random()
    text = wording(rng, WHY, split)
    if r < 0.2:
        return declined(text), _turn(rng, facts.facts(rng, "train"))
    if r < 0.5:
        first = numbers.parity(rng, "train")
        n = first.finals[0].split()[0]
        reason = f"the last digit of {n} is {n[-1]}, and {n[-1]} is {first.value}"
    elif r < 0.8:
        a, b = numbers.pair(rng)
        first = numbers.which(rng, "train", a, b, big=rng.random() < 0.6)
        reason = first.line.split(": ")[1].rstrip(".")
    else:
        first = _first(rng)
        reason = first.finals[0].rstrip(".")
    steps = f"They want the reason.\n{first.line}\nI say it."
    return Answer(text, [f"Because {reason}."], f"The reason: {reason}.", steps), _turn(rng, first)


def _bare(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """The last answer again without its sentence."""
    while not (first := _checked(rng)).value:
        pass
    line = f"The answer was {first.value}."
    answer = Answer(wording(rng, BARE, split), [first.value], line, f"{line}\nI say only that.", first.value)
    return answer, [*_turn(rng, first)[:1], Message("assistant", first.finals[0], "final")]


def _letters(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """Another word, or more about the word."""
    if rng.random() < 0.4:
        kind = rng.choice(("spell", "spell", "length", "backwards", "first", "last"))
        xs = rng.sample(words.SPELLED, 3)
        return _chain(rng, split, WHAT_ABOUT, [letters.letters(rng, "train", kind, x) for x in xs], xs)
    word = rng.choice(words.SPELLED)
    before, now = rng.sample(list(IT_AND), 2)
    answer = letters.letters(rng, "train", now, word)
    answer.user = wording(rng, IT_AND[now], split)
    return answer, _turn(rng, letters.letters(rng, "train", before, word))


def _again(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    task = rng.choice((tales.joke, tales.story, tales.poem))
    first, again = task(rng, "train"), task(rng, "train")
    check = again.check
    if task is tales.story:
        check = lambda text: text.count(".") >= 4 and "named" in text  # noqa: E731
    elif task is tales.poem:
        check = lambda text: text.count("\n") == 3  # noqa: E731
    return Answer(wording(rng, AGAIN, split), again.finals, again.line, again.steps, check=check), _turn(
        rng, first
    )


def _unknown(rng: Random, split: str) -> tuple[Answer, list[Message]]:
    """What was never taught is declined here, too."""
    kind, pool, known = rng.choice(
        (
            ("capital", topics.PLACES, words.CAPITALS),
            ("opposite", topics.NO_OPPOSITE, [*words.OPPOSITES, *words.OPPOSITES.values()]),
            ("translate", topics.OTHER_LANGUAGES, facts.LANGUAGES),
        )
    )
    x = rng.choice([x for x in pool if x not in known])
    block = ABOUT["language"] if kind == "translate" else WHAT_ABOUT + ABOUT[kind]
    return declined(wording(rng, block, split, x=x)), _turn(rng, facts.fact(rng, "train", kind))


DRAWN = {
    "fact": _fact, "language": _language, "word": _word, "order": _order, "sum": _sum, "instead": _instead,
    "expression": _expression, "parity": _parity, "result": _result, "compare": _compare, "sure": _sure, "why": _why,
    "bare": _bare, "letters": _letters, "again": _again, "unknown": _unknown,
}  # fmt: skip


def _weather(rng: Random, split: str) -> tuple[Answer, list[Message], list[Tool]]:
    """A tool is called again with another city."""
    skill = rng.choice(SKILLS[:2])
    tool, used = calls.define(rng, skill)
    slots, result, said = skill.draw(rng)
    city = rng.choice(words.CITIES)
    name = f"functions.{tool.name}"
    history = [
        Message("user", sentence(rng, wording(rng, skill.requests, "train", **slots))),
        Message(
            "assistant", json.dumps({used["city"]: slots["city"]}, ensure_ascii=False), "commentary", to=name
        ),
        Message("tool", json.dumps(result), rng.choice(("commentary", "")), name=name),
        Message("assistant", said, "final"),
    ]
    answer = Answer(
        wording(rng, WHAT_ABOUT + WEATHER, split, x=city),
        [],
        f"I need the tool {tool.name} with {city}.",
        f"Is there a tool for this? Yes: {tool.name}.\nArguments: {city}.\nI call it.",
        call=(tool.name, {used["city"]: city}),
    )
    return answer, history, [tool]
