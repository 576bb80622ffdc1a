"""Masks: a bit for each token that may come next, as the engine takes them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint32]  # [V / 32 rounded up]; token t is bit t % 32 of word t // 32


def mask_of(n_vocab: int, tokens: Iterable[int]) -> Mask:
    """Return the mask by which only these tokens may come.

    >>> mask_of(64, [0, 33]).tolist()
    [1, 2]
    """
    mask = np.zeros(-(-n_vocab // 32), np.uint32)
    allow(mask, tokens)
    return mask


def mask_without(n_vocab: int, tokens: Iterable[int]) -> Mask:
    """Return the mask by which all tokens but these may come.

    >>> mask_without(33, [0]).tolist()
    [4294967294, 1]
    """
    mask = np.full(-(-n_vocab // 32), 0xFFFFFFFF, np.uint32)
    forbid(mask, [*tokens, *range(n_vocab, 32 * len(mask))])
    return mask


def allows(mask: Mask, token: int) -> bool:
    """Whether a mask lets a token come.

    >>> allows(mask_of(64, [33]), 33), allows(mask_of(64, [33]), -1)
    (True, False)
    """
    return 0 <= token < 32 * len(mask) and bool(mask[token // 32] >> (token % 32) & 1)


def allow(mask: Mask, tokens: Iterable[int]) -> None:
    """Let tokens come, too.

    >>> mask = mask_of(64, [0]); allow(mask, [1]); mask.tolist()
    [3, 0]
    """
    for token in tokens:
        mask[token // 32] |= np.uint32(1 << token % 32)


def forbid(mask: Mask, tokens: Iterable[int]) -> None:
    """Let tokens come no more.

    >>> mask = mask_of(64, [0, 1]); forbid(mask, [0]); mask.tolist()
    [2, 0]
    """
    for token in tokens:
        mask[token // 32] &= np.uint32(~(1 << token % 32) & 0xFFFFFFFF)
