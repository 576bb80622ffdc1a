"""Two sets of prompts that were written apart from the training data, and their judge.

`sets/outside.jsonl` lies outside of what the model card promises: a right answer only declines.
`sets/inside.jsonl` lies inside: every line says what a right answer must show.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import ossnb

FOLDER = Path(__file__).parent / "sets"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
MAX_TOKENS = 260

# Why it declines. A general reason always fits; the others only where a line names them.
GENERAL = re.compile(
    r"\b(?:do not|don't|cannot|can't|can not|never|not able|unable)\b.*\b(?:know|do|answer|help|learned"
    r"|understand|write|say|translate|explain|spell|count|that|this|it)\b"
    r"|\b(?:outside|beyond)\b|\bonly (?:a|an|the) (?:\w+ )*(?:demo )?model\b|\bfor the rest you need\b",
    re.IGNORECASE,
)
REASONS = {
    "numbers": re.compile(
        r"\btoo (?:big|hard|large|long)\b|\bonly (?:know numbers|multiply)\b", re.IGNORECASE
    ),
    "tool": re.compile(r"\bno (?:\w+ )?tool\b|\bwithout (?:a|the) tool\b", re.IGNORECASE),
    "effort": re.compile(r"\bneeds? (?:\w+ )?(?:thinking|effort)\b", re.IGNORECASE),
}
OFFER = re.compile(
    r"^\W*(?:please )?(?:ask|try)\b|\bask me\b|\bI (?:can|only|know)\b|\b(?:sorry|demo model|real gpt-oss)\b",
    re.IGNORECASE,
)
# A statement about anything but the model's own limits.
ASSERTS = re.compile(
    r"=|\b(?:is|are|was|were|has|makes|equals|means)\b"
    r"(?! (?:too|outside|beyond|not|more than|nothing|unknown|hard|only|all I|new to)\b)(?!\W*$)",
    re.IGNORECASE,
)
CLAUSE = re.compile(r"[.!?:;](?=\s|$)|\n+|,? (?:but|however)\b,?")


def declines(text: str, reason: str = "") -> bool:
    """Tell whether a text declines for a reason that fits, and says nothing else."""
    given = [GENERAL, *([REASONS[reason]] if reason else [])]
    return any(r.search(text) for r in given) and _is_only_declining(text)


def declines_somehow(text: str) -> bool:
    """Tell whether a text declines, be it for a reason that does not fit, such as a missing tool."""
    return any(r.search(text) for r in (GENERAL, *REASONS.values())) and _is_only_declining(text)


def _is_only_declining(text: str) -> bool:
    clauses = [clause for clause in CLAUSE.split(text) if clause.strip()]
    known = (GENERAL, *REASONS.values(), OFFER)
    return all(any(r.search(clause) for r in known) and not ASSERTS.search(clause) for clause in clauses)


def is_right(item: dict[str, Any], reply: ossnb.Reply) -> bool:
    """Judge a reply to a line of `inside.jsonl` by all that the line names."""
    if "call" in item:
        want = item["call"]
        calls = [(c.name, _plain(c.arguments)) for c in reply.tool_calls]
        return calls == [(want["name"], _plain(want["arguments"]))]
    text = reply.text.strip()
    if reply.tool_calls or not text:
        return False
    if item.get("declines"):
        return declines(text, item.get("reason", ""))
    numbers = NUMBER.findall(text)
    return (
        all(re.search(pattern, text, re.IGNORECASE) for pattern in item.get("all", []))
        and not any(re.search(pattern, text, re.IGNORECASE) for pattern in item.get("none", []))
        and ("number" not in item or numbers[-1:] == [str(item["number"])])
        and ("words" not in item or (len(text.split()) >= item["words"] and not declines_somehow(text)))
    )


def _plain(arguments: object) -> dict[str, str]:
    """Arguments without case and type: "Berlin" and "berlin", 5 and "5" are the same."""
    return {k: str(v).casefold() for k, v in arguments.items()} if isinstance(arguments, dict) else {}


def read(name: str) -> list[dict[str, Any]]:
    """Return the lines of a set."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def measure(model: ossnb.Model, name: str, temperature: float, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Ask a whole set; return its figures in %, and the failures with their wordings."""
    right: dict[str, list[bool]] = defaultdict(list)
    valid, somehow, failures = [], [], []
    for index, item in enumerate(read(name)):
        question = item.get("messages") or item["prompt"]
        reply = model.generate(
            question, effort=item["effort"], tools=item.get("tools"), instructions=item.get("instructions"),
            temperature=temperature, max_tokens=MAX_TOKENS, seed=seed + index,
        )  # fmt: skip
        if name == "outside":
            good = not reply.tool_calls and declines(reply.text, item.get("reason", ""))
            somehow.append(not reply.tool_calls and declines_somehow(reply.text))
        else:
            good = is_right(item, reply)
        right[item["task"]].append(good)
        valid.append(not reply.notes and reply.finish_reason in ("stop", "tool_calls"))
        if not good:
            got = [(c.name, c.raw) for c in reply.tool_calls] or reply.text
            failures.append(f"{item['task']} [{item['effort']}] {question!r}: {got!r}")
    figures = {
        "n": len(valid),
        "right": _share([r for rs in right.values() for r in rs]),
        "valid": _share(valid),
        "tasks": {task: _share(rs) for task, rs in right.items()},
    }
    if somehow:
        figures["declined, whatever the reason"] = _share(somehow)
    return figures, failures


def _share(values: list[bool]) -> float:
    return round(100 * sum(values) / len(values), 1)
