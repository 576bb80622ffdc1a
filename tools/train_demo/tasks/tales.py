# ruff: noqa: E501 - wordings are data and stay on one line
"""Jokes, stories and poems: where temperature shows."""

from __future__ import annotations

from random import Random

import words
from wording import draw, wording

from tasks.base import Answer

JOKES = [
    row.strip()
    for row in """
Why did the scarecrow win a prize? He was outstanding in his field.
What do you call a fish with no eyes? A fsh.
Why did the bicycle fall over? It was two tired.
What do you call cheese that is not yours? Nacho cheese.
Why do bees have sticky hair? They use honeycombs.
What is a computer's favorite snack? Microchips.
Why was the math book sad? It had too many problems.
What do you call a sleeping dinosaur? A dino-snore.
Why did the cookie go to the doctor? It felt crummy.
What has four wheels and flies? A garbage truck.
Why did the tomato turn red? It saw the salad dressing.
What do you call a bear with no teeth? A gummy bear.
Why was six afraid of seven? Because seven ate nine.
What do clouds wear under their coats? Thunderwear.
How does the moon cut its hair? Eclipse it.
Why did the model cross the notebook? To get to the other cell.
Why do programmers like the dark? Light attracts bugs.
What do you get when you cross a snowman and a dog? Frostbite.
Why are ghosts bad at lying? You can see right through them.
What did one wall say to the other? I will meet you at the corner.
""".strip().splitlines()
]
JOKE = """
= a [joke|good joke|short joke|funny joke|silly joke|little joke|new joke|clean joke|joke for kids]
= [something|anything] [funny|to laugh about|that makes me laugh|hilarious]
= your [best|favorite|funniest|worst] joke
! [tell|make|crack|share|say] [me|us|] a [joke|good joke|funny joke|short joke|silly joke]
! [make|get] [me|us|my kids|my friend] [laugh|smile]
! be funny
[joke|jokes][!|?|]
[i am|i'm|we are] [sad|bored|tired|down], [tell me a joke|make me laugh|joke please|cheer me up]
got [a joke|any jokes|any good ones]
[know|heard] any [good|funny|] [jokes|ones]
[entertain|amuse] me[ with a joke| with something funny|]
one joke [please|for me|, please]
[tell me|tell|give me|i want|i'd like|do you have|share|say] a [joke|funny joke|good joke|short joke|silly joke|little joke]
[tell me|say] something funny
[do you know|know] [a|any|some] [good|funny|] [joke|jokes]
make me laugh
[joke|jokes] please
[another|one more] joke
[can|could|will] you [tell me|make|tell] a [good|funny|] joke
i [want|need|would like] [to hear|to laugh about|] a joke
[cheer me up|i need a laugh]
~ let me hear your best joke
~ is there a joke that you can tell
~ i am bored, a joke would be good
"""


def joke(rng: Random, split: str) -> Answer:
    return Answer(
        wording(rng, JOKE, split),
        [rng.choice(JOKES)],
        "They want a joke. I pick a short one.",
        "Wanted: a joke.\nIt must be short and kind.\nI pick one of mine.",
        check=lambda text: text in JOKES,
    )


ANIMALS = [
    "fox",
    "rabbit",
    "bear",
    "cat",
    "dog",
    "mouse",
    "owl",
    "dragon",
    "penguin",
    "lion",
    "horse",
    "frog",
    "wolf",
    "turtle",
    "pirate",
    "robot",
    "wizard",
    "knight",
    *words.MORE_HEROES,
]
TRAITS = ["brave", "curious", "little", "clever", "lonely", "friendly", "sleepy", "shy", "happy", "proud"]
HOMES = ("in a deep forest", "near the sea", "on a high mountain", "in an old castle", "in a small village", "by a quiet river",
         "on a green island", "in a warm valley", "behind the moon", "at the edge of a desert")  # fmt: skip
WISHES = ("find a friend", "see the ocean", "learn to sing", "fly to the moon", "cook the best soup", "find a golden key",
          "read every book", "cross the river", "catch a star", "paint the sky")  # fmt: skip
