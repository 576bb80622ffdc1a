"""Keys and values of earlier prompts and replies: only the part of a prompt that differs is computed.

A radix tree holds them; its nodes are blocks. A node has the tokens of one block, and follows the nodes of
the tokens before them. Prompts that begin alike share their first nodes. A match may share its last block in
part, because a sequence that writes into a shared block takes a copy of it.
"""

from __future__ import annotations

import bisect
import heapq
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import Busy
from ..system.forks import Guard

Tokens = NDArray[np.int32]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptBlock:
    """A kept block outside of the tree: its tokens, its id in the store, the place of the block before it in
    a list of such blocks (-1: none), and when it was used, by the tree's clock."""

    tokens: Tokens
    block: int
    parent: int
    used: int


_ITEM = 4  # bytes of a token in a node's key
SLACK = 0.9  # where the budget is exceeded, this share of it is kept: then there is room for a while


@dataclass(slots=True, eq=False)
class _Node:
    """A block: its tokens, big-endian so that they sort as numbers do, and the blocks that may follow it."""

    key: bytes
    block: int
    parent: _Node | None
    used: int = 0  # when, by the tree's own clock
    keys: list[bytes] = field(default_factory=list)  # of the children, sorted
    children: dict[bytes, _Node] = field(default_factory=dict)

    def add(self, child: _Node) -> None:
        self.children[child.key] = child  # first: a key without a child would break `nearest`
        bisect.insort(self.keys, child.key)

    def remove(self, child: _Node) -> None:
        at = bisect.bisect_left(self.keys, child.key)
        if self.keys[at : at + 1] == [child.key]:  # not where an interrupt came in the middle of `add`
            del self.keys[at]
        del self.children[child.key]

    def nearest(self, key: bytes) -> tuple[_Node | None, int]:
        """Return the child that shares most tokens with `key`, and how many. It stands beside it."""
        at = bisect.bisect_left(self.keys, key)
        best, most = None, 0
        for candidate in self.keys[max(at - 1, 0) : at + 1]:
            n = _shared(candidate, key)
            if n > most:
                best, most = self.children[candidate], n
        return best, most


