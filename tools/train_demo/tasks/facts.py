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
= the capital [of|in] [the country|] {x}
= the city that [governs|runs|rules] {x}
= {x}'s [seat of government|capital city name]
= the [capital|capital city] [that|which] {x} has
= the [capital|capital city] [belonging to|for] {x}
! [name|write|say|find] [the capital|the capital city] [belonging to|of] {x}
! [fill in|complete]: the capital of {x} is
! [tell|remind] [me|us] what the capital of {x} is
% [what|which] the capital of {x} [was|is] again
% what [they|people|you] call the capital of {x}
% [which|what] city is {x}'s capital
{x} capital
{x} capital city
{x}'s capital
{x}? capital?
capital of {x}
capital {x} [please|pls|now|what|is]
capital of {x} is
capital for {x}
the capital in {x}
the capital, {x}
[country|land]: {x}. capital
{x} - capital
{x} = capital
whats the capital of {x}
wats the capital of {x}
what capital [of|is in|is of] {x}
what is capital of {x}
what city is the capital of {x}
what's {x}'s capital
what's the name of {x}'s capital
what are capital of {x}
which city [is|becomes|serves as|acts as|works as] the capital [of|for|in] {x}
in {x}, [which|what] city is the capital
in {x}, the capital is [what|called|which city|named]
who knows the capital of {x}
do you know {x}? what is its capital
[tell me|say|name] its capital: {x}
i [was|have been] in {x} but [forgot|do not know|missed] its capital
my [friend|aunt|uncle|teacher] [comes from|lives in] {x}. [what is|tell me] [its|the] capital
my [friend|son|sister|teacher] says [he|she] [was|is] in the capital of {x}. [which|what] city is that
[we|i] [talk|read|learned] about {x} [today|]. [what is|name|which city is] [its|the] capital
[they|people] [in|of] {x} call which city their capital
geography: [the|] capital of {x}
~ i am going to {x}, what is its capital called
~ for the country {x}, name the capital city
~ and the capital of {x} would be
~ which city has {x} as its capital
~ i only know that {x} is a country, tell me its capital
~ {x} has a capital city named how
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
= the country [for|to|of] the capital {y}
= the country {y} [governs|belongs to as its capital]
= the country [where|in which] {y} is the capital
! [find|say|write] the country [whose|with the] capital [is|] {y}
% what country {y} is the capital of
{y}: which country's capital
{y}, whose capital
{y} is the capital city of
{y} capital of
{y} capital of what [country|]
{y} capital of which country
{y} is capital of [what|which country|where]
{y} [governs|rules|runs] [what|which] country
what country [has|uses] the capital [city|] {y}
what is {y} the capital of
what's {y} the capital of
whats {y} capital of
whose capital city is {y}
which country do you [think of|mean] [if|when] the capital is {y}
which [one|] country has {y} for a capital
where is {y} the capital
my [friend|aunt|teacher] [lives|is|was] in the capital {y}. [which|what] country is that
for which country is {y} the capital
of [what|which] is {y} the capital [city|]
the country of the capital {y}
the capital {y}, what country
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
= the exact opposite of {x}
= the opposite [word|term|meaning] [of|for|to] {x}
= {x}'s [opposite|antonym|counterpart]
= the [opposite|antonym] to {x}
= the [counterpart|counter word|opposite side] of {x}
= the word [for|meaning] not {x}
= what [people|you|we] [say|call it] [when|if] something is not {x}
= [the|a] word [that|which] means the [opposite|reverse|contrary] of {x}
= the [other|opposite] [end|side|extreme] of {x}
! [find|give|write|say|think of] [the|an] [opposite|antonym] [of|for|to] {x}
! [write|say|find] the [word|one word] that is opposite to {x}
! [reverse|flip|invert] the [meaning|sense] of {x}
! [replace|swap|exchange] {x} [with|by|for] its opposite
! turn {x} into [the|its] opposite
! [match|pair] {x} with its opposite
! make the opposite of {x}
! complete: the opposite of {x} is
% what [the|] [antonym|contrary|reverse] of {x} is
% how you call the opposite of {x}
% what [you|we|people] call the opposite of {x}
% what [people|you|we] say for the opposite of {x}
% which word means the opposite of {x}
% what means not {x}
{x}: antonym
{x} antonym
{x} opposite
{x} opposite word
{x} opposite is
{x}'s opposite
{x} <-> [?|what|]
{x} is to what as the opposite
{x} [versus|vs|against] [which word|what word|which]
{x}? [opposite|the opposite|antonym]
{x}? and the opposite
{x} contrary
{x} [reversed|turned around|flipped] in meaning
not {x}, but
not {x}, so
not {x} means
not {x}, then [what|it is|it must be]
if not {x}, then [what|which]
if something is not {x}, [it is|what is it|then what]
if i am not {x}, i am [what|]
if it [is|was] the opposite of {x}, [what is it|it is]
the opposite from {x}
the opposite for {x}
the opposite to {x} is
the reverse of {x}
the reverse of {x} is [what|which word|]
the contrary of {x} [is|]
the contrary to {x}
the antonym of {x} is [what|]
the antonym [for|to] {x}
the other way round from {x}
the [other|opposite] side of {x}
the [exact|complete|total|direct] opposite of {x} is [what|]
opposite [for|to|word of|word for|from] {x}
opposite {x}
opposite meaning of {x}
opposites: {x} and
opposites: {x} and [what|...|which]
opposite pair: {x} and
antonyms: {x} and
antonym to {x}
antonym for {x} [please|now|is|]
reverse of {x}
contrary of {x}
whats the opposite of {x}
wats the opposite of {x}
what's the oposite of {x}
what's the opposite word [of|for] {x}
what opposite [of|has|is to] {x}
what is opposite of {x}
what is the opposite [for|to|from] {x}
what is the opposite word [of|for|to] {x}
what is the opposite if you say {x}
what is the antonym [for|to] {x}
what is not {x}
what is not {x} called
what is the reverse of {x}
what would be the [opposite|reverse|contrary|antonym] of {x}
what do you call the [opposite|reverse|contrary] of {x}
what do you call [it when it is|something that is|someone who is] not {x}
what do [we|people|they] [say|call it] when it is not {x}
what do i say [if something|when something|for something that] is not {x}
what word is the [antonym|contrary|reverse] of {x}
what word [stands|is] against {x}
what word means not {x}
what goes with {x} as [its|the] opposite
what stands opposite [to|] {x}
what has {x} as its opposite
what's not {x}
what's the other side of {x}
which is the opposite of {x}
which word [stands against|contrasts with|goes against] {x}
which word [do|would|should] [i|you|we] [use|say|write] for the opposite of {x}
which word has the opposite meaning [of|to] {x}
which word [says|expresses] the [contrary|reverse|opposite] of {x}
how do you [say|call|name] the opposite of {x}
how do [you|we] call something that is not {x}
how is the opposite of {x} called
how would you say not {x} in one word
do you know [the|an] [opposite|antonym] [of|for|to] {x}
does {x} have an opposite, and which
is there [an opposite|a word for the opposite] of {x}
can you give me an antonym [for|of] {x}
can you [think of|find] the opposite [for|of] {x}
[tell|give] me [something|a word|the word] opposite to {x}
[tell|give] me the opposite: {x}
[say|write] the opposite: {x}
[give|name|say] an opposite: {x}
now the opposite: {x}
the word [is|was] {x}. [what is|give me|say|now] the opposite
[my word|the word|i say|you hear|first word]: {x}. [opposite|the opposite|what is the opposite]
i say {x}, you say [the opposite|]
i say {x}, [what is|what would be] the opposite
my [friend|teacher|son|sister|book] [says|said|wrote|has] {x}, [what is|what's|i need|tell me] the opposite
my [kid|son|daughter|teacher] [asks|wants|needs] the [opposite|antonym] of {x}
[he|she|it|this] is {x}, [the other is|that is|i am] the opposite. [what|which word] is [that|it]
[she|he] is {x} and [he|she] is the opposite. [what|which word] is that
i [mean|want|need|look for] the [word|opposite], not {x} but the other
i need [a|one|the] word [with|of] the opposite meaning: {x}
we play opposites. {x}
we play opposites: {x}
[game|let's play] opposites: {x}
in [school|class] we learn opposites. [what is|what's] the opposite of {x}
[english|vocabulary] exercise: opposite of {x}
fill in: {x} is the opposite of
fill in: the opposite of {x} is
{x} and [what|which word] are opposites
{x} is the opposite of
{x} is the opposite of [what|which word]
{x} [is|means] the contrary of [what|which word]
{x}, the opposite is
{x} - opposite
{x} / opposite
~ if something is not {x}, it is the opposite: what
~ i need a word that is the opposite of {x}
~ {x}: name the opposite word
~ my teacher said {x}, so i should write the opposite
~ {x} is the word, its antonym please
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
= the young of [a|the] {x}
! say what a baby {x} is called
% the [name|word] for [a|the] baby {x}
{x} baby is called
{x}'s baby
baby of [a|the] {x}
young {x}
young {x} name
young of [a|the] {x}
whats a baby {x} called
what's a [baby|young|little] {x} called
what's the baby of a {x}
what is [the|a] baby of [a|the] {x} called
what is the [young|little] one of a {x}
what do you call a {x} baby
what do you call the [young|child|little one] of a {x}
what do people call a [little|young|newborn] {x}
how do [people|we] call a [little|young|baby] {x}
how is the [baby|young|child] of a {x} called
the {x} has a baby, it is called
my {x} had babies. what are they called
my [son|daughter] saw a baby {x}. what is it called
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
! say what [a|the] {x} says
% [which|what] noise the {x} makes
{x} says
{x} says what
{x} sounds like
a {x} goes
whats the sound of a {x}
what noise [do|does] {x}s make
what sound do {x}s make
what sound [comes from|would come from] a {x}
what's the noise of a {x}
how do {x}s [sound|go]
how does [a|the] {x} call
which noise comes from a {x}
the {x} says
the noise of a {x}
the cry of a {x}
my [son|daughter] asks what a {x} says
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
= {x}'s [color|colour]
% what [color|colour] {x} [is|has]
{x} is [what|which] [color|colour]
{x} is what [color|colour]
{x} [color|colour]
[color|colour] {x}
[color|colour] of a {x}
[color|colour]: {x}
whats the [color|colour] of {x}
what's the [color|colour] of [a|the|] {x}
what [color|colour] is {x}
what [color|colour] are [they|these]: {x}
what [color|colour] has [a|the|] {x}
which [color|colour] has [a|the|] {x}
how is [a|the|] {x} [colored|coloured]
what is the usual [color|colour] of {x}
my [kid|son|daughter] [draws|paints] [a|the|] {x}. [which|what] [color|colour] is [right|best|needed]
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
= the [word|term|expression] for {q} in {l}
= the {l} [equivalent|version|form] of {q}
= {q} [translated into|expressed in|written in] {l}
= the {l} [word|] that means {q}
! [give|write|tell] [me|us] {q} in {l}
! [express|write] {q} in {l}
! [find|look up] the {l} [word|translation] [for|of] {q}
! put [the word|] {q} [into|in] {l}
% what [they|people] call {q} in {l}
% how [a|the] {l} [person|speaker] says {q}
% how {q} is [said|called|written|translated] in {l}
% what {q} [means|translates to] in {l}
{q} in {l} [please|pls|is|means|now|is called]
{q} - {l}
{q} = {l}
{q} to {l}
{q} ({l})
{q} {l} [word|translation]
{q}? in {l}
{l} {q}
{l} for {q}
{l} word {q}
{l}, {q}
{l} translation: {q}
in {l}: {q}
in {l} {q} is
in {l}, [what is|how do you say|how to say|what's] {q}
whats {q} in {l}
what's the {l} [for|word for|translation of|version of] {q}
what is {l} for {q}
what is {q} [called|named] in {l}
what do [they|people|you] [call|say for] {q} in {l}
what does {q} [mean|become|translate to] in {l}
what would {q} be in {l}
what would [a|the] {l} [person|speaker|friend] [call|say for] {q}
how [would|do|does|can] [a|the] {l} [person|speaker|child|teacher] say {q}
how do [they|people|we] say {q} in {l}
how you say {q} in {l}
how say {q} in {l}
how is {q} [said|called|written] in {l}
how can i say {q} in {l}
how does one say {q} in {l}
how do you [call|write|translate] {q} in {l}
say {q} in {l}
say {q} [to me|for me|] in {l}
the {l} name for {q}
the word [is|was] {q}. [say it|translate it|now] in {l}
my [word|english word] is {q}. [what is it|how is it] in {l}
i [know|have] the word {q} in English, [but|and] [how is it|what is it] in {l}
my [friend|teacher|neighbor|grandma] [is|speaks] {l}. how [do i|does she|would he] say {q}
i [go|travel|fly|move] [there|abroad] and need {l}. what is {q}
i [learn|study|practice|am learning] {l}. [what is|how do i say|tell me] {q}
we learn {l} [at school|]. [the word is|what is|how is] {q}
can you say {q} in {l}
could you [please|] [tell me|say] {q} in {l}
do you know {q} in {l}
[English|english] {q}, {l} [what|]
how [would|will|might] {p} say {q}
what [would|might] {p} call {q}
how would {p} [write|name] {q}
i talk to {p}. how do i say {q}
what do i say to {p} for {q}
{p} would say what for {q}
% how {p} would say {q}
% what {p} would call {q}
~ i am learning {l}, how do i say {q}
~ in {l}, {q} is called what
~ the word {q}: what is it in {l}
~ if {p} came by, how would i say {q}
~ {q} should be written in {l}, how
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
= [what|the {k} that] [comes|is] after {x}
= the {k} [which|that] comes [right|just|directly] after {x}
= the following {k} after {x}
! say [which|what] {k} [is|comes] after {x}
% which {k} comes [right|just|directly] after {x}
% what {k} [follows|is after] {x}
% what follows {x}
{x} and then
{x}, next [one|{k}|]
{x} + 1 {k}
{x}? and then
{x}, what comes next
{x} then
{x}, what's next
after {x}
after {x} is
after {x} what [comes|is|{k}]
after {x} we [have|get]
[what|which {k}] is after {x}
what's after {x}
whats after {x}
what follows {x}
what follows after {x}
what is next after {x}
what {k} [follows|is after|follows after] {x}
whats the {k} after {x}
which {k} [will|would] come after {x}
which {k} is it [one {k} after|after] {x}
one {k} after {x}
if it is {x} now, which {k} comes next
if this is {x}, what is the next {k}
we have {x}. [which|what] {k} [comes|is] next
my test is [on|in] the {k} after {x}. which {k} is that
the {k} that follows {x}
the {k} right after {x}
the next {k} after {x} is
next {k}: {x}
when {x} [is over|ends|is past], [what|which {k}] [comes|begins|starts]
~ {x} is over, which {k} is next
~ after {x} we have which {k}
~ {x} has passed, what do we have now
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
= [what|the {k} that] [comes|is] before {x}
= the {k} [which|that] comes [right|just|directly] before {x}
= the {k} prior to {x}
! say [which|what] {k} [is|comes] before {x}
% which {k} comes [right|just|directly] before {x}
% what {k} [precedes|is before] {x}
% what precedes {x}
{x}, previous [one|{k}|]
{x} - 1 {k}
{x}, what came before
{x}, what was before
{x}? and before
before {x}
before {x} is
before {x} what [comes|is|{k}]
before {x} we [have|had|get]
[what|which {k}] is before {x}
what's before {x}
whats before {x}
what precedes {x}
what came before {x}
what was before {x}
what {k} [precedes|is before|came before|was before] {x}
whats the {k} before {x}
which {k} [came|was] before {x}
which {k} is it one {k} before {x}
which {k} ends when {x} [begins|starts]
one {k} before {x}
if it is {x} now, which {k} was before
if today is {x}, which {k} came before
it is {x}. [which|what] {k} was before
my test is [on|in] the {k} before {x}. which {k} is that
the {k} that [precedes|is before|comes before] {x}
the {k} right before {x}
the previous {k} [to|of|before] {x}
{x} [follows|comes after|is after] what [{k}|]
~ which {k} did we have before {x}
~ before {x} there is which {k}
~ {x} starts, which {k} just ended
""",
}


# Who speaks a language: "how would a Spaniard say dog".
SPEAKERS = {
    "Spanish": ("a Spaniard", "people in Spain", "a Spanish girl", "my friend in Madrid"),
    "French": ("a Frenchman", "people in France", "a French girl", "my friend in Paris"),
    "German": ("a German", "people in Germany", "a German boy", "my friend in Berlin"),
}
LANGUAGES = tuple(SPEAKERS)
KINDS = (
    "capital",
    "capital",
    "country",
    "opposite",
    "opposite",
    "baby",
    "sound",
    "colour",
    "translate",
    "translate",
    "next",
    "before",
)


def speaker(rng: Random, language: str) -> str:
    return rng.choice((*SPEAKERS.get(language, ()), f"a {language} speaker"))


def facts(rng: Random, split: str) -> Answer:
    return fact(rng, split, rng.choice(KINDS))


def items(kind: str) -> list[str]:
    """What a kind of fact is asked about."""
    tables = {
        "capital": words.CAPITALS,
        "country": words.CAPITALS,
        "opposite": words.OPPOSITES,
        "baby": words.BABY_ANIMALS,
        "sound": words.SOUNDS,
        "colour": words.COLOURS,
        "translate": words.TRANSLATIONS,
    }
    return list(tables[kind]) if kind in tables else [*words.DAYS, *words.MONTHS]


def fact(rng: Random, split: str, kind: str, item: str = "", language: str = "") -> Answer:
    """One fact; about an item of its table, or about any."""
    x = item or rng.choice(items(kind))
    if kind in ("capital", "country"):
        y = words.CAPITALS[x]
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
        y = words.OPPOSITES[x]
        if not item and rng.random() < 0.5 and y not in words.OPPOSITES and y != "light":
            x, y = y, x
        q = rng.choice((x, x, f'"{x}"', f"'{x}'"))
        text = wording(rng, FACTS[kind], split, x=q)
        finals, line, value = [f'The opposite of "{x}" is "{y}".'], f"Opposite of {x}: {y}.", y
        steps = f"Question: an opposite.\nWord: {x}.\nOpposite: {y}."
    elif kind in ("baby", "sound", "colour"):
        table = {"baby": words.BABY_ANIMALS, "sound": words.SOUNDS, "colour": words.COLOURS}[kind]
        y = table[x]
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
        language = language or rng.choice(LANGUAGES)
        y = words.TRANSLATIONS[x][language]
        q = rng.choice((x, x, f'"{x}"', f"'{x}'"))
        text = wording(rng, FACTS[kind], split, q=q, l=language, p=speaker(rng, language))
        finals, line, value = [f'"{x}" is "{y}" in {language}.'], f"{x} in {language}: {y}.", y
        steps = f"Question: a translation.\nWord: {x}.\nLanguage: {language}.\nTranslation: {y}."
    else:
        if not item:
            x = rng.choice(rng.choice((words.DAYS, words.MONTHS)))
        table, k = (words.DAYS, "day") if x in words.DAYS else (words.MONTHS, "month")
        y = table[(table.index(x) + (1 if kind == "next" else -1)) % len(table)]
        text = wording(rng, FACTS[kind].replace("[day|month]", k), split, x=x, k=k)
        where = "after" if kind == "next" else "before"
        finals, line, value = [f"{y} comes {where} {x}."], f"The {k} {where} {x}: {y}.", y
        steps = f"Question: the {k} {where} {x}.\nAnswer: {y}."
    return Answer(text, finals, line, steps, value)
