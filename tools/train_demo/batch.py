"""Ragged batches: system messages once, conversations grouped by length."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from harmony import System
from model import NEVER, Batch, Group, Shape, attention_mask
from torch import Tensor
from vocab import Vocab

from data import EFFORTS, Generator, Sample, random_date

MAX_BODY = 420  # longer conversations are rare and drawn again


class Batcher:
    """Encode samples with the compact vocabulary and lay them out for the model."""

    def __init__(self, generator: Generator, vocab: Vocab) -> None:
        self.generator = generator
        self.in_row, self.out_row = vocab.row_maps()

    def draw(self, rng: Random, n: int) -> Batch:
        """Draw one training batch; all its conversations share one date or have none. Those with the
        browser, whose definition is long, share one effort, too."""
        date = rng.choice(("", random_date(rng)))
        self.generator.reading_effort = rng.choice(EFFORTS)
        items = []
        while len(items) < n:
            sample = self.generator.sample(rng, date=date)
            key, ids, start = self.generator.encoded(sample)
            if len(ids) <= MAX_BODY:
                items.append((key, ids, start))
        return self.build(items)

    def prompts(self, samples: list[Sample], replies: list[list[int]]) -> Batch:
        """Lay out prompts and what was generated so far; the loss positions are the last ones."""
        items = []
        for sample, reply in zip(samples, replies, strict=True):
            p = sample.prompt
            ids = self.generator.renderer.body(p, sample.old_order) + reply
            items.append((p.system, [*ids, 0], len(ids)))
        return self.build(items, keep_order=True)

    def build(self, items: list[tuple[System | None, list[int], int]], keep_order: bool = False) -> Batch:
        keys = sorted({key for key, _, _ in items if key is not None})
        variants: dict[System | None, int] = {key: i for i, key in enumerate(keys)}
        variants[None] = len(keys)
        prefixes = [self.generator.renderer.system(*key) for key in keys] + [[EMPTY]]
        if not keep_order:
            items = sorted(items, key=lambda item: (len(prefixes[variants[item[0]]]) // 128, len(item[1])))
        tokens, positions, loss_at, targets, groups = [], [], [], [], []
        n_flat = 0
        for prefix in prefixes:
            tokens += prefix
            positions += range(len(prefix))
            n_flat += len(prefix)
        groups.append(group([len(p) for p in prefixes], [0] * len(prefixes), None, None))
        prefix_pos = groups[0].k_pos.clone()
        prefix_pos[-1] = NEVER  # raw text has no system message
        base = [len(p) for p in prefixes[:-1]] + [0]
        sizes = [(len(prefixes[variants[key]]) // 128, len(ids) - 1) for key, ids, _ in items]
        for part in cut(sizes):
            chunk = items[part]
            for key, ids, start in chunk:
                tokens += ids[:-1]
                first = base[variants[key]]
                positions += range(first, first + len(ids) - 1)
                loss_at += range(n_flat + start - 1, n_flat + len(ids) - 1)
                targets += ids[start:]
                n_flat += len(ids) - 1
            index = [variants[key] for key, _, _ in chunk]
            lengths = [len(ids) - 1 for _, ids, _ in chunk]
            groups.append(group(lengths, [base[i] for i in index], index, prefix_pos))
        return Batch(
            torch.from_numpy(self.in_row[np.array(tokens)]),
            torch.tensor(positions),
            groups,
            torch.tensor(loss_at),
            torch.from_numpy(self.out_row[np.array(targets)]),
        )


EMPTY = 199_998  # stands in for the missing system message; nobody attends to it


def cut(sizes: list[tuple[int, int]], slack: float = 1.3) -> list[slice]:
    """Cut sequences (sorted or not), each the class of its prefix and its length, into runs of one class and
    of similar lengths."""
    parts, begin = [], 0
    for i, (prefix, _) in enumerate(sizes):
        lengths = [length for _, length in sizes[begin : i + 1]]
        if prefix != sizes[begin][0] or max(lengths) > slack * min(lengths) + 8:
            parts.append(slice(begin, i))
            begin = i
    return [*parts, slice(begin, len(sizes))]


def group(
    lengths: list[int], first: list[int], variant: list[int] | None, prefix_pos: Tensor | None
) -> Group:
    """Lay sequences of the given lengths out as a padded grid that starts at positions `first`."""
    b, width = len(lengths), max(lengths)
    n = np.array(lengths)[:, None]
    at = np.arange(width)[None]
    real = at < n
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))[:, None]
    rows = torch.from_numpy(np.where(real, starts + at, 0).reshape(-1))
    pos = np.array(first)[:, None] + at
    k_pos = torch.from_numpy(np.where(real, pos, NEVER))
    index = None
    n_prefix = 0
    if variant is not None and prefix_pos is not None:
        index = torch.tensor(variant)
        n_prefix = max(int((prefix_pos[index] < NEVER).sum(1).max()), 1)
        k_pos = torch.cat((prefix_pos[index, :n_prefix], k_pos), 1)
    unpad = torch.from_numpy(np.flatnonzero(real.reshape(-1)))
    q_pos = torch.from_numpy(np.where(real, pos, 0))
    shape = Shape()
    repeat = shape.heads // shape.kv_heads
    masks = tuple(attention_mask(q_pos, k_pos, window, repeat) for window in (shape.window, NEVER // 2))
    return Group(rows, (b, width), k_pos, masks, index, n_prefix, unpad)


__all__ = ["EFFORTS", "Batcher"]
