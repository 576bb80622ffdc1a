"""Function tools: when to call, what with, and how to tell the result."""

from __future__ import annotations

import json
from random import Random

from harmony import Parameter, Tool
from wording import expand, wording

from tasks.base import Answer
from tasks.skills import SKILLS, Skill, calculator

NO_TOOL = [
    "I have no tool for that here, so I cannot do it.",
    "For that I would need a tool, and I have none here.",
]


def define(rng: Random, skill: Skill) -> tuple[Tool, dict[str, str]]:
    """Draw one definition of a skill; return it with the parameter name of each slot."""
    enums = dict(skill.enums)
    used: dict[str, str] = {}
    parameters = []
    for slot, (kind, names, descriptions) in skill.parameters.items():
        used[slot] = rng.choice(names.split("|"))
        about = expand(rng, rng.choice(_split(descriptions)))
        parameters.append(Parameter(used[slot], kind, about, enums.get(slot, ()), True))
    if skill.optional and rng.random() < 0.25:
        parameters.append(skill.optional)
    name = expand(rng, rng.choice(_split(skill.names))).replace(" ", "")
    about = expand(rng, rng.choice(_split(skill.descriptions)))
    return Tool(name[:1].lower() + name[1:], about, tuple(parameters)), used


def _split(text: str) -> list[str]:
    """Split at the bars outside brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c == "[") - (c == "]")
        if c == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def some_tools(rng: Random, n: int, without: Skill | None = None) -> list[Tool]:
    pool = [s for s in SKILLS if s is not without]
    return [define(rng, skill)[0] for skill in rng.sample(pool, n)]


def calculates(tool: Tool) -> bool:
    return any(p.name in ("expression", "formula", "expr", "input", "calculation") for p in tool.parameters)


def tool_call(rng: Random, split: str) -> tuple[Answer, list[Tool], str, str]:
    """Return the call to make, the tools defined, the tool's result and the sentence that tells it."""
    skill = rng.choice(SKILLS)
    tool, used = define(rng, skill)
    slots, result, sentence = skill.draw(rng)
    tools = [tool, *some_tools(rng, rng.choice((0, 0, 1, 1, 2)), skill)]
    rng.shuffle(tools)
    arguments = {used[slot]: value for slot, value in slots.items()}
    shown = ", ".join(str(v) for v in arguments.values())
    answer = Answer(
        wording(rng, skill.requests, split, **slots),
        [],
        f"I need the tool {tool.name} with {shown}.",
        f"Is there a tool for this? Yes: {tool.name}.\nArguments: {shown}.\nI call it.",
        call=(tool.name, arguments),
    )
    return answer, tools, json.dumps(result), sentence


def missing_tool(rng: Random, split: str) -> tuple[Answer, list[Tool]]:
    """A request for a tool that is not there."""
    skill = rng.choice([s for s in SKILLS if s.draw is not calculator])
    slots, _, _ = skill.draw(rng)
    tools = some_tools(rng, rng.choice((0, 0, 1, 2)), skill)
    answer = Answer(
        wording(rng, skill.requests, split, **slots),
        list(NO_TOOL),
        "That needs a tool, and there is none for it.",
        "Is there a tool for this? No.\nWithout it I cannot do that.\nI say so honestly.",
    )
    return answer, tools
