"""Stand-ins for the C++ engine: instant, and they write what a test tells them to.

`scripted_model("<|channel|>final<|message|>Hi<|return|>")` is an ossnb Model that answers every harmony
prompt with these tokens; `random_model()` has a small vocabulary and logits drawn from a hash of all tokens
before.
"""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ossnb import _core
from ossnb.checkpoint.config import Config
from ossnb.engine.spread import Spread
from ossnb.forms.arguments import Arguments
from ossnb.generation.question import Question
from ossnb.generation.record import Reply
from ossnb.harmony.legal import Turn, tools_told
from ossnb.harmony.parser import Parser
from ossnb.harmony.parts import Part
from ossnb.harmony.prompt import end_of_thought
from ossnb.harmony.tokenizer import CALL, RETURN, Tokenizer
from ossnb.model import Model
from ossnb.views.sources import Sources


class KvStore:
    """Blocks that remember their tokens, where the engine has keys and values; references are counted."""

    block_tokens, block_bytes = 32, 3200

    def __init__(self):
        self.tokens: dict[int, list[int]] = {}
        self.counts: dict[int, int] = {}
        self._next = 0

    @property
    def n_blocks(self):
        return len(self.tokens)

    @property
    def used_bytes(self):
        return self.n_blocks * self.block_bytes

    def host_bytes(self, n_new):
        return n_new * self.block_bytes

    def new(self, tokens=()):
        self._next += 1
        self.tokens[self._next], self.counts[self._next] = list(tokens), 1
        return self._next

    def retain(self, blocks):
        for block in blocks:
            self.counts[block] += 1

    def release(self, blocks):
        for block in blocks:
            self.counts[block] -= 1
            if self.counts[block] == 0:
                del self.tokens[block], self.counts[block]

    def make_from(self, block):
        assert block.nbytes == self.block_bytes
        return self.new()

    def references(self, block):
        return self.counts[block]