OPENINGS = ("Once upon a time", "Long ago", "One fine day", "In a year of good apples")
HURDLES = (
    "a storm came up",
    "the path was lost",
    "a tall wall stood in the way",
    "night fell early",
    "the bridge was broken",
    "it began to snow",
)
HELPERS = (
    "an old turtle",
    "a wise owl",
    "a tiny mouse",
    "a kind giant",
    "a singing frog",
    "a stranger with a lamp",
)
HELPS = (
    "showed the way",
    "shared some bread",
    "told a secret",
    "lent a hand",
    "gave good advice",
    "lit a small fire",
)
ENDS = ("From that day on, {n} was never sad again.", "And {n} laughed all the way home.", "{n} slept well that night.",
        "And that is why {n} still smiles.", "{n} and {f} stayed friends for ever.")  # fmt: skip
STORY = """
= a [short|little|nice|good|brief|] [story|tale|bedtime story|fairy tale] [about|with|of] a [{t} |]{k}
= a [short|little|nice|good|brief|] [story|tale|bedtime story|fairy tale] [about|with|of] a {k} [named|called|by the name of] {n}
= a [short|little|nice|good|brief|bedtime|new|sweet] [story|tale]
! [tell|write|make up|invent|create|compose|read|narrate] [me|us|my kids|my son|my daughter|] a [short|little|nice|] [story|tale|bedtime story] [about|with|of] a [{t} |]{k}
! [tell|write|make up|invent|create|compose] [me|us|] a [short|little|nice|] [story|tale] [about|with|of] {n} [the|, a] {k}
! [tell|write|make up|invent|read] [me|us|my kids|] a [short|little|nice|] [story|tale|bedtime story]
a {k} story
[story|tale], [with a|about a|topic:|hero:] {k}
[story|tale] [please|time|, please|]
[the|] hero [should be|is] a {k}. [tell|write] [me|us|] [a|the] story
a story where a {k} [named|called] {n} is the hero
my [son|daughter|kid|child] likes {k}s. [tell|write] [us|me|him|her] a story about a {k}
[we|my kids|my daughter|my son] [cannot sleep|can't sleep|want to sleep], [tell|read] us a story
[tell me|tell|write|write me|give me|i want|i'd like|make up] a [short|little|nice|] story
[tell me|tell|write|write me|give me|make up] a [short|little|nice|] [bedtime|fairy|] [story|tale]
[tell me|tell|write|write me|give me|i want|make up] a [short|little|nice|] story [about|with|of] [a|the|one] {t} {k}
[tell me|tell|write|write me|give me|i want|make up] a [short|little|nice|] [story|tale] [about|with|of] [a|the|one] {k}
[tell me|tell|write|write me|give me|make up] a [short|little|nice|] [story|tale] [about|with|of] [a|the] {k} [named|called] {n}
[tell me|tell|write|write me|give me|make up] a [short|little|nice|] [story|tale] [about|with|of] {n}
[tell me|tell|write|write me|give me|make up] a [short|little|nice|] [story|tale] [about|with|of] {n} the {k}
[can|could|will] you [tell me|write|tell|make up] a [short|little|] [story|tale] [about|with] [a|the] {k}
[can|could|will] you [tell me|write|tell] a [short|little|] [story|tale]
story about [a|] {k}
[another|one more] story
i [want|would like] to [hear|read] a [story|tale] [about a {k}|]
once upon a time
~ let me hear your best story
~ my child wants a story about a {k} before bed
~ is there a story with a {k} that you can tell
~ a story would be nice now, with a {k} named {n}
"""


