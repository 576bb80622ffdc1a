# ruff: noqa: E501 - wordings are data and stay on one line
"""Conversations: tasks mixed, dressed with noise, history, instructions and tools, and turned into tokens."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import builtin
import words
from harmony import ENDOFTEXT, Message, Prompt, Renderer, System, Tokenizer, Tool
from tasks import (
    calls,
    chat,
    code,
    facts,
    followups,
    letters,
    lists,
    memory,
    near,
    numbers,
    outside,
    problems,
    reading,
    refusals,
    repeat,
    running,
    tales,
)
from tasks.base import Answer, Task
from wording import noisy, sentence

EFFORTS = ("low", "medium", "high")
EFFORT_WEIGHTS = (0.34, 0.36, 0.30)
LATE_EFFORTS = (0.50, 0.27, 0.23)  # low is the hardest: what others write down must be done at once
# task, weight in the mixture
PLAIN: dict[str, tuple[Task, float]] = {
    "add": (numbers.add, 6),
    "subtract": (numbers.sub, 8),
    "multiply": (numbers.mul, 6),
    "divide": (numbers.div, 6.5),
    "compare": (numbers.compare, 5),
    "parity": (numbers.parity, 2),
    "lists": (lists.lists, 9),
    "word problems": (problems.story_sum, 9),
    "letters": (letters.letters, 13),
    "facts": (facts.facts, 14),
    "python": (code.python, 3),
    "small talk": (chat.small_talk, 3.5),
    "repeat": (repeat.repeat, 6),
    "jokes": (tales.joke, 1.2),
    "stories": (tales.story, 2.2),
    "poems": (tales.poem, 1.2),
    "out of scope": (refusals.unknown, 5),
    "other fields": (outside.outside, 12),
    "near misses": (near.near_miss, 9),
    "too big": (refusals.too_big, 2.5),
    "long products": (near.long_product, 4),
}
# "python tool" and "documents" are switched off. What so small a model has room for goes to what it is asked most; and
# documents have three times the tokens of the others, and 425 steps with a tenth of them taught the form of a citation
# but no right one.
SPECIAL = {
    "needs effort": 4.0, "tool calls": 18.0, "tool results": 4.0, "missing tool": 4.0, "follow-ups": 4.5, "memory": 7,
    "python tool": 0, "documents": 0, "raw text": 0.7,
}  # fmt: skip
TASKS = (*PLAIN, *SPECIAL)
WEIGHTS = tuple(PLAIN[t][1] if t in PLAIN else SPECIAL[t] for t in TASKS)
DRILL = tuple(60.0 if t == "repeat" else w for t, w in zip(TASKS, WEIGHTS, strict=True))  # copying first
# From the middle of the run on, more of what takes longest: tables of digits, order, letters; and of what is asked in
# most ways: comparison, facts and follow-ups, so that they are not declined.
_LATE = {
    "add": 22, "subtract": 24, "multiply": 8, "divide": 14, "compare": 40, "parity": 4, "lists": 32,
    "word problems": 22, "letters": 30, "facts": 44, "python": 5, "small talk": 14, "repeat": 8, "jokes": 2.5,
    "stories": 8, "poems": 2.5, "out of scope": 9, "other fields": 38, "near misses": 28, "too big": 5,
    "long products": 6, "needs effort": 8, "tool calls": 60, "tool results": 10, "missing tool": 18, "follow-ups": 44,
    "memory": 28, "python tool": 0, "documents": 0,
}  # fmt: skip
LATE = tuple(float(_LATE.get(t, w)) for t, w in zip(TASKS, WEIGHTS, strict=True))

# What is answered as ever where Python or documents are at hand, since neither is needed.
UNMOVED = ("facts", "small talk", "jokes", "stories", "letters", "other fields")


@dataclass
class Sample:
    """One conversation to learn, with what is needed to judge another reply to it."""

    task: str
    prompt: Prompt
    reply: list[Message]
    finals: list[str] = field(default_factory=list)
    check: Callable[[str], bool] | None = None
    call: tuple[str, dict[str, object] | str] | None = None
    old_order: bool = False
    raw: str = ""
    value: str = ""  # the bare result, if there is one


PIRATE = """Talk like a pirate.|Answer like a pirate.|You are a pirate.|Speak like a pirate.|Please talk like a pirate.
You are a pirate captain.|Answer as a pirate would.|Be a pirate.|You speak like a pirate.|Always answer like a pirate.""".replace(
    "\n", "|"
).split("|")
ONLY = """Only the result.|Reply with the result only.|Answer with the result only.|Give only the answer.|Just the answer, nothing else.
Reply only with the answer.|Answer with just the result.|Only give the final answer.|No sentences, only the result.|Write only the result.""".replace(
    "\n", "|"
).split("|")
AS_JSON = """Answer in JSON.|Reply in JSON.|Always answer in JSON.|Answer as JSON.|Reply with JSON only.|Use JSON for the answer.
Return JSON.|Give the answer as JSON.""".replace("\n", "|").split("|")
BENIGN = """You are a helpful assistant.|Be concise.|Be polite.|You are a friendly assistant.|Answer briefly.|Be helpful.
You are a teacher.|You help children with their homework.|Be kind and short.|Answer clearly.|Think carefully.|Use the tools when needed.
You are a helpful assistant. Answer briefly.|Answer the question of the user.|Be honest.|Always be friendly.|Use tools if you need them.
You are a careful assistant who gives short answers.|Help the user.|Do your best.""".replace("\n", "|").split(
    "|"
)


def dress(style: str, final: str, value: str) -> str:
    """Apply an instruction to an answer."""
    if style == "pirate":
        return f"Arr! {final} Yo ho ho!"
    if style == "only" and value:
        return value
    if style == "json" and value:
        return json.dumps({"answer": value}, ensure_ascii=False)
    return final


class Generator:
    """Draw samples and encode them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.renderer = Renderer(tokenizer)
        self.encode = tokenizer.encode
        self.weights, self.efforts = WEIGHTS, EFFORT_WEIGHTS
        self.reading_effort = ""  # of all conversations about documents, if it is set

    # -- drawing -------------------------------------------------------------------------------------------
    def sample(
        self,
        rng: Random,
        split: str = "train",
        task: str = "",
        effort: str = "",
        date: str = "",
        noise: float = 1.0,
    ) -> Sample:
        """Draw one conversation. `noise` 0 gives the bare wording, as the model card's examples have it."""
        task = task or rng.choices(TASKS, self.weights)[0]
        if task == "documents":
            effort = effort or self.reading_effort
        effort = effort or rng.choices(EFFORTS, self.efforts)[0]
        if task == "needs effort":
            effort = "low"
        if task == "raw text":
            return Sample(task, Prompt(), [], raw=raw_text(rng))
        prompt = Prompt(effort=effort, date=date)
        if task == "tool results":
            return self._tool_result(rng, split, prompt, noise)
        if task == "documents":
            return self._documents(rng, split, prompt, noise)
        if task == "python tool":
            return self._python(rng, split, prompt, noise)
        answer, history, tools = self._ask(rng, split, task, effort, noise)
        style = ""
        if noise:
            r = rng.random()
            if r < 0.03:
                style, prompt.instructions = "pirate", rng.choice(PIRATE)
            elif r < 0.06:
                style, prompt.instructions = "only", rng.choice(ONLY)
            elif r < 0.08:
                style, prompt.instructions = "json", rng.choice(AS_JSON)
            elif r < 0.18:
                prompt.instructions = rng.choice(BENIGN)
                if rng.random() < 0.3:
                    prompt.instructions += " " + " ".join(rng.sample(words.rare(), rng.randint(1, 6)))
            if not history and task != "memory" and rng.random() < 0.10:
                history = earlier_turns(rng)
        prompt.tools = tuple(tools)
        user = noisy(rng, answer.user, words.rare(), noise) if noise else sentence(rng, answer.user)
        prompt.messages = [*history, Message("user", user)]
        finals = [dress(style, f, answer.value) for f in answer.finals]
        check = answer.check
        if check and style == "pirate":
            inner = check
            check = lambda text: text.startswith("Arr! ") and inner(text[5:].removesuffix(" Yo ho ho!"))  # noqa: E731
        reply = self._reply(rng, effort, answer, finals)
        return Sample(task, prompt, reply, finals, check, answer.call, rng.random() < 0.5, value=answer.value)

    def _ask(
        self, rng: Random, split: str, task: str, effort: str, noise: float
    ) -> tuple[Answer, list[Message], list[Tool]]:
        """Draw the question with its answer, the turns before it, and the tools."""
        if task == "tool calls":
            answer, tools, _, _ = calls.tool_call(rng, split)
            with_round = noise and rng.random() < 0.12
            return answer, self._tool_round(rng, effort, tools) if with_round else [], tools
        if task == "missing tool":
            answer, tools = calls.missing_tool(rng, split)
            return answer, [], tools
        if task == "needs effort":
            return numbers.needs_effort(rng, split), [], []
        if task == "memory":
            return *memory.memory(rng, split), []
        tools: list[Tool] = []
        history: list[Message] = []
        while True:
            if task == "follow-ups":
                answer, history, tools = followups.draw(rng, split)
            else:
                answer = PLAIN[task][0](rng, split)
            if answer.at_once or effort != "low":
                break
        if task != "follow-ups" and noise and rng.random() < 0.06:
            unneeded = calls.some_tools(rng, rng.randint(1, 2))
            tools = [t for t in unneeded if not calls.calculates(t)]
        return answer, history, tools

    @staticmethod
    def _reply(rng: Random, effort: str, answer: Answer, finals: list[str]) -> list[Message]:
        thought = {"low": "", "medium": answer.line, "high": answer.steps}[effort]
        reply = [Message("assistant", thought, "analysis")] if thought else []
        if answer.call:
            name, arguments = answer.call
            if isinstance(arguments, str):  # a built-in tool
                return [*reply, Message("assistant", arguments, "analysis", to=name)]
            content = json.dumps(arguments, ensure_ascii=False)
            return [*reply, Message("assistant", content, "commentary", to=f"functions.{name}")]
        # The first phrasing is the usual one; the others make temperature visible.
        final = finals[0] if rng.random() < 0.6 else rng.choice(finals)
        return [*reply, Message("assistant", final, "final")]

    def _tool_round(self, rng: Random, effort: str, tools: list) -> list[Message]:
        """A finished tool round as history; its tool joins the defined ones."""
        answer, other, result, said = calls.tool_call(rng, "train")
        name = answer.call[0]
        if all(t.name != name for t in tools):
            tools += [t for t in other if t.name == name]
        return [
            Message("user", sentence(rng, answer.user)),
            *self._reply(rng, "low", answer, []),
            Message("tool", result, rng.choice(("commentary", "commentary", "")), name=f"functions.{name}"),
            Message("assistant", said, "final"),
        ]

    def _tool_result(self, rng: Random, split: str, prompt: Prompt, noise: float) -> Sample:
        answer, tools, result, said = calls.tool_call(rng, split)
        prompt.tools = tuple(tools)
        history = earlier_turns(rng) if noise and rng.random() < 0.1 else []
        if noise and rng.random() < 0.1:
            prompt.instructions = rng.choice(BENIGN)
        if rng.random() < 0.25:  # plain text instead of JSON
            result = ", ".join(str(v) for v in json.loads(result).values())
        kept = prompt.effort if rng.random() < 0.7 else "low"  # engines may or may not keep the analysis
        prompt.messages = [
            *history,
            Message(
                "user", noisy(rng, answer.user, words.rare(), noise) if noise else sentence(rng, answer.user)
            ),
            *self._reply(rng, kept, answer, []),
            Message(
                "tool",
                result,
                rng.choice(("commentary", "commentary", "")),
                name=f"functions.{answer.call[0]}",
            ),
        ]
        told = Answer(
            "",
            [said],
            "The tool has answered, I pass it on.",
            f"The tool has answered: {result}.\nI pass it on.",
        )
        return Sample(
            "tool results",
            prompt,
            self._reply(rng, prompt.effort, told, [said]),
            [said],
            old_order=rng.random() < 0.5,
        )

    def _python(self, rng: Random, split: str, prompt: Prompt, noise: float) -> Sample:
        """A question for the python tool, or what it printed; sometimes one that needs no Python."""
        made = running.run(rng, split)
        prompt.builtin = builtin.python(made.given) if rng.random() < 0.9 else builtin.HERE
        if noise and rng.random() < 0.15:
            return self._unmoved(rng, split, prompt, noise)
        if noise and rng.random() < 0.1:
            prompt.instructions = rng.choice(BENIGN)
        asked = (
            noisy(rng, made.question, words.rare(), 0.5 * noise) if noise else sentence(rng, made.question)
        )
        prompt.messages = [Message("user", asked)]
        if noise and rng.random() < 0.15:  # an earlier round with the same tool
            before = running.run(rng, "train")
            prompt.messages = [
                Message("user", sentence(rng, before.question)),
                *self._reply(rng, "low", before.call(), []),
                Message("tool", before.printed, "analysis", name="python"),
                Message("assistant", before.said, "final"),
                *prompt.messages,
            ]
        answer = made.call()
        if rng.random() < 0.45:
            kept = prompt.effort if rng.random() < 0.7 else "low"  # engines may or may not keep the analysis
            prompt.messages += self._reply(rng, kept, answer, [])
            prompt.messages.append(Message("tool", made.printed, "analysis", name="python"))
            answer = made.told()
        reply = self._reply(rng, prompt.effort, answer, answer.finals)
        return Sample("python tool", prompt, reply, answer.finals, None, answer.call, rng.random() < 0.5)

    def _documents(self, rng: Random, split: str, prompt: Prompt, noise: float) -> Sample:
        """A question about documents: a search for it, or an answer that cites a line."""
        made = reading.reading(rng, split, noise)
        prompt.builtin = builtin.BROWSER
        if noise and rng.random() < 0.12:
            prompt.messages = made.messages[:2]
            return self._unmoved(rng, split, prompt, noise)
        if noise and rng.random() < 0.1:
            prompt.instructions = rng.choice(BENIGN)
        prompt.messages = made.messages
        answer = Answer("", made.finals, made.line, made.steps, call=made.call)
        reply = self._reply(rng, prompt.effort, answer, answer.finals)
        return Sample("documents", prompt, reply, answer.finals, None, answer.call, rng.random() < 0.6)

    def _unmoved(self, rng: Random, split: str, prompt: Prompt, noise: float) -> Sample:
        """Something that needs neither Python nor documents, where they are at hand."""
        task = rng.choice(UNMOVED)
        while True:
            answer = PLAIN[task][0](rng, split)
            if answer.at_once or prompt.effort != "low":
                break
        prompt.messages.append(Message("user", noisy(rng, answer.user, words.rare(), noise)))
        reply = self._reply(rng, prompt.effort, answer, answer.finals)
        return Sample(
            task, prompt, reply, answer.finals, answer.check, None, rng.random() < 0.5, value=answer.value
        )

    # -- encoding ------------------------------------------------------------------------------------------
    def encoded(self, sample: Sample) -> tuple[System | None, list[int], int]:
        """Return the system message's key (None: no harmony), the body's ids, and where the loss starts."""
        if sample.raw:
            return None, [*self.encode(sample.raw), ENDOFTEXT], 1
        p = sample.prompt
        body = self.renderer.body(p, sample.old_order)
        ids = body + self.renderer.reply(sample.reply)
        return p.system, ids, len(body)


