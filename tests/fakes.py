"""Stand-ins for the C++ engine: instant, and they write what a test tells them to.

`scripted_model("<|channel|>final<|message|>Hi<|return|>")` is an ossnb Model that answers every harmony
prompt with these tokens; `random_model()` has a small vocabulary and logits drawn from a hash of all tokens
before.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

import numpy as np

from ossnb import _core
from ossnb.checkpoint.config import Config
from ossnb.harmony.tokenizer import RETURN, Tokenizer
from ossnb.model import Model


class Sequence:
    """Remembers its tokens, where the engine has keys and values."""

    def __init__(self, tokens=()):
        self.tokens = list(tokens)

    @property
    def length(self):
        return len(self.tokens)

    @property
    def n_bytes(self):
        return 100 * len(self.tokens)

    def fork(self):
        return Sequence(self.tokens)

    def rewind(self, length):
        assert 0 <= length <= self.length
        del self.tokens[length:]


class Core:
    """A _core.Model whose logits are a function of the tokens so far.

    `computed` lists (position, n) of each forward call. `before_forward` is called first, to raise or to
    wait.
    """

    kv_bytes_per_token = 100
    bytes_touched = 1000
    isa = "reference"
    has_screen = False

    def __init__(self, logits_after: Callable[[list[int]], np.ndarray], n_vocab: int):
        self.logits_after, self.n_vocab = logits_after, n_vocab
        self.threads = 1
        self.computed: list[tuple[int, int]] = []
        self.before_forward: Callable[[int], None] = lambda n_calls: None

    def sequence(self):
        return Sequence()

    def forward(self, batch, cancel=None):
        self.before_forward(len(self.computed))
        if cancel is not None and cancel.is_set():
            raise _core.Cancelled
        rows = []
        for sequence, ids, wanted in batch:
            self.computed.append((sequence.length, len(ids)))
            for i, token in enumerate(ids):
                assert 0 <= token < self.n_vocab
                sequence.tokens.append(int(token))
                if i >= len(ids) - wanted:
                    rows.append(self.logits_after(sequence.tokens))
        return np.array(rows, np.float32).reshape(-1, self.n_vocab)


def model_of(core: Core, context: int = 4096) -> Model:
    config = Config(num_hidden_layers=2, vocab_size=core.n_vocab)
    return Model(core, config, source="fake", revision="r1", context=context)


def scripted_model(script: str | list[int], context: int = 4096) -> Model:
    """A model that writes `script` after every prompt, whatever the settings, and then <|return|>."""
    ids = Tokenizer().encode(script, special=True) if isinstance(script, str) else list(script)

    def logits_after(tokens):
        written = next(n for n in range(len(ids), -1, -1) if n == 0 or tokens[-n:] == ids[:n])
        row = np.zeros(201088, np.float32)
        row[ids[written] if written < len(ids) else RETURN] = 1000
        return row

    return model_of(Core(logits_after, 201088), context)


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
