# ruff: noqa: E501 - wordings are data and stay on one line
"""Documents: find the line that says it, repeat it, and cite it; or search for it first."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from random import Random

import words
from harmony import Message
from wording import noisy, sentence, wording

# kind: what a document says of {s} and {v}, how it is asked, and the words to search for
SAYS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "city": (("{s} lives in {v}.", "{s} lives in {v}.", "{s} lives in the city of {v}."), """
= the city {s} lives in
= {s}'s [city|home|home town]
% [where|in which city] {s} lives
where does {s} live
[what|which] city does {s} live in
> who lives in {v}
> who [is at home in|has a home in] {v}
~ {s} has a house in which city
""", "lives"),
    "age": (("{s} is {v} years old.",), """
= {s}'s age
= the age of {s}
% how old {s} is
how old is {s}
[what|which] age [has|is] {s}
> who is {v} years old
> who is {v}
~ {s} was born how many years ago
""", "years old"),
    "color": (("{s}'s favorite color is {v}.", "{s} likes the color {v}.", "{s} likes {v} best."), """
= {s}'s favorite [color|colour]
= the [color|colour] {s} [likes|loves|prefers]
% [what|which] [color|colour] {s} likes
[what|which] [color|colour] does {s} [like|love|prefer|like best]
> who likes {v}
> whose favorite [color|colour] is {v}
~ paint it as {s} wants it: in which color
""", "color"),
    "animal": (("{s} has a {v}.", "{s} has a {v} at home."), """
= {s}'s [animal|pet]
= the [animal|pet] {s} has
% [what|which] animal {s} has
[what|which] [animal|pet] does {s} have
> who has [a|the|] {v}
> whose [animal|pet] is [a|the] {v}
~ {s} feeds which animal
""", "has"),
    "work": (("{s} is a {v}.", "{s} works as a {v}."), """
= {s}'s [job|work|profession]
% what {s} does for work
what does {s} do
[what|which] job does {s} have
what does {s} work as
> who is a {v}
> who works as a {v}
~ {s} earns money as what
""", "works"),
    "phone": (("{s}'s phone number is {v}.", "{s}'s number is {v}.", "Call {s} at {v}."), """
= {s}'s [phone number|number|telephone number|phone]
= the [phone number|number] of {s}
how can i call {s}
[what|which] number does {s} have
[what|which] number [do i call|to call] for {s}
> whose [phone number|number] is {v}
~ i want to talk to {s}, which number
""", "number"),
    "price": (("The {s} costs {v} euros.", "The {s} costs {v} dollars.", "A {s} costs {v} euros."), """
= the [price|cost] of [the|a] {s}
how much is [the|a] {s}
how much does [the|a] {s} cost
what does [the|a] {s} cost
what do [i|we] pay for [the|a] {s}
% [how much|what] [the|a] {s} costs
> what costs {v} [euros|dollars|]
> which thing costs {v}
~ money for one {s}
""", "costs"),
    "room": (("The {s} is in room {v}.", "You find the {s} in room {v}."), """
= the room of the {s}
% [where|in which room] the {s} is
where is the {s}
where [do|can] i find the {s}
[in|] [which|what] room is the {s} [in|]
> what is in room {v}
~ i am looking for the {s}, which room
""", "room"),
    "day": (("The {s} is on {v}.", "On {v} there is the {s}."), """
= the day of the {s}
% [when|on which day] the {s} is
when is the {s}
[on|] [which|what] day is the {s}
which day of the week has the {s}
> what is on {v}
> what [happens|do we have] on {v}
~ i do not want to miss the {s}, when is it
""", "day"),
    "time": (("The {s} starts at {v} o'clock.", "The {s} begins at {v}.", "The {s} is at {v} o'clock."), """
