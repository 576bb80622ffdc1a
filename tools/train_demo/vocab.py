"""The compact vocabulary: which of the 201,088 tokens have rows of their own.

Tokens outside it share one "unknown word" embedding and one "never written" unembedding.  Tokens that differ
only in case or a leading space share a word vector, and numbers are built from digit vectors; the export
merges these parts into ordinary rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

VOCAB_SIZE = 201_088
N_DIGIT_FEATURES = 33  # ten for each of three places, and the length


@dataclass
class Vocab:
    ids_in: np.ndarray  # [n_in] token of each embedding row; row 0 is the unknown word (-1)
    ids_out: np.ndarray  # [n_out] token of each unembedding row; the last is all unused tokens (-1)
    group_in: np.ndarray  # [n_in] int64 word group, 0 = none
    group_out: np.ndarray  # [n_out]
    digits_in: np.ndarray  # [n_in, N_DIGIT_FEATURES] bool
    digits_out: np.ndarray  # [n_out, N_DIGIT_FEATURES] bool
    seen_in: np.ndarray  # [n_in] bool: False for variants that no sample held (shared vectors only)

    @property
    def n_in(self) -> int:
        return len(self.ids_in)

    @property
    def n_out(self) -> int:
        return len(self.ids_out)

    @property
    def n_groups(self) -> int:
        return int(max(self.group_in.max(), self.group_out.max())) + 1

    @property
    def n_unused(self) -> int:
        return VOCAB_SIZE - (self.n_out - 1)

    def row_maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return token id -> embedding row, and token id -> unembedding row."""
        in_row = np.zeros(VOCAB_SIZE, np.int64)
        in_row[self.ids_in[1:]] = np.arange(1, self.n_in)
        out_row = np.full(VOCAB_SIZE, self.n_out - 1, np.int64)
        out_row[self.ids_out[:-1]] = np.arange(self.n_out - 1)
        return in_row, out_row


def build_vocab(
    inputs: Counter[int], targets: Counter[int], token_text: dict[int, str], threshold: int
) -> Vocab:
    """Keep tokens met `threshold` times as input or twice as target, and the variants of the former."""
    used_out = sorted(t for t, n in targets.items() if n >= 2)
    seen = {t for t, n in inputs.items() if n >= threshold} | set(used_out)
    id_of = {text: token for token, text in token_text.items()}
    used_in = set(seen)
    for token in seen:
        word = token_text.get(token, "").strip().lower()
        if word.isalpha():
            for variant in (word, word.capitalize()):
                used_in |= {id_of[v] for v in (variant, " " + variant) if v in id_of}
    used_in |= {t for t, text in token_text.items() if text.isascii() and text.isdigit()}
    ids_in = np.array([-1, *sorted(used_in)])
    ids_out = np.array([*used_out, -1])
    return describe(ids_in, ids_out, np.array([t in seen or t == -1 for t in ids_in.tolist()]), token_text)


def describe(
    ids_in: np.ndarray, ids_out: np.ndarray, seen_in: np.ndarray, token_text: dict[int, str]
) -> Vocab:
    """Find which rows share a word, and which digits each has."""
    words: dict[str, int] = {}

    def group(token: int) -> int:
        word = token_text.get(token, "").strip().lower()
        return words.setdefault(word, len(words) + 1) if word.isalpha() else 0

    return Vocab(
        ids_in,
        ids_out,
        np.array([group(int(t)) for t in ids_in]),
        np.array([group(int(t)) for t in ids_out]),
        _digits(ids_in, token_text),
        _digits(ids_out, token_text),
        seen_in,
    )


def _digits(ids: np.ndarray, token_text: dict[int, str]) -> np.ndarray:
    features = np.zeros((len(ids), N_DIGIT_FEATURES), bool)
    for row, token in enumerate(ids.tolist()):
        text = token_text.get(token, "")
        if text.isascii() and text.isdigit():
            for place, digit in enumerate(reversed(text)):
                features[row, 10 * place + int(digit)] = True
            features[row, 30 + len(text) - 1] = True
    return features
