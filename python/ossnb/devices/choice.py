"""Which device a model takes, and how much of a card's memory is left for its keys and values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..system import machine
from ..system.notices import tell
from ..system.progress import size_text
from .cards import Card, Cards, look, usable
from .names import AUTO, CPU
from .plan import Plan

USEFUL_TOKENS = 4096  # of context that a card is to have room for, where nobody asks for a number
LEAST_ON_CARD = 4  # "auto" takes a card that has room for the experts of one layer in so many
SPARE_SHARE = 50  # one part in so many of a card is not planned
MOST_SPARE = 128 << 20  # bytes: no more than this
KV_SHARE = 4  # one part in so many of the host's free memory is for keys and values


@dataclass(frozen=True, slots=True)
class Place:
    """A device for a model. `room` is the bytes of keys and values that a card has left for it, and `on_card`
    how many bytes of the card they take; None where they are in the host's memory. `tokens` is the context
    that fits there. The CPU computes the experts of the first `host_layers` layers.

    >>> Place("cpu").room is None
    True
    """

    device: str
    room: int | None = None
    on_card: int | None = None
    tokens: int | None = None
    host_layers: int = 0


def host_room() -> int:
    """Count the bytes of the host's memory that keys and values may take where nobody asks for a number.

    >>> host_room() > 0
    True
    """
    return machine.available_memory() // KV_SHARE


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
    Place(device='cpu', room=None, on_card=None, tokens=None, host_layers=0)

    "auto" takes the card with most room, if the context and the experts of a quarter of the layers fit there,
    else the CPU; where a card is there and not taken it tells why, in one line. Raises DeviceError where a
    named card cannot be used, MemoryError with the numbers where the model does not fit there.
    """
    if device == CPU:
        return Place(CPU)
    if device == AUTO:
        return _best(look(with_free_memory=True), plan, context, limit)
    return _on(usable(int(device.partition(":")[2])), plan, context, limit)


def fitting(card: Card, plan: Plan, context: int | None = None, limit: int | None = None) -> Plan:
    """Return the plan of a model on a card, with as many experts there as fit; MemoryError where it does not
    fit in any way.

    >>> fitting(Card(0, "RTX 3060", (8, 6), 12 * 10**9, 12 * 10**9), Plan(model.config)).host_layers
    0
    """
    plan = _with_host(card, plan)
    tokens, n_layers = _tokens(plan, context), plan.config.num_hidden_layers
    has = available(card, limit)
    if (found := plan.fitted(tokens, has, n_layers)) is not None:
        return found
    least = replace(plan, host_layers=n_layers)
    changes = [*least.what_fits(has, tokens), 'device="cpu"']
    why_not = _why_not(card, least, tokens, limit)
    raise MemoryError(f"{why_not}; try {' or '.join(changes)}, or close what else uses the card")


def _on(card: Card, plan: Plan, context: int | None, limit: int | None) -> Place:
    fitted, has = fitting(card, plan, context, limit), available(card, limit)
    if fitted.host_layers:
        tell(
            f"{card.title} has no room for all experts: the CPU computes those of {fitted.host_layers} of "
            f"{plan.config.num_hidden_layers} layers"
        )
    return Place(card.device, fitted.room(has), fitted.on_card(has), fitted.tokens(has), fitted.host_layers)


def fall_back(place: Place, error: Exception) -> Place:
    """Tell that the device that was chosen fails at the load, and return the CPU's place."""
    tell(f"{place.device} is not used: {error}; the CPU computes")
    return Place(CPU)


def _with_host(card: Card, plan: Plan) -> Plan:
    """The plan on a card: one that has the host's own memory gains nothing from keys and values there."""
    return replace(plan, host_memory=0) if card.is_integrated else plan


def _tokens(plan: Plan, context: int | None) -> int:
    """The context that a card is to have room for."""
    return min(USEFUL_TOKENS if context is None else context, plan.config.max_position_embeddings)


def _best(found: Cards, plan: Plan, context: int | None, limit: int | None) -> Place:
    if found.is_bare:
        return Place(CPU)
    n_layers = plan.config.num_hidden_layers
    tokens, on_host = _tokens(plan, context), n_layers - n_layers // LEAST_ON_CARD
    reasons, best = [], None
    for card in found.cards:
        if card.why_not:
            reasons.append(f"{card.title} is not used: {card.why_not}")
        elif _with_host(card, plan).fitted(tokens, available(card, limit), on_host) is None:
            least = replace(_with_host(card, plan), host_layers=on_host)
            reasons.append(f"{card.title} is not used: {_why_not(card, least, tokens, limit, is_short=True)}")
        elif best is None or available(card, limit) > available(best, limit):
            best = card
    if best is not None:
        return _on(best, plan, context, limit)
    tell(f"{'; '.join(reasons) or found.why_none}; the CPU computes")
    return Place(CPU)


def _why_not(card: Card, plan: Plan, tokens: int, limit: int | None, *, is_short: bool = False) -> str:
    """Say why so many tokens do not fit on a card."""
    needed, has = plan.needed(tokens), available(card, limit)
    allowed = f", and device_memory allows {size_text(limit)}" if limit is not None and limit == has else ""
    free = f"{size_text(card.free)} of {size_text(card.total)} are free{allowed}"
    if is_short:
        return f"{size_text(needed)} are needed for {tokens:,} tokens, and {free}"
    kept = "" if allowed else f" ({size_text(spare(card))} of them are left to the driver)"
    return f"the model needs {size_text(needed)} on {card.title}: {plan.in_words(tokens)}; {free}{kept}"
