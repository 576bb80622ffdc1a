"""The NVIDIA cards of this machine, as their driver tells of them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .. import _core
from ..errors import DeviceError
from .names import CARD

_DRIVER = "libcuda.so.1"
# How the engine begins its reason where a machine has no card, or none for this process.
_NOTHING_THERE = ("there is no NVIDIA driver", "the NVIDIA driver sees no card")


@dataclass(frozen=True, slots=True)
class Card:
    """A card; sizes are in bytes.

    >>> Card(0, "NVIDIA H200", (9, 0), 141e9, 140e9).title
    'cuda:0 (NVIDIA H200)'

    `free` is 0 where nobody asked. `why_not` says why it cannot be used, "" if it can.
    """

    ordinal: int
    name: str
    capability: tuple[int, int]
    total: int
    free: int
    is_integrated: bool = False
    why_not: str = ""

    @property
    def device(self) -> str:
        """Its name as a device."""
        return f"{CARD}:{self.ordinal}"

    @property
    def title(self) -> str:
        """Its names, for messages."""
        return f"{self.device} ({self.name})"


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards, and why there is none ("" if there are).

    `is_bare` says that this machine has no card for this process, so that nobody need hear of it.
    """

    cards: tuple[Card, ...]
    why_none: str

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to tell of."""
        return not self.cards and self.why_none.startswith(_NOTHING_THERE)


def look(*, with_free_memory: bool = False, only: int | None = None) -> Cards:
    """Look for cards; it never raises.

    >>> look().cards == () or look().why_none == ""
    True

    A machine without a driver answers in no time, also the first time. To ask for free memory opens each card
    for a moment, or the `only` one, and then counts what that takes of it as not free.
    """
    found, why_none = _core.cuda_cards()
    usable = [card["ordinal"] for card in found if not card["why_not"] and only in (None, card["ordinal"])]
    if with_free_memory and usable:
        found, why_none = _core.cuda_cards(usable)
    cards = [
        Card(
            card["ordinal"],
            card["name"],
            card["capability"],
            card["memory_total"],
            card["memory_free"],
            card["is_integrated"],
            card["why_not"],
        )
        for card in found
    ]
    return Cards(tuple(cards), why_none)


def usable(ordinal: int) -> Card:
    """Return a card with its free memory; DeviceError says why it cannot be used."""
    found = look(with_free_memory=True, only=ordinal)
    if not found.cards:
        raise DeviceError(f"device {CARD}:{ordinal}: {found.why_none}")
    if ordinal >= len(found.cards):
        there = ", ".join(card.title for card in found.cards)
        raise DeviceError(f"there is no card {CARD}:{ordinal}; this machine has {there}")
    card = found.cards[ordinal]
    if card.why_not:
        why = card.why_not.removeprefix(f"{card.title} ").removeprefix("cannot be used: ")
        raise DeviceError(f'{card.title} cannot be used: {why}; or use device="cpu"')
    return card


def driver_version() -> str | None:
    """Return the CUDA version that the driver supports, such as "12.4"; None where there is no driver."""
    import ctypes

    version = ctypes.c_int(0)
    try:
        library = ctypes.CDLL(os.environ.get("OSSNB_CUDA_DRIVER") or _DRIVER)
        if library.cuDriverGetVersion(ctypes.byref(version)) != 0:
            return None
    except (OSError, AttributeError):  # no library; no driver's library
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"
