"""Names of devices, and sizes of their memory, as users write them."""

from __future__ import annotations

import os
import re

from ..system.files import size_of
from ..system.text import shown_value

AUTO, CPU, CARD = "auto", "cpu", "cuda"


def is_card(device: str) -> bool:
    """Whether a device is a graphics card.

    >>> is_card("cuda:1"), is_card("cpu")
    (True, False)
    """
    return device.partition(":")[0] == CARD


def device_name(device: object = None) -> str:
    """Check the name of a device and write it in full; None takes OSSNB_DEVICE, else "auto".

    >>> device_name("cuda"), device_name(" CPU ")
    ('cuda:0', 'cpu')
    """
    given, about = device, "device"
    if device is None:
        given, about = os.environ.get("OSSNB_DEVICE") or AUTO, "OSSNB_DEVICE"
    if not isinstance(given, str):
        raise TypeError(f"device must be a text such as 'auto', 'cpu' or 'cuda:1', got {shown_value(given)}")
    name = given.strip().lower()
    kind, colon, number = name.partition(":")
    if kind == CARD and not colon:
        return f"{CARD}:0"
    if kind == CARD and not re.fullmatch(r"[0-9]{1,4}", number):
        raise ValueError(
            f"{about} must have a card's number behind the colon, as in 'cuda:1', got {shown_value(given)}"
        )
    if name not in (AUTO, CPU) and kind != CARD:
        raise ValueError(
            f"{about} must be 'auto', 'cpu', 'cuda' or 'cuda:1' and so on, got {shown_value(given)}"
        )
    return f"{CARD}:{int(number)}" if kind == CARD else name


def memory_limit(device_memory: object) -> int | None:
    """Read the most bytes that a card gives: a number, or a size such as "8 GB"; None for no limit.

    >>> memory_limit("8 GB")
    8000000000
    """
    if device_memory is None:
        return None
    n_bytes = size_of("device_memory", device_memory)
    if n_bytes is None or n_bytes < 1:
        raise ValueError(
            "device_memory must be bytes >= 1, a size such as '8 GB', or None for all that is free, "
            f"got {shown_value(device_memory)}"
        )
    return n_bytes
