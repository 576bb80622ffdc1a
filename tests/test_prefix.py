"""The tree of kept keys and values: what it finds, what it costs, what it gives up."""

import gc
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import Core
from ossnb.engine.prefix import PrefixTree
from ossnb.errors import Busy

BLOCK = 32


def new_tree(max_bytes=10**9):
    core = Core(lambda tokens: np.zeros(8), 8)
    return PrefixTree(core, max_bytes), core


def write(core, tokens, sequence=None):
    sequence = sequence or core.sequence()
    for token in tokens[sequence.length :]:
        sequence.append(token)
    return sequence


def keep(tree, core, tokens):
    tree.keep(tokens, write(core, tokens))
    tree.make_room(0)


def found(tree, tokens):
    known = tree.longest(np.asarray(tokens, np.int32))
    return [] if known is None else known[0].tokens


def shared(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def test_what_parts_in_the_middle_of_a_block_is_shared_up_to_there():
    tree, core = new_tree()
    kept = list(range(100))
    keep(tree, core, kept)

    assert found(tree, [*kept[:70], 500, 501]) == kept[:70]
    assert found(tree, [*kept, 500]) == kept
    assert found(tree, kept) == kept
    assert found(tree, [500, 501]) == []


def test_a_block_shared_in_part_is_copied_by_who_writes_into_it():
    tree, core = new_tree()
    kept = list(range(50))
    keep(tree, core, kept)

    sequence, n = tree.longest(np.asarray([*kept[:40], 7, 7], np.int32))
    write(core, [*kept[:40], 7, 7], sequence)

    assert (n, sequence.tokens) == (40, [*kept[:40], 7, 7])
    assert found(tree, [*kept, 9]) == kept


def test_prompts_that_begin_alike_share_their_blocks():
    tree, core = new_tree()
    prompt = list(range(3 * BLOCK))
    for last in range(10):
        sequence, _ = tree.longest(np.asarray([*prompt, last], np.int32)) or (core.sequence(), 0)
        tree.keep([*prompt, last], write(core, [*prompt, last], sequence))
        del sequence

    assert core.kv.n_blocks == 3 + 10
    assert tree.n_bytes == core.kv.used_bytes


def test_what_is_the_beginning_of_another_is_not_kept_twice():
    tree, core = new_tree()
    tokens = list(range(60))
    keep(tree, core, tokens[:40])
    keep(tree, core, tokens)
    keep(tree, core, tokens[:50])

    assert core.kv.n_blocks == 2
    assert found(tree, [*tokens, 1]) == tokens


def test_the_least_recently_used_goes_first_and_a_prefix_after_what_follows_it():
    tree, core = new_tree(max_bytes=10 * 3200)
    first, second = list(range(4 * BLOCK)), list(range(1000, 1000 + 4 * BLOCK))
    keep(tree, core, first)
    keep(tree, core, second)
    found(tree, [*first, 1])  # used again

    keep(tree, core, list(range(2000, 2000 + 4 * BLOCK)))

    assert core.kv.used_bytes <= 9 * 3200
    assert found(tree, [*first, 1]) == first
    left = found(tree, [*second, 1])
    assert len(left) < len(second), "what was used longest ago made room"
    assert left == second[: len(left)]


def test_what_a_running_sequence_shares_is_not_given_up():
    tree, core = new_tree(max_bytes=5 * 3200)
    kept = list(range(4 * BLOCK))
    keep(tree, core, kept)
    running, _ = tree.longest(np.asarray(kept, np.int32))

    tree.make_room(10 * 3200)

    assert core.kv.n_blocks == 4
    assert running.tokens == kept
    del running
    tree.make_room(10 * 3200)
    assert core.kv.n_blocks == 0


def test_a_budget_of_nothing_keeps_nothing():
    tree, core = new_tree(max_bytes=0)
    keep(tree, core, list(range(100)))

    assert (core.kv.n_blocks, tree.n_bytes) == (0, 0)


def test_clear_frees_all_blocks():
    tree, core = new_tree()
    for start in (0, 50, 7):
        keep(tree, core, list(range(start, start + 90)))

    tree.clear()

    assert (core.kv.n_blocks, tree.n_bytes, found(tree, list(range(90)))) == (0, 0, [])


def test_a_sequence_that_ends_while_the_tree_is_in_use_is_kept_afterwards():
    """The collector may end a generation in the thread that is inside the tree."""
    tree, core = new_tree()
    tokens = list(range(80))
    sequence = write(core, tokens)

    class Ending:
        def __init__(self):
            self.myself = self  # only the collector ends it

        def __del__(self):
            tree.keep(tokens, sequence)

    def collecting(blocks, length):
        Ending()
        gc.collect()
        return core.__class__.sequence(core, blocks, length)

    keep(tree, core, list(range(500, 560)))
    core.sequence = collecting
    done = threading.Event()

    def look():
        tree.longest(np.arange(500, 560, dtype=np.int32))
        done.set()

    threading.Thread(target=look, daemon=True).start()

    assert done.wait(10), "the tree waits for itself"
    del core.sequence
    assert found(tree, [*tokens, 1]) == tokens


@pytest.mark.parametrize("max_blocks", [10**6, 12])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_it_finds_the_longest_of_all_that_was_kept(data, max_blocks):
    """Random sequences over few tokens, some running: compared with a list of everything."""
    tree, core = new_tree(max_bytes=max_blocks * 3200)
    kept, running = [], []
    for _ in range(data.draw(st.integers(1, 12))):
        base = data.draw(st.sampled_from([[], *kept]))
        at = data.draw(st.integers(0, len(base)))
        seed, n = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 90))
        prompt = base[:at] + np.random.default_rng(seed).integers(0, 3, n).tolist()
        known = tree.longest(np.asarray(prompt, np.int32))
        best = max((shared(other, prompt) for other in kept), default=0)
        n_known = 0 if known is None else known[1]
        if max_blocks == 10**6:
            assert n_known == best
        assert n_known <= best
        sequence = core.sequence() if known is None else known[0]
        assert sequence.tokens == prompt[:n_known]
        write(core, prompt, sequence)
        if data.draw(st.booleans()):
            running.append((prompt, sequence.fork()))
        tree.keep(prompt, sequence)
        del sequence, known
        kept.append(prompt)
        assert all(sequence.tokens == tokens for tokens, sequence in running)
    running.clear()
    tree.make_room(0)
    assert core.kv.used_bytes <= max_blocks * 3200
    tree.clear()
    assert core.kv.n_blocks == 0


def test_an_interrupt_while_it_forgets_leaves_no_freed_block_in_the_tree():
    tree, core = new_tree()
    keep(tree, core, list(range(100)))
    release = core.kv.release

    def interrupted(blocks):
        release(blocks)
        core.kv.release = release
        raise KeyboardInterrupt

    core.kv.release = interrupted
    with pytest.raises(KeyboardInterrupt):
        tree.clear()
    assert found(tree, list(range(100))) == []
    assert (tree.n_bytes, core.kv.n_blocks) == (0, 0)
    keep(tree, core, list(range(50)))
    assert found(tree, list(range(100))) == list(range(50))


def test_a_handler_that_asks_for_all_in_the_middle_of_a_change_gets_no_empty_list():
    tree, core = new_tree()
    keep(tree, core, list(range(100)))
    release, asked = core.kv.release, []

    def during(blocks):
        with pytest.raises(Busy) as busy:
            tree.all()
        asked.append(str(busy.value))
        release(blocks)

    core.kv.release = during
    tree.clear()
    assert asked == ["the kept keys and values are being changed just now, below this very call; ask later"]
