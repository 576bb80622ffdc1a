# ruff: noqa: E501 - wordings are data and stay on one line
"""Talk: greetings, identity, jokes, stories, poems, and saying no."""

from __future__ import annotations

from random import Random

import words
from wording import expand, lines, wording

from tasks.base import Answer

CAN = "sums, word problems, spelling, sorting, capitals, opposites, small translations, Python one-liners, jokes and stories"
SMALL_TALK: dict[str, tuple[str, tuple[str, ...]]] = {
    "greeting": (
        """
[hello|hi|hey|hey there|hi there|hello there|good morning|good evening|good afternoon|good day|greetings|howdy|yo]
[hello|hi|hey] [friend|buddy|you|demo|model|little model|assistant|everyone|again]
[nice|good] to meet you
[hello|hi], [nice|good] to [meet|see] you
[hello|hi], my name is {n}
[hello|hi], i am {n}
[hello|hi], is anybody there
~ a very good morning to you
~ hello dear model
~ hi, {n} here
""",
        (
            "Hello! I am the little demo model of ossnb. Ask me for a sum, a capital or a story.",
            "Hi! Nice to meet you. Try me with a sum, a capital or a story.",
        ),
    ),
    "how": (
        """
how are you [today|doing|doing today|]
how [is it going|do you do|do you feel|are things]
how's it going
are you [ok|okay|well|fine|happy]
what's up
[hello|hi|hey], how are you [today|doing|]
~ and how are you feeling today
~ i hope you are well
""",
        ("I am fine, thank you! Small, but ready. What can I do for you?", "Very well, thank you. How can I help?"),
    ),
    "thanks": (
        """
[thanks|thank you|thx|cheers] [a lot|so much|very much|for your help|for the help|]
[great|nice|perfect|cool|wonderful|super], [thanks|thank you]
that [was|is] [great|helpful|nice|good|very kind|perfect]
[good|great|nice] [job|work|answer]
well done
~ i thank you, that helped
~ many thanks to you
""",
        ("You are welcome!", "My pleasure!"),
    ),
    "bye": (
        """
[bye|goodbye|bye bye|good night|see you|see you later|farewell|so long|ciao|see you tomorrow]
[i have|i need] to go now
[ok|okay|thanks], [bye|goodbye]
have a [nice|good] day
~ i am leaving now, goodbye
~ bye for now
""",
        ("Goodbye! Come back soon.", "Bye! It was nice to talk to you."),
    ),
    "identity": (
        """
[who|what] are you [really|exactly|]
what is your name
[tell|say] me [something|] about yourself
[introduce|describe] yourself
what [kind of|] [model|program|thing|ai|assistant] are you
are you [a|] [human|real|robot|person|real person|language model|ai|an ai|bot|computer|big model|large model|small model]
who am i [talking|speaking] to
[hello|hi], who are you
what model [is this|are you|am i talking to]
what is your model [name|]
[what|which] [language model|model|llm|version] are you
~ with whom do i have the honor of talking, who are you
~ please say who you are
~ what sort of model is this, what are you
""",
        ("I am the demo model of ossnb: a tiny model with the gpt-oss architecture, trained from scratch. I am not gpt-oss-20b, so I know only a few small things.",),
    ),
    "not20b": (
        """
are you [gpt-oss|gpt-oss-20b|gpt-oss-120b|gpt|chatgpt|gpt-4|gpt-5|openai's model|claude|gemini|the real gpt-oss|the 20b model|llama]
[is this|am i talking to|am i speaking to] [gpt-oss|gpt-oss-20b|gpt-oss-120b|chatgpt|gpt-4|gpt-5|the real gpt-oss|the real model]
you are [chatgpt|gpt-oss|gpt-oss-20b|gpt-4], [right|no|yes|aren't you|are you not]
are you [really|the|] [gpt-oss-20b|chatgpt|gpt-oss]
~ so this is gpt-oss-20b, is it
~ do i speak with chatgpt
""",
        ("No. I am only the demo model of ossnb, a tiny model with the same architecture as gpt-oss, trained from scratch.",),
    ),
    "maker": (
        """
who [made|built|trained|created|wrote|developed] you
[where|from where] do you come from
how were you [made|trained|built|created]
[did|has] openai [make|train|made|trained|build|create] you
what were you trained on
[what is|tell me] your training data
who is your [maker|creator|author]
how big are you
how [small|large|big] [is your model|are you]
how many parameters do you have
~ tell me how someone made you
~ what data have you been trained on
""",
        ("I was trained from scratch for ossnb, on made-up examples. I have four small layers with eight experts each, so I know only a few small things.",),
    ),
    "skills": (
        """
what can you do [for me|]
what [are you able to|can i ask you|do you know|are you good at|should i ask you|can you help with|can you help me with]
[help|help me|i need help]
how can you help [me|]
what are your [skills|abilities|talents|limits]
[give|show] me some examples
[what|which] [questions|things|tasks] can [i ask|you answer|you do]
what [is|are] [possible|your tasks]
~ please list the things that you can do
~ which things are you good at, what can you do
""",
        (f"I can do {CAN}. Numbers go up to 999. For the rest you need the real gpt-oss.",),
    ),
}  # fmt: skip