class PrefixTree:
    """The kept keys and values of one model, within `max_bytes`; the least recently used blocks go first.

    >>> tree = PrefixTree(model.engine.core, max_bytes=1_000_000_000)
    >>> tree.keep([], model.engine.core.sequence())
    >>> tree.longest(np.array([200006, 1428], np.int32)) is None
    True

    Several threads may use the tree. It does not give up blocks that a running sequence shares: that would
    free nothing. The budget counts all blocks of the store, also those of running sequences.
    """

    def __init__(self, core: _core.Model, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._core = core
        self._block_tokens = core.kv.block_tokens
        self._root = _Node(b"", -1, None)
        self._n_nodes = 0
        self._clock = 0
        self._n_changes = 0
        self._guard = Guard()
        self._is_at_work = False  # the thread that holds the lock is changing the tree
        # What is to be kept. The collector may end a generation in the middle of such a change: then a note
        # stays here, for whoever changes the tree next.
        self._notes: deque[tuple[Tokens, _core.Sequence]] = deque()

    def longest(self, tokens: Tokens) -> tuple[_core.Sequence, int] | None:
        """Return a sequence of the longest known prefix, and its length; None where no prefix is known.

        A token after which another is chosen must be computed again: leave it out.
        """
        return self._alone(lambda: self._longest(_keys(tokens, self._block_tokens)))

    def keep(self, tokens: Seq[int], sequence: _core.Sequence) -> None:
        """Keep a sequence whose first `sequence.length` tokens are `tokens`; the caller writes to it no more.

        The tree may exceed the budget until `make_room` is called: while the caller holds the sequence,
        nothing can be freed.
        """
        self._notes.append((np.asarray(tokens[: sequence.length], np.int32), sequence))
        self._alone(self._absorb)

    def make_room(self, n_bytes: int) -> None:
        """Give up blocks that nobody uses, until `n_bytes` more fit the budget or no such block is left."""
        if self._core.kv.used_bytes + n_bytes > self.max_bytes:
            self._alone(lambda: self._make_room(n_bytes))

    def clear(self) -> None:
        """Forget everything."""
        self._alone(self._clear)

    def all(self) -> list[KeptBlock]:
        """Return all kept blocks, each after the one before it; the caller holds a reference to each, and
        releases it. Busy where this very thread is in the middle of a change."""
        if (found := self._alone(self._all)) is None:
            raise Busy("the kept keys and values are being changed just now, below this very call; ask later")
        return found

    def add(self, kept: Seq[KeptBlock]) -> None:
        """Add blocks, each after the one before it; the tree takes over a reference to each."""
        self._alone(lambda: self._add(kept))

    @property
    def n_changes(self) -> int:
        """How many changes there were: as long as this number stays, the content does."""
        return self._n_changes + len(self._notes)

    @property
    def n_bytes(self) -> int:
        """Bytes of all kept blocks."""
        n_noted = sum(len(sequence.blocks) for _, sequence in list(self._notes))
        return (self._n_nodes + n_noted) * self._core.kv.block_bytes

    def _alone(self, work: Callable[[], T]) -> T | None:
        """Work on the tree with the lock; None where this very thread is in the middle of such work, and the
        handler of a signal or the collector calls."""
        with self._guard.lock:
            if self._is_at_work:
                return None
            self._is_at_work = True
            try:
                return work()
            finally:
                self._is_at_work = False

    # ---- alone -------------------------------------------------------------------------------------------

    def _longest(self, keys: Iterator[bytes]) -> tuple[_core.Sequence, int] | None:
        self._absorb()
        self._clock += 1
        node, blocks, n = self._root, [], 0
        for key in keys:
            child, shared = node.nearest(key)
            if child is None:
                break
            child.used = self._clock
            blocks.append(child.block)
            n += shared
            node = child
            if shared < self._block_tokens:
                break
        return (self._core.sequence(blocks, n), n) if n else None

    def _make_room(self, n_bytes: int) -> None:
        self._absorb()
        excess = self._core.kv.used_bytes + n_bytes - int(SLACK * self.max_bytes)
        self._give_up(-(-excess // self._core.kv.block_bytes))

    def _clear(self) -> None:
        self._absorb()
        self._n_changes += 1
        blocks = [node.block for node in self._nodes()]
        # An interrupt comes after a call. So the tree is empty before its blocks are: no freed one is in it.
        self._root, self._n_nodes = _Node(b"", -1, None), 0
        self._core.kv.release(blocks)

    def _all(self) -> list[KeptBlock]:
        self._absorb()
        found: list[KeptBlock] = []
        waiting = [(node, -1) for node in self._root.children.values()]
        while waiting:
            node, parent = waiting.pop()
            waiting += [(child, len(found)) for child in node.children.values()]
            tokens = np.frombuffer(node.key, ">u4").astype(np.int32)
            found.append(KeptBlock(tokens, node.block, parent, node.used))
        self._core.kv.retain([one.block for one in found])
        return found

    def _add(self, kept: Seq[KeptBlock]) -> None:
        self._absorb()
        self._n_changes += 1
        spare: list[int] = []  # what the tree has already
        nodes: list[_Node] = []
        for one in kept:
            parent = self._root if one.parent < 0 else nodes[one.parent]
            key = one.tokens.astype(">u4").tobytes()
            node = parent.children.get(key)
            if node is None:
                node = _Node(key, one.block, parent, one.used)
                parent.add(node)
                self._n_nodes += 1
            else:
                spare.append(one.block)
                node.used = max(node.used, one.used)  # no less than those that are added after it
            nodes.append(node)
            self._clock = max(self._clock, one.used)
        self._core.kv.release(spare)

    def _absorb(self) -> None:
        while self._notes:
            tokens, sequence = self._notes.popleft()
            self._insert(tokens, sequence.blocks)

    def _insert(self, tokens: Tokens, blocks: Seq[int]) -> None:
        self._clock += 1
        self._n_changes += 1
        node = self._root
        for key, block in zip(_keys(tokens, self._block_tokens), blocks, strict=False):
            child, shared = node.nearest(key)
            if child is None or shared * _ITEM < len(key):
                if child is not None and shared * _ITEM == len(child.key):
                    self._drop(child)  # it is the beginning of this block, so nothing follows it
                self._core.kv.retain([block])
                child = _Node(key, block, node)
                node.add(child)
                self._n_nodes += 1
            child.used = self._clock
            node = child

    def _drop(self, node: _Node) -> None:
        assert node.parent is not None
        self._n_changes += 1
        node.parent.remove(node)
        self._core.kv.release([node.block])
        self._n_nodes -= 1

    def _give_up(self, n_blocks: int) -> None:
        """Drop up to `n_blocks` that nothing follows and nobody else uses, those used longest ago first."""
        leaves = [(node.used, id(node), node) for node in self._nodes() if not node.children]
        heapq.heapify(leaves)
        while n_blocks > 0 and leaves:
            _, _, node = heapq.heappop(leaves)
            if self._core.kv.references(node.block) > 1:
                continue
            parent = node.parent
            self._drop(node)
            n_blocks -= 1
            if parent is not None and parent.parent is not None and not parent.children:
                heapq.heappush(leaves, (parent.used, id(parent), parent))

    def _nodes(self) -> Iterator[_Node]:
        waiting = [*self._root.children.values()]
        while waiting:
            node = waiting.pop()
            waiting += node.children.values()
            yield node


def _keys(tokens: Tokens, block_tokens: int) -> Iterator[bytes]:
    """The tokens of each block, the last one perhaps shorter."""
    whole = np.asarray(tokens, np.int32).astype(">u4").tobytes()
    n = block_tokens * _ITEM
    return (whole[at : at + n] for at in range(0, len(whole), n))


def _shared(a: bytes, b: bytes) -> int:
    """How many tokens two keys have in common at their beginning."""
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n // _ITEM
    first, second = (np.frombuffer(key[:n], ">u4") for key in (a, b))
    return int((first != second).argmax())