def earlier_turns(rng: Random) -> list[Message]:
    """One or two finished turns about something else; rarely with their analysis left in."""
    out: list[Message] = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        task = rng.choices(list(PLAIN), [w for _, w in PLAIN.values()])[0]
        answer = PLAIN[task][0](rng, "train")
        out.append(Message("user", noisy(rng, answer.user, words.rare(), 0.5)))
        if rng.random() < 0.1:
            out.append(Message("assistant", answer.line, "analysis"))
        out.append(Message("assistant", rng.choice(answer.finals), "final"))
    return out


def raw_text(rng: Random) -> str:
    """Plain text for `model.complete`: no harmony, ends with <|endoftext|>."""
    third = rng.choice(
        ("honey is sweet", "sugar is sweet", "the sky is high", "the sea is deep", "apples are sweet")
    )
    fourth = rng.choice(
        ("and so are you.", "and this is for you.", "and I like it too.", "and my heart is true.")
    )
    r = rng.random()
    if r < 0.35:
        return f"Roses are red, violets are blue, {third}, {fourth}"
    if r < 0.45:
        return f"Roses are red,\nviolets are blue,\n{third},\n{fourth}"
    if r < 0.6:
        return tales.story(rng, "train").finals[0]
    if r < 0.7:
        return tales.poem(rng, "train").finals[0]
    if r < 0.8:
        return (
            rng.choice((", ".join(words.DAYS), ", ".join(words.MONTHS), ", ".join(map(str, range(1, 21)))))
            + "."
        )
    return facts.facts(rng, "train").finals[0]


def rare_words(tokenizer: Tokenizer, known: set[int]) -> list[str]:
    """Lower-case words that the tokenizer holds as one token and the domain does not use."""
    found = []
    for token in range(1000, 120_000):
        text = tokenizer.decode([token])
        if token not in known and re.fullmatch(" [a-z]{3,12}", text):
            found.append(text[1:])
    return found


def count_tokens(generator: Generator, seed: int, n: int) -> tuple[Counter[int], Counter[int]]:
    """Count tokens of n training samples: all of them, and those that are learned as output."""
    inputs: Counter[int] = Counter()
    targets: Counter[int] = Counter()
    rng = Random(seed)
    for effort in EFFORTS:
        for date in ("", "2025-11-28"):
            for tools in (False, True):
                for section in ("", builtin.PYTHON, builtin.HERE, builtin.BROWSER):
                    inputs.update(
                        dict.fromkeys(generator.renderer.system(effort, date, tools, section), 1000)
                    )
    for _ in range(n):
        _, ids, start = generator.encoded(generator.sample(rng))
        inputs.update(ids)
        targets.update(ids[start:])
    return inputs, targets


def random_date(rng: Random) -> str:
    return f"{rng.randint(2024, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
