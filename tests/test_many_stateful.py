"""Any order of generating, forking, rewinding, editing, evicting and cancelling, against computing all anew.

Hypothesis draws what happens; the model under test keeps little, so that it gives blocks up all the time.
Each result is compared with that of a second model, alone, without drafts and with nothing kept.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

import ossnb
from ossnb import _core
from ossnb.many.together import as_done
from ossnb.testing import write_random_checkpoint

pytestmark = pytest.mark.slow

N_VOCAB = 60  # few, so that texts repeat
SHAPE = {"num_hidden_layers": 2, "vocab_size": N_VOCAB, "sliding_window": 16, "num_local_experts": 4}
SHAPE |= {"eos_token_id": (N_VOCAB - 1,), "pad_token_id": N_VOCAB - 2}
MOST_BLOCKS = 12  # that are kept: a text of 100 tokens has four
NEW = 14  # tokens of a reply

tokens = st.integers(0, 9)
texts = st.lists(tokens, min_size=1, max_size=40) | st.builds(
    lambda unit, n: (unit * n)[:90], st.lists(tokens, min_size=3, max_size=9), st.integers(4, 20)
)
samplings = st.fixed_dictionaries(
    {"seed": st.integers(0, 2)},
    optional={
        "temperature": st.sampled_from([0.0, 0.3]),
        "top_k": st.just(5),
        "repetition_penalty": st.just(1.3),
        "logprobs": st.just(2),
        "stop": st.lists(tokens, min_size=1, max_size=1),
        "logit_bias": st.just({3: 4.0, 4: 4.0}),
    },
)
drafts = st.sampled_from([True, True, None, False])


class Alone:
    """What each text gives on a model that does nothing else; asked twice, computed once."""

    def __init__(self, model):
        self.model = model
        self.replies, self.rows = {}, {}

    def reply(self, prompt, sampling):
        key = tuple(prompt), repr(sorted(sampling.items()))
        if key not in self.replies:
            self.model.forget()
            self.replies[key] = self.model.complete(prompt, max_tokens=NEW, drafts=False, **sampling)
        return self.replies[key]

    def row(self, text):
        """The logits after a text's last token."""
        key = tuple(text)
        if key not in self.rows:
            self.rows[key] = self.model.logits(text)[-1].tobytes()
        return self.rows[key]


def facts(reply):
    return reply.tokens, reply.text, reply.logprobs, reply.finish_reason


