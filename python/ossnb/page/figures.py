"""The figures of a reply in one line: below its answer, and in the sliders' panel."""

from __future__ import annotations

from ..generation.record import Reply, Stats
from ..system.text import counted
from .terminal import safe_terminal


def stats_line(reply: Reply, note: str = "") -> str:
    """One line of figures about a reply."""
    stats = reply.stats
    n_reused = f"{stats.n_cached_tokens:,}"
    read = (
        f"reused {n_reused} of {counted(stats.n_prompt_tokens, 'token')} · prompt"
        if stats.n_cached_tokens
        else f"prompt {counted(stats.n_prompt_tokens, 'token')}"
    )
    parts = [
        _how_it_ended(reply),
        note,
        counted(len(reply.steps), "call") if reply.steps else "",
        counted(stats.n_new_tokens, "token"),
        f"{stats.decode_tok_s:.1f} tok/s" if stats.decode_tok_s else "",
        _drafted(stats),
        f"{read} in {stats.prefill_s:.2f} s",
        f"seed {reply.seed}" if reply.sampling.temperature else "temperature 0",  # where no seed matters
        reply.model,
        *(f"note: {note}" for note in reply.notes),
    ]
    return safe_terminal(" · ".join(part for part in parts if part))


def _drafted(stats: Stats) -> str:
    if not stats.n_drafted_tokens:
        return ""
    return f"{stats.n_accepted_tokens:,} of {counted(stats.n_drafted_tokens, 'drafted token')} kept"


def _how_it_ended(reply: Reply) -> str:
    return {
        "interrupted": "stopped",
        "cancelled": "stopped",
        "length": "cut off at max_tokens",
        "context": "cut off: the context is full",
        "error": "cut off by an error",
        "tool_limit": "ended at a limit of tool calls",
    }.get(reply.finish_reason, "")