def story(rng: Random, split: str) -> Answer:
    name, friend = rng.sample(words.NAMES, 2)
    trait, kind = rng.choice(TRAITS), rng.choice(ANIMALS)
    block = STORY
    template = draw(rng, block, split)
    user = template.format(t=trait, k=kind, n=name)
    must = [w for w, slot in ((kind, "{k}"), (name, "{n}"), (trait, "{t}")) if slot in template]
    if "{n}" in template and "{k}" not in template:
        kind = rng.choice(("girl" if name in words.HER else "boy", "child"))
    text = (
        f"{rng.choice(OPENINGS)}, {rng.choice(HOMES)}, there lived a {trait} {kind} named {name}. "
        f"{name} wanted to {rng.choice(WISHES)}. "
        f"On the way {rng.choice(HURDLES)}, but {rng.choice(HELPERS)} named {friend} {rng.choice(HELPS)}. "
        + rng.choice(ENDS).format(n=name, f=friend)
    )
    return Answer(
        user,
        [text],
        f"They want a story. Hero: {name}, a {trait} {kind}.",
        f"Wanted: a short story.\nHero: {name}, a {trait} {kind}.\nFriend: {friend}.\nPlan: a wish, a problem, a helper, a good end.",
        check=lambda text: all(w in text for w in must) and text.count(".") >= 4 and "named" in text,
    )


RHYMES = {
    "sea": (("I", "look"), ("The {a} {v} over the sea,", "and sings a song for you and me.")),
    "night": (("I", "look"), ("The {a} {v} in the night,", "the moon above is round and bright.")),
    "day": (("I", "look"), ("The {a} {v} all the day,", "and chases every cloud away.")),
    "tree": (("I", "look"), ("The {a} {v} by the tree,", "as happy as a thing can be.")),
    "snow": (("I", "look"), ("The {a} {v} in the snow,", "and asks the wind which way to go.")),
    "hill": (("I", "look"), ("The {a} {v} on the hill,", "the evening air is cool and still.")),
    "rain": (("I", "look"), ("The {a} {v} in the rain,", "then says good night and starts again.")),
}
POEM_VERBS = ("dances", "wanders", "dreams", "is walking", "is playing", "is waiting")
POEM_THINGS = [
    "fox",
    "rabbit",
    "bear",
    "cat",
    "dog",
    "mouse",
    "owl",
    "dragon",
    "penguin",
    "lion",
    "horse",
    "frog",
    "wolf",
    "turtle",
    "robot",
    "star",
    "cloud",
    "moon",
    "wind",
    "river",
    *words.MORE_FOR_POEMS,
]
POEM = """
= a [short|little|nice|good|small|four-line|] [poem|rhyme|verse]
= a [short|little|nice|small|four-line|] [poem|rhyme|verse] [about|on|for|with] [a|the] {a}
= [some|a few] [rhymes|verses|lines of poetry] [about|on] [a|the] {a}
! [write|make|make up|compose|recite|create|tell] [me|us|] a [short|little|nice|] [poem|rhyme|verse]
! [write|make|make up|compose|recite|create] [me|us|] a [short|little|nice|] [poem|rhyme|verse] [about|on|for] [a|the] {a}
! rhyme [about|on] [a|the] {a}
a {a} poem
[poem|rhyme], [about the|topic:|on a|with a] {a}
[poem|poems|rhyme] [please|, please|]
be a poet [and write about [a|the] {a}|]
[a|the] {a}, as a [poem|rhyme]
[tell me|write|write me|give me|i want|i'd like|make|make up|recite] a [short|little|nice|] [poem|rhyme|verse]
[tell me|write|write me|give me|i want|make up] a [short|little|nice|] [poem|rhyme|verse] [about|on|for] [a|the] {a}
[can|could|will] you [write|tell me|make] a [short|little|] [poem|rhyme] [about [a|the] {a}|]
[poem|rhyme] about [a|the] {a}
[another|one more] poem
[some|a bit of] poetry[ about the {a}|]
~ let me hear your best poem
~ a poem about the {a} would be nice
~ my friend wants a rhyme with a {a}
"""


def poem(rng: Random, split: str) -> Answer:
    thing = rng.choice(POEM_THINGS)
    template = draw(rng, POEM, split)
    rows = []
    for key in rng.sample(list(RHYMES), 2):
        rows += [row.format(a=thing, v=rng.choice(POEM_VERBS)) for row in RHYMES[key][1]]
    named = "{a}" in template
    return Answer(
        template.format(a=thing),
        ["\n".join(rows)],
        f"They want a poem. I write about the {thing}.",
        f"Wanted: a short poem.\nTopic: the {thing}.\nForm: four lines, two rhymes.",
        check=lambda text: text.count("\n") == 3 and (not named or thing in text),
    )