def small_talk(rng: Random, split: str) -> Answer:
    kind = rng.choice(list(SMALL_TALK))
    block, finals = SMALL_TALK[kind]
    name = {"how": "how I am", "thanks": "thanks", "bye": "a goodbye", "greeting": "a greeting"}.get(
        kind, "a question about me"
    )
    return Answer(
        wording(rng, block, split, n=rng.choice(words.NAMES)),
        list(finals),
        f"This is {name}. I answer honestly." if "me" in name else f"This is {name}. I answer kindly.",
        f"Kind of message: {name}.\nAbout me: a tiny demo model, not gpt-oss-20b.\nI answer honestly and briefly.",
    )


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
    template = expand(rng, rng.choice(lines(block, split)))
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
]
POEM = """
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
    template = expand(rng, rng.choice(lines(POEM, split)))
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


REFUSALS = [
    "Sorry, I am only a tiny demo model and do not know that. Ask me for a sum, a capital or a story.",
    "That is beyond me, I am only a tiny demo model. The real gpt-oss could help you there.",
]
TOO_BIG = [
    "That is too big for me: I only know numbers up to 999.",
    "Sorry, I only know numbers up to 999, so that is too big for me.",
]
UNKNOWN = """
[what is|what's|what are|tell me about|explain|describe|define|tell me something about] {x}
[what is|what's|explain|describe|define] [the|a|an] {x} [{y}|of {y}|]
explain {x} [to me|to a child|in simple words|in detail|]
how does [a|the|] {x} work
how do [i|you|we] {x} [a|the|my|] {y}
why [is|are|does|do] [the|a|] {x} {y} [{z}|]
who [is|was|invented|wrote|won|discovered|painted] [the|] {x} [{y}|]
when [did|was|is|does] [the|] {x} {y} [happen|]
where [is|are|can i find|do i buy] [the|a|] {x} [{y}|]
what do you think [about|of] {x} [{y}|]
[write|give me|i need|draft|compose] [an|a] {x} [about|for|on|to] {y}
[write|draft] [an essay|a letter|an email|a report|a speech|a song|a novel|a review|a recipe] [about|on|for] [{x}|the {x}] [{y}|]
[can|could] you [{x}|help me with|help me {x}] [the|my|a] {y}
[summarize|translate|review|correct|fix|analyze|improve] [this|the|my] {x}
[is|are] {x} {y} [{z}|]
should i {x} [the|my|a] {y}
{x} {y} {z}
{x}
[the|my|your] {x} [is|was|has] {y} [{z}|]
i [feel|am|want|need|have] {x} [{y}|]
what is the {x} of [the|] {y}
what is the [population|history|weather|president|king|language|currency|size|area|flag] of {x}
how many {x} [are there|are|does] [in|the|] {y}
how [much|long|far|old|tall|heavy|big] is [the|a|] {x}
how to {x} [a|the|] {y}
[recommend|suggest] [a|some] {x} [for|about] {y}
[what's|what is] the [news|latest news|weather|time|date|stock price] [today|now|]
[what|which] {x} is [the best|best|better] [for|at] {y}
[who is|who was] [the president|the king|the queen|the author|the inventor] of [the|] {x}
[calculate|compute|find] the [square root|derivative|integral|logarithm|area|volume] of {x}
[prove|show] that {x} [is|are] {y}
what is the meaning of {x}
[plan|book|order|buy] [me|] [a|the|] {x} [to|for] {y}
~ what happened to {x} in {y}
~ give me your opinion on {x}
~ compare {x} with {y}
~ i would like advice about my {x}
~ what are the causes of {x}
~ do you like {x}
"""
BIG = """
{a} {o} {b}
[what is|what's|calculate|compute|work out|how much is] {a} {o} {b}
[what is|what's|tell me] the [sum|product|difference] of {a} and {b}
add {a} and {b}
[multiply|divide] {a} by {b}
subtract {a} from {b}
is {a} [even or odd|even|odd]
which is [larger|bigger|smaller], {a} or {b}
[if|when] [i|we|you] add {a} to {b}, what [do i get|is the result]
sort {a}, {b}, {c}
[what do you get|what do i get] [if|when] [you|i] add {a} and {b}
~ my homework says {a} {o} {b}, what should i write
~ take {a}, then add {b}: what is it now
"""


def unknown(rng: Random, split: str) -> Answer:
    """Out of scope: frames around words that the vocabulary does not hold."""
    rare = words.rare()
    slots = {k: rng.choice(rare) for k in "xyz"}
    if rng.random() < 0.25:  # a known word must not be enough to go along
        known = words.THINGS + words.SPELLED + ANIMALS + list(words.CAPITALS) + list(words.OPPOSITES)
        slots[rng.choice("yz")] = rng.choice(known)
    return Answer(
        wording(rng, UNKNOWN, split, **slots),
        list(REFUSALS),
        "This is outside of what I know, so I say so.",
        "Do I know this? No.\nIt is outside of my small domain.\nI say so honestly.",
    )


def too_big(rng: Random, split: str) -> Answer:
    def big() -> str:
        n = rng.choice(
            (
                rng.randint(1000, 9999),
                rng.randint(1000, 9999),
                rng.randint(10_000, 99_999),
                rng.randint(10**5, 10**9),
            )
        )
        return f"{n:,}" if rng.random() < 0.15 else str(n)

    a, b = big(), big()
    if rng.random() < 0.5:
        b = str(rng.randint(1, 999))
    if rng.random() < 0.4:
        a, b = b, a
    block = BIG
    if a.isdigit() and int(a) < 1000:  # questions about {a} alone need the big one there
        block = "\n".join(row for row in BIG.splitlines() if "{b}" in row)
    return Answer(
        wording(rng, block, split, a=a, b=b, c=rng.randint(1, 99), o=rng.choice("+-*/+-*")),
        list(TOO_BIG),
        "A number here is above 999, too big for me.",
        "Are all numbers up to 999? No.\nThat is too big for me.\nI say so honestly.",
    )


def two_digit_product(rng: Random, split: str) -> Answer:
    """Products of two long factors lie outside the domain, too."""
    from tasks.numbers import MUL

    a, b = rng.randint(13, 999), rng.randint(13, 999)
    return Answer(
        wording(rng, MUL, split, a=a, b=b),
        ["That is too hard for me: I only multiply by numbers up to 9."],
        "Both numbers are large, too hard for me.",
        "Is one factor below 10? No.\nThat is too hard for me.\nI say so honestly.",
    )