class Kept(RuleBasedStateMachine):
    prompts, replies, streams, sequences = (
        Bundle(name) for name in ("prompts", "replies", "streams", "sequences")
    )

    def __init__(self, model, alone):
        super().__init__()
        self.model, self.alone = model, alone
        self.core = model.engine.core
        # Bundles keep what they had, also what was taken out. So they have numbers, and these are there:
        self.open = {}  # number → (stream, the reply of a run alone)
        self.held = {}  # number → (sequence, its tokens)
        self.numbers = itertools.count()

    # ---- texts -------------------------------------------------------------------------------------------

    @initialize(target=prompts, text=texts)
    def begin(self, text):
        return text

    @rule(target=prompts, text=texts)
    def write(self, text):
        return text

    @rule(target=prompts, prompt=prompts, more=st.lists(tokens, min_size=1, max_size=40))
    def extend(self, prompt, more):
        return [*prompt, *more]

    @rule(target=prompts, prompt=prompts, place=st.integers(0, 89), token=tokens)
    def edit(self, prompt, place, token):
        place %= len(prompt)
        return [*prompt[:place], token, *prompt[place + 1 :]]

    @rule(target=prompts, reply=replies)
    def go_on(self, reply):
        return [*reply.prompt_tokens, *reply.tokens]

    # ---- replies -----------------------------------------------------------------------------------------

    @rule(target=replies, prompt=prompts, sampling=samplings, drafts=drafts)
    def generate(self, prompt, sampling, drafts):
        reply = self.model.complete(prompt, max_tokens=NEW, drafts=drafts, **sampling)
        assert facts(reply) == facts(self.alone.reply(prompt, sampling))
        return reply

    @rule(target=replies, prompt=prompts, sampling=samplings, drafts=drafts, n=st.integers(2, 4))
    def sample(self, prompt, sampling, drafts, n):
        """Several at once, in threads that share passes."""
        each = [{**sampling, "seed": seed} for seed in range(n)]
        streams = [self.model.stream_complete(prompt, max_tokens=NEW, drafts=drafts, **one) for one in each]
        found = dict(as_done(streams, most=n))
        for number, one in enumerate(each):
            assert facts(found[number]) == facts(self.alone.reply(prompt, one))
        return multiple(*found.values())

    @rule(reply=replies, at=st.integers(0, NEW), token=tokens, drafts=drafts)
    def branch(self, reply, at, token, drafts):
        at %= len(reply.tokens) + 1
        again = reply.branch(at, [token], drafts=drafts)
        self.alone.model.forget()
        question = ossnb.Question.branch(reply, at, [token], drafts=False)
        assert facts(again) == facts(self.alone.model.ask(question).run())

    # ---- streams -----------------------------------------------------------------------------------------

    @rule(target=streams, prompt=prompts, sampling=samplings, drafts=drafts)
    def open_stream(self, prompt, sampling, drafts):
        stream = self.model.stream_complete(prompt, max_tokens=NEW, drafts=drafts, **sampling)
        number = next(self.numbers)
        self.open[number] = stream, self.alone.reply(prompt, sampling)
        return number

    @rule(number=streams, n=st.integers(1, NEW))
    def read(self, number, n):
        stream, whole = self.open[number]
        for _ in range(n):
            if next(stream, None) is None:
                break
        self.compare(stream, whole)

    @rule(number=consumes(streams), how=st.sampled_from(["run", "cancel", "close", "let go"]))
    def end(self, number, how):
        stream, whole = self.open.pop(number)
        if how == "run":
            stream.run()
            assert stream.reply.finish_reason == whole.finish_reason
        elif how == "cancel":
            stream.cancel()
            stream.run()
        elif how == "close":
            stream.close()
        self.compare(stream, whole)

    def compare(self, stream, whole):
        reply = stream.reply
        if reply.finish_reason in ("unfinished", "cancelled"):
            assert reply.tokens == whole.tokens[: len(reply.tokens)]
            assert reply.logprobs == whole.logprobs[: len(reply.logprobs)]
        else:
            assert facts(reply) == facts(whole)

    # ---- sequences ---------------------------------------------------------------------------------------

    def hold(self, sequence, text):
        number = next(self.numbers)
        self.held[number] = sequence, text
        return number

    @rule(target=sequences, prompt=prompts)
    def share(self, prompt):
        """Begin a sequence with what is known of a prompt."""
        found = self.model.scheduler.tree.longest(np.asarray(prompt, np.int32))
        sequence, n = found or (self.core.sequence(), 0)
        return self.hold(sequence, prompt[:n])

    @rule(target=sequences, number=sequences)
    def fork(self, number):
        sequence, text = self.held[number]
        return self.hold(sequence.fork(), list(text))

    @rule(number=sequences, n=st.integers(0, 130))
    def rewind(self, number, n):
        sequence, text = self.held[number]
        n %= len(text) + 1
        sequence.rewind(n)
        del text[n:]
        assert sequence.length == n

    @rule(number=sequences, more=st.lists(tokens, min_size=1, max_size=35))
    def append(self, number, more):
        sequence, text = self.held[number]
        text += more
        row = self.core.logits([(sequence, np.asarray(more, np.int32), 1)])
        assert row.tobytes() == self.alone.row(text)

    @rule(number=sequences, more=st.lists(tokens, min_size=1, max_size=35))
    def append_cancelled(self, number, more):
        sequence, text = self.held[number]
        cancel = _core.CancelFlag()
        cancel.set()
        with pytest.raises(_core.Cancelled):
            self.core.logits([(sequence, np.asarray(more, np.int32), 1)], cancel)
        assert sequence.length == len(text)

    @rule(number=consumes(sequences))
    def keep(self, number):
        """Hand a sequence to the tree, as a generation does at its end."""
        sequence, text = self.held.pop(number)
        self.model.scheduler.tree.keep(text, sequence)

    # ---- the budget --------------------------------------------------------------------------------------

    @rule(n_blocks=st.integers(1, MOST_BLOCKS))
    def evict(self, n_blocks):
        self.model.scheduler.tree.make_room(n_blocks * self.core.kv.block_bytes)

    @rule()
    def forget(self):
        self.model.forget()
        assert self.model.n_kept_bytes == 0

    @invariant()
    def bytes_are_under_the_budget(self):
        self.model.scheduler.tree.make_room(0)
        in_use = sum(len(sequence.blocks) for sequence, _ in self.held.values())
        in_use += sum(-(-(len(s.reply.prompt_tokens) + NEW) // 32) + 1 for s, _ in self.open.values())
        assert self.core.kv.n_blocks <= max(MOST_BLOCKS, in_use)

    def teardown(self):
        for stream, _ in self.open.values():
            stream.close()
        self.open.clear()
        self.held.clear()
        self.model.forget()
        assert self.core.kv.used_bytes == 0


def test_whatever_happens_each_result_is_that_of_computing_it_alone(tmp_path):
    folder = write_random_checkpoint(tmp_path / "model", SHAPE, seed=3)
    with ossnb.load(folder) as model, ossnb.load(folder) as other:
        model.scheduler.tree.max_bytes = MOST_BLOCKS * model.engine.core.kv.block_bytes
        model.patience_s = None
        alone = Alone(other)
        run_state_machine_as_test(
            lambda: Kept(model, alone),
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