class Sequence:
    def __init__(self, kv, blocks=(), length=0):
        kv.retain(blocks)
        self.kv, self.blocks, self.length = kv, list(blocks), length

    @property
    def tokens(self):
        return [token for block in self.blocks for token in self.kv.tokens[block]][: self.length]

    @property
    def n_bytes(self):
        return len(self.blocks) * self.kv.block_bytes

    def append(self, token):
        at = self.length % self.kv.block_tokens
        if at == 0:
            self.blocks.append(self.kv.new())
        elif self.kv.references(self.blocks[-1]) > 1 or len(self.kv.tokens[self.blocks[-1]]) > at:
            mine = self.kv.new(self.kv.tokens[self.blocks[-1]][:at])
            self.kv.release([self.blocks[-1]])
            self.blocks[-1] = mine
        self.kv.tokens[self.blocks[-1]].append(token)
        self.length += 1

    def fork(self):
        return Sequence(self.kv, self.blocks, self.length)

    def rewind(self, length):
        assert 0 <= length <= self.length
        n = -(-length // self.kv.block_tokens)
        self.kv.release(self.blocks[n:])
        del self.blocks[n:]
        self.length = length

    def __del__(self):
        self.kv.release(self.blocks)


class Step(NamedTuple):
    choices: list
    n_bytes: int


class Core:
    """A _core.Model whose logits are a function of the tokens so far.

    `computed` lists (position, n) of each feed, `passes` how many feeds each pass had. `before_forward` is
    called before a pass, with the number of feeds so far, to raise or to wait, and `after_forward` when the
    sequences have grown, as a signal comes just before the results reach Python.
    """

    kv_bytes_per_token = 100
    isa = "reference"
    device = "cpu"
    kv_format = "float32"

    def __init__(self, logits_after: Callable[[list[int]], np.ndarray], n_vocab: int):
        self.logits_after, self.n_vocab = logits_after, n_vocab
        self.threads = 1
        self.kv = KvStore()
        self.computed: list[tuple[int, int]] = []
        self.passes: list[int] = []
        self.before_forward: Callable[[int], None] = lambda n_calls: None
        self.after_forward: Callable[[], None] = lambda: None

    def sequence(self, blocks=(), length=0):
        return Sequence(self.kv, blocks, length)

    def logits(self, feeds, cancel=None, out=None):
        self.before_forward(len(self.computed))
        if cancel is not None and cancel.is_set():
            raise _core.Cancelled
        self.passes.append(len(feeds))
        before = [(sequence, sequence.length) for sequence, _, _ in feeds]
        try:
            logits = self._append(feeds)
        except BaseException:
            for sequence, length in before:
                sequence.rewind(length)
            raise
        if out is None:
            return logits
        out[:] = logits
        return out

    def _append(self, feeds):
        rows = []
        for sequence, ids, wanted in feeds:
            self.computed.append((sequence.length, len(ids)))
            for i, token in enumerate(ids):
                assert 0 <= token < self.n_vocab
                sequence.append(int(token))
                if i >= len(ids) - wanted:
                    rows.append(self.logits_after(sequence.tokens))
        return np.array(rows, np.float32).reshape(-1, self.n_vocab)

    def step(self, feeds, choosers, cancel=None):
        logits = self.logits(feeds, cancel)
        self.after_forward()
        return Step([chooser.choose(row) for chooser, row in zip(choosers, logits, strict=True)], 1000)


class ScriptedModel(Model):
    """A model of scripts, which may break the rules of harmony: then it is asked without them."""

    scripts: list[list[int]]

    def ask(self, question, **more):
        if isinstance(question, Question) and not self._keep_rules(question):
            sampling = dataclasses.replace(question.sampling, keep_rules=False)
            question = dataclasses.replace(question, sampling=sampling)
        return super().ask(question, **more)

    def _keep_rules(self, question):
        if (
            question.begun
        ):  # a branch has other words than the script, which then begins again within a message
            return False
        if question.prompt is not None:
            return True
        try:
            tools = tools_told(self.prompt_tokens(question))
        except ValueError:  # of which ask tells
            return True
        return all(_is_legal(script, tools) for script in self.scripts)


def _is_legal(script, tools):
    turn, arguments, parser = Turn(tools, 201088), Arguments(tools, 201088), Parser()
    for token in [*script, RETURN] if script and script[-1] not in (RETURN, CALL) else script:
        if not (turn.may_be(token) and arguments.may_be(token)):
            return False
        turn.take(token)
        parser.push(token)
        arguments.see(token, parser.recipient)
    return True


def model_of(core: Core, context: int = 4096, scripts: list[list[int]] | None = None) -> Model:
    config = Config(num_hidden_layers=2, vocab_size=core.n_vocab)
    kind = Model if scripts is None else ScriptedModel
    model = kind(core, config, source="fake", revision="r1", context=context)
    if scripts is not None:
        model.scripts = scripts
    return model


def scripted_model(script: str | list[int], context: int = 4096) -> Model:
    """A model that writes `script` after every prompt, whatever the settings, and then <|return|>."""
    ids = Tokenizer().encode(script, special=True) if isinstance(script, str) else list(script)

    def logits_after(tokens):
        written = next(n for n in range(len(ids), -1, -1) if n == 0 or tokens[-n:] == ids[:n])
        row = np.zeros(201088, np.float32)
        row[ids[written] if written < len(ids) else RETURN] = 1000
        return row

    return model_of(Core(logits_after, 201088), context, [ids])


def model_of_rounds(*scripts: str, context: int = 8192) -> Model:
    """A model that writes the first script after a user's message, the second after its call's results, ...

    A script ends with its own end; the last one is written again in all later rounds.
    """
    rounds = [Tokenizer().encode(script, special=True) for script in scripts]
    user = Tokenizer().encode("<|start|>user", special=True)

    def logits_after(tokens):
        asked = next(i for i in range(len(tokens) - 2, -1, -1) if tokens[i : i + 2] == user)
        ids = rounds[min(tokens[asked:].count(CALL), len(rounds) - 1)]
        written = next(n for n in range(len(ids), -1, -1) if n == 0 or tokens[-n:] == ids[:n])
        row = np.zeros(201088, np.float32)
        row[ids[written] if written < len(ids) else RETURN] = 1000
        return row

    return model_of(Core(logits_after, 201088), context, rounds)


def thinking_model(answer: str, n_words: int = 1000) -> Model:
    """A model that thinks in `n_words` numbers and then answers one question, also where somebody ended the
    thought."""
    encode = Tokenizer().encode
    begun = encode("<|start|>assistant", special=True)
    words = " ".join(map(str, range(n_words)))
    thought = [*encode(f"<|channel|>analysis<|message|>{words}", special=True), *end_of_thought()]
    said = [*encode(answer), RETURN]

    def after(ids, tokens):
        places = (i for i in range(len(tokens)) if tokens[i : i + len(ids)] == ids)
        return next((tokens[i + len(ids) :] for i in places), None)

    def logits_after(tokens):
        answered = after(end_of_thought(), tokens)
        row = np.zeros(201088, np.float32)
        row[thought[len(after(begun, tokens))] if answered is None else said[len(answered)]] = 1000
        return row

    return model_of(Core(logits_after, 201088))


def random_model(n_vocab: int = 300, context: int = 4096) -> Model:
    """A model for raw tokens whose next-token distribution depends on every token before."""

    def logits_after(tokens):
        key = zlib.crc32(np.asarray(tokens, np.int32).tobytes())
        return np.random.default_rng(key).normal(0, 2, n_vocab).astype(np.float32)

    return model_of(Core(logits_after, n_vocab), context)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def sources_view(reply: Reply, name: str) -> Sources:
    """What an answer looked at, with made-up shares; a part of the prompt has the name."""
    n_prompt, n_new = len(reply.prompt_tokens), len(reply.tokens)
    parts = [Part(0, 2, "text", name), Part(2, n_prompt, "text", "the rest")]
    parts.append(Part(n_prompt, n_prompt + n_new, "text", "the answer itself"))
    shapes = (n_new, 3), (2, 2, 3), (n_prompt,), (2, 2, n_new, 3)  # of Spread's fields
    found = Spread(*(np.full(shape, 0.25, np.float32) for shape in shapes))
    return Sources(list(reply.prompt_tokens), list(reply.tokens), parts, [0, 1], found)