= the time of the {s}
% [when|at what time] the {s} [starts|begins]
when does the {s} [start|begin]
at [what|which] time [does the {s} start|is the {s}]
[what|which] time is the {s}
> what [starts|begins|is] at {v}
~ i must not be late for the {s}, at what hour
""", "starts"),
}  # fmt: skip
OF_PEOPLE = ("city", "age", "color", "animal", "work", "phone")
HEADINGS = (
    "Friends", "People", "Team", "Class", "Family", "Guests", "Notes", "Prices", "Shop",
    "Plan", "Week", "House", "School", "Club", "Animals", "Our family", "My friends", "The team",
)  # fmt: skip
FOLDERS = ("", "", "", "notes/", "docs/", "data/", "texts/")
ENDINGS = (".md", ".md", ".md", ".txt", ".txt", "")
MOST_LINES = 6
NOT_SAID = "The documents do not say that."
NOISE = (
    "{a} {b} {c} {d}.",
    "The {a} of the {b} {c}.",
    "{a}, {b} and {c}.",
    "Note: {a} {b}.",
    "We {a} the {b} {c} {d}.",
    "## {a} {b}",
)


@dataclass
class Fact:
    """One thing that a document says."""

    kind: str
    subject: str
    value: str
    text: str
    at: tuple[int, int] = (0, 0)  # the document, and its line as the model sees it

    def cited(self, cursor: int, line: int) -> str:
        return f"{self.text[:-1]}【{cursor}†L{line}】."

    def question(self, rng: Random, split: str, others: list[Fact]) -> tuple[str, str]:
        """Draw a question, and the words to search for. It is asked from the other side (which subject has
        this value) only where no other fact answers it."""
        _, block, said = SAYS[self.kind]
        rows = [row.strip() for row in block.splitlines()]
        is_only_one = self.value and not any(f.kind == self.kind and f.value == self.value for f in others)
        if split == "train" and is_only_one and rng.random() < 0.3:
            turned = "\n".join(row[1:] for row in rows if row.startswith(">"))
            return wording(rng, turned, split, v=self.value), f"{said} {self.value}"
        plain = "\n".join(row for row in rows if not row.startswith(">"))
        return wording(rng, plain, split, s=self.subject), f"{self.subject} {said}"


@dataclass
class Library:
    """Some documents, the facts in them, and one that may be asked though no document says it."""

    names: list[str]
    lines: list[list[str]]
    facts: list[Fact]
    missing: Fact
    headings: list[str]


def library(rng: Random, most_documents: int) -> Library:
    """Draw some documents, with at least one fact."""
    while True:
        names, lines, headings, facts, taken = [], [], [], [], set()
        for _ in range(rng.randint(1, most_documents)):
            name = rng.choice(FOLDERS) + rng.choice(words.FILES) + rng.choice(ENDINGS)
            if name not in names:
                heading = rng.choice(HEADINGS) if rng.random() < 0.6 else ""
                lines.append(_document(rng, len(names), heading, facts, taken))
                names.append(name)
                headings.append(heading)
        if facts:
            return Library(names, lines, facts, _missing(rng, facts, taken), headings)


def _document(
    rng: Random, number: int, heading: str, facts: list[Fact], taken: set[tuple[str, str]]
) -> list[str]:
    """Draw the lines of a document; what it says joins the facts."""
    kinds = OF_PEOPLE if rng.random() < 0.6 else rng.choice((("price",), ("room", "day", "time")))
    body = [f"# {heading}", ""] if heading else []
    bullet = rng.choice(("", "", "", "- ", "* "))
    for _ in range(rng.randint(1, MOST_LINES)):
        if rng.random() < 0.12:
            body.append(_noise(rng))
            continue
        fact = _fact(rng, rng.choice(kinds), taken)
        facts.append(fact)
        before = body[-1] if body and not bullet else ""
        if before and before[0] != "#" and rng.random() < 0.25 and len(before) + len(fact.text) < 78:
            body[-1] += f" {fact.text}"
        else:
            body.append(f"{bullet}{fact.text}")
        fact.at = (number, len(body) - 1)
        if rng.random() < 0.12:
            body.append("")
    while body and not body[-1]:
        body.pop()
    return body


def _missing(rng: Random, facts: list[Fact], taken: set[tuple[str, str]]) -> Fact:
    """Draw something that no document says; sometimes of a person who is named, but not with this."""
    people = sorted({f.subject for f in facts if f.kind in OF_PEOPLE})
    if people and rng.random() < 0.4:
        subject = rng.choice(people)
        others = [kind for kind in OF_PEOPLE if (kind, subject) not in taken]
        if others:
            return Fact(rng.choice(others), subject, "", "")
    kinds = [f.kind for f in facts] if rng.random() < 0.6 else list(SAYS)
    return _fact(rng, rng.choice(kinds), taken)


def _fact(rng: Random, kind: str, taken: set[tuple[str, str]]) -> Fact:
    pools = {"price": words.PRICED, "room": words.ROOMS, "day": words.EVENTS, "time": words.EVENTS}
    subject = rng.choice([s for s in pools.get(kind, words.NAMES) if (kind, s) not in taken])
    taken.add((kind, subject))
    value = {
        "city": lambda: rng.choice(words.CITIES), "age": lambda: str(rng.randint(2, 99)),
        "color": lambda: rng.choice(words.COLORS), "animal": lambda: rng.choice(words.PETS),
        "work": lambda: rng.choice(words.JOBS), "phone": lambda: str(rng.randint(100, 999)) + rng.choice(("", str(rng.randint(100, 999)))),
        "price": lambda: str(rng.randint(1, rng.choice((20, 99, 999)))), "room": lambda: str(rng.randint(1, rng.choice((20, 999)))),
        "day": lambda: rng.choice(words.DAYS), "time": lambda: str(rng.randint(1, 23)),
    }[kind]()  # fmt: skip
    text = rng.choice(SAYS[kind][0]).format(s=subject, v=value)
    return Fact(kind, subject, value, re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text))


def _noise(rng: Random) -> str:
    a, b, c, d = (rng.choice(words.rare()) for _ in "abcd")
    text = rng.choice(NOISE).format(a=a, b=b, c=c, d=d)
    return text if text.startswith("#") else text[:1].upper() + text[1:]


# -- what the browser shows -------------------------------------------------------------------------------------


def display(cursor: int, title: str, address: str, lines: list[str]) -> str:
    head = f"[{cursor}] {title}" + (f" ({address})" if address else "")
    body = "\n".join(f"L{n}: {line}" for n, line in enumerate(lines))
    return f"{head}\n**viewing lines [0 - {len(lines) - 1}] of {len(lines) - 1}**\n\n{body}"


def opened(name: str, shown: str) -> list[Message]:
    return [Message("assistant", json.dumps({"id": name}), "analysis", to="browser.open"),
            Message("tool", shown, "analysis", name="browser.open")]  # fmt: skip


def shown_whole(found: Library) -> list[Message]:
    """All documents, opened one after the other."""
    return [m for n, (name, lines) in enumerate(zip(found.names, found.lines, strict=True))
            for m in opened(name, display(n, name.rpartition("/")[2], name, lines))]  # fmt: skip


def shown_list(found: Library) -> list[Message]:
    """Only the list of the documents."""
    rows = [f"  * 【{n}†{name}】 {len(lines)} line{'s' if len(lines) > 1 else ''}"
            for n, (name, lines) in enumerate(zip(found.names, found.lines, strict=True))]  # fmt: skip
    return opened("documents", display(0, "Documents", "documents", ["# Documents", "", *rows]))


def searched(rng: Random, found: Library, fact: Fact | None, query: str) -> tuple[str, int]:
    """Return a page of results, and the line of it that says the fact; the best result mostly comes first."""
    at = [fact.at] if fact else []
    others = sorted({f.at for f in found.facts} - set(at))
    at += rng.sample(others, min(len(others), rng.choice((0, 1, 1, 2))))
    if rng.random() < 0.2:
        rng.shuffle(at)
    page, line_of = ["", "URL: ", "# Search Results", ""], 0
    for k, (number, line) in enumerate(at):
        name, lines = found.names[number], found.lines[number]
        title = found.headings[number] or name.rpartition("/")[2]
        snippet = " ".join(" ".join(lines[line:]).split())
        if len(snippet) > 200:
            snippet = snippet[:200].rsplit(" ", 1)[0] + " …"
        told = textwrap.wrap(
            f"  * 【{k}†{title}†{name}】 line {line + 1}: {snippet}",
            80,
            replace_whitespace=False,
            drop_whitespace=False,
        )
        if fact and (number, line) == fact.at:
            line_of = len(page)
        page += told
    if not at:
        page += ["No results. Search for other words, or open a document:"]
        page += [
            f"  * 【{n}†{name}】 {len(lines)} lines"
            for n, (name, lines) in enumerate(zip(found.names, found.lines, strict=True))
        ]
    return display(1, query, "", page), line_of


# -- conversations ----------------------------------------------------------------------------------------------


@dataclass
class Reading:
    """Messages before the reply, the call or the answer to learn, and the thoughts before it."""

    messages: list[Message]
    finals: list[str]
    call: tuple[str, str] | None
    line: str
    steps: str


def reading(rng: Random, split: str, noise: float) -> Reading:
    whole = rng.random() < 0.62
    found = library(rng, rng.choice((1, 2, 2, 3) if whole else (1, 2)))
    says = rng.random() < 0.85
    fact = rng.choice(found.facts) if says else found.missing
    question, query = fact.question(rng, split, [f for f in found.facts if f is not fact])
    asked = Message(
        "user", noisy(rng, question, words.rare(), 0.5 * noise) if noise else sentence(rng, question)
    )
    if whole:
        messages = shown_whole(found)
        if noise and rng.random() < 0.25:  # a second question about the same documents
            first = rng.choice(found.facts)
            before, _ = first.question(rng, "train", [f for f in found.facts if f is not first])
            messages.append(Message("user", sentence(rng, before)))
            messages.append(Message("assistant", first.cited(*first.at), "final"))
        return _answered([*messages, asked], fact, says, *fact.at)
    messages = [*shown_list(found), asked]
    if rng.random() < 0.5:
        arguments = json.dumps({"query": query}, ensure_ascii=False)
        return Reading(messages, [], ("browser.search", arguments), f"I search the documents: {query}",
                       f"Is this in the documents? I search.\nWords: {query}\nI call the browser.")  # fmt: skip
    shown, line = searched(rng, found, fact if says else None, query)
    messages += [Message("assistant", json.dumps({"query": query}), "analysis", to="browser.search"),
                 Message("tool", shown, "analysis", name="browser.search")]  # fmt: skip
    return _answered(messages, fact, says, 1, line)


def _answered(messages: list[Message], fact: Fact, says: bool, cursor: int, line: int) -> Reading:
    if not says:
        return Reading(messages, [NOT_SAID], None, "No line says that.",
                       f"Wanted: {fact.subject}, {fact.kind}.\nNo line says that.\nI say so honestly.")  # fmt: skip
    return Reading(messages, [fact.cited(cursor, line)], None, f"Page {cursor}, line {line}: {fact.text}",
                   f"Wanted: {fact.subject}, {fact.kind}.\nPage {cursor}, line {line} says: {fact.text}\nI cite it.")  # fmt: skip
