"""What the engine computes, as hashes: `python tests/bits.py` writes tests/data/bits.json.

The file changes only with the written orders of docs/NUMERICS.md, and CHANGELOG.md says so when it does.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np

import ossnb
from ossnb.testing import write_random_checkpoint

FILE = Path(__file__).parent / "data" / "bits.json"
TINY = Path(__file__).parent / "data" / "tiny_a"
PRECISIONS = ("exact", "fast")
# Window 128 and full attention over more than two pieces of 256 keys; GQA of 8; an odd number of groups.
SHAPE = {
    "num_hidden_layers": 3, "hidden_size": 96, "intermediate_size": 160, "num_attention_heads": 16,
    "num_key_value_heads": 2, "head_dim": 64, "num_local_experts": 8, "num_experts_per_tok": 4,
    "vocab_size": 300, "sliding_window": 128,
}  # fmt: skip
N_TOKENS = 600
PROMPT = "Tell me a story about a fox named Mia."


def write_checkpoint(folder: Path) -> Path:
    return write_random_checkpoint(folder, SHAPE, seed=5, edge_cases=True)


def sha(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:24]


def of_tiny(precision: str) -> str:
    """The logits of the stored reference model after each of 75 tokens."""
    with ossnb.load(TINY / "hf", precision=precision) as model:
        return sha(model.logits(np.load(TINY / "prompt_long.npy")))


def of_long(folder: Path, precision: str) -> dict[str, str]:
    """Logits over N_TOKENS tokens, and what 40 sampled tokens are that follow 300 of them."""
    ids = np.random.default_rng(6).integers(0, SHAPE["vocab_size"], N_TOKENS)
    with ossnb.load(folder, precision=precision) as model:
        sampled = model.complete(ids[:300], max_tokens=40, seed=3, temperature=1.5, repetition_penalty=1.1)
        return {"logits": sha(model.logits(ids)), "sampled": sha(np.array(sampled.tokens, np.int32))}


def of_demo(precision: str) -> dict[str, str]:
    """Two answers of the embedded model, greedy and sampled, chosen by way of the screen."""
    with ossnb.load("demo", precision=precision) as model:
        replies = {
            "greedy": model.generate(PROMPT, temperature=0, seed=1, max_tokens=60),
            "sampled": model.generate(PROMPT, effort="high", temperature=1.3, seed=8, max_tokens=60),
        }
        return {name: sha(np.array(reply.tokens, np.int32)) for name, reply in replies.items()}


def all_of(folder: Path) -> dict[str, object]:
    return {
        precision: {"tiny": of_tiny(precision), "demo": of_demo(precision), **of_long(folder, precision)}
        for precision in PRECISIONS
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        FILE.write_text(json.dumps(all_of(write_checkpoint(Path(scratch) / "model")), indent=1) + "\n")
