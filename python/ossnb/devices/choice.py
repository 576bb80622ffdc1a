"""Which device a model takes, and how much of a card's memory is left for its keys and values."""

from __future__ import annotations

from dataclasses import dataclass

from ..system.notices import tell
from ..system.progress import size_text
from .cards import Card, Cards, look, usable
from .names import AUTO, CPU
from .plan import LEAST_TOKENS, Plan

USEFUL_TOKENS = 4096  # a card with less context is not taken by itself
SPARE_SHARE, MOST_SPARE = (
    50,
    256 << 20,
)  # one part in so many of a card, at most so many bytes, is not planned


@dataclass(frozen=True, slots=True)
class Place:
    """A device for a model. `room` is the bytes of keys and values that a card has left for it; None where
    they are in the host's memory. `tokens` is the context that fits there.

    >>> Place("cpu").room is None
    True
    """

    device: str
    room: int | None = None
    tokens: int | None = None


def spare(card: Card) -> int:
    """Count the bytes of a card that are left to its driver, which takes some as it goes on."""
    return min(card.total // SPARE_SHARE, MOST_SPARE)


def available(card: Card, limit: int | None = None) -> int:
    """Count the bytes that a model may plan with: what is free, without a spare, within the limit."""
    free = max(0, card.free - spare(card))
    return free if limit is None else min(free, limit)


def choose(device: str, plan: Plan, context: int | None = None, limit: int | None = None) -> Place:
    """Choose the place of a model: `device` as `device_name` writes it; None for `context` takes what fits.

    >>> choose("cpu", Plan(model.config))
    Place(device='cpu', room=None, tokens=None)

    "auto" takes the card with most room, if the context fits there, else the CPU; where a card is there and
    not taken it tells why, in one line. Raises DeviceError where a named card cannot be used, MemoryError
    with the numbers where the model does not fit there.
    """
    if device == CPU:
        return Place(CPU)
    if device == AUTO:
        return _best(look(with_free_memory=True), plan, context, limit)
    return fitting(usable(int(device.partition(":")[2])), plan, context, limit)


def fitting(card: Card, plan: Plan, context: int | None = None, limit: int | None = None) -> Place:
    """Return the place on a card; MemoryError where the context, or the least one, does not fit there."""
    tokens = LEAST_TOKENS if context is None else context
    least = min(tokens, plan.config.max_position_embeddings)
    if (why_not := _why_not(card, plan, least, limit)) is not None:
        changes = [*plan.what_fits(available(card, limit), least), 'device="cpu"']
        raise MemoryError(f"{why_not}; try {' or '.join(changes)}, or close what else uses the card")
    has = available(card, limit)
    return Place(card.device, plan.room(has), plan.tokens(has))


def fall_back(place: Place, error: Exception) -> Place:
    """Tell that the device that was chosen fails at the load, and return the CPU's place."""
    tell(f"{place.device} is not used: {error}; the CPU computes")
    return Place(CPU)


def _best(found: Cards, plan: Plan, context: int | None, limit: int | None) -> Place:
    if found.is_bare:
        return Place(CPU)
    wanted = USEFUL_TOKENS if context is None else context
    least = min(wanted, plan.config.max_position_embeddings)
    reasons, best = [], None
    for card in found.cards:
        reason = card.why_not or _why_not(card, plan, least, limit, is_short=True)
        if reason:
            reasons.append(f"{card.title} is not used: {reason}")
        elif best is None or available(card, limit) > available(best, limit):
            best = card
    if best is not None:
        return fitting(best, plan, context, limit)
    tell(f"{'; '.join(reasons) or found.why_none}; the CPU computes")
    return Place(CPU)


def _why_not(card: Card, plan: Plan, tokens: int, limit: int | None, *, is_short: bool = False) -> str | None:
    """Say why so many tokens do not fit on a card; None if they do."""
    needed, has = plan.needed(tokens), available(card, limit)
    if needed <= has:
        return None
    allowed = f", and device_memory allows {size_text(limit)}" if limit is not None and limit == has else ""
    free = f"{size_text(card.free)} of {size_text(card.total)} are free{allowed}"
    if is_short:
        return f"{size_text(needed)} are needed for {tokens:,} tokens, and {free}"
    kept = "" if allowed else f" ({size_text(spare(card))} of them are left to the driver)"
    return f"the model needs {size_text(needed)} on {card.title}: {plan.in_words(tokens)}; {free}{kept}"
