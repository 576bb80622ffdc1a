"""Compare ossnb with transformers on models made this minute.

    python tools/oracle/live.py [--models 6] [--seed N]

Needs requirements.txt and ossnb in one environment. Every model has another shape, layout and seed; a seed
given again makes the same models. Exit status 1 if any logit is more than 2e-4 away.
"""

import argparse
import json
import random
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from reference import ReferenceModel
from store import draw_prompt, truth

import ossnb
from ossnb.testing import write_random_checkpoint

TOLERANCE = 2e-4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--seed", type=int, help="default: another one every time")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"{given.models} models from --seed {seed}")
    worst = max(compare(seed + number) for number in range(given.models))
    print(f"largest difference of any logit: {worst:.1e} (allowed: {TOLERANCE:.0e})")
    return int(not worst <= TOLERANCE)


def compare(seed: int) -> float:
    """Make one model, run prompts of several lengths through both, and return the largest difference."""
    choice = random.Random(seed)
    shape, quantized = random_shape(choice), choice.random() < 0.75
    print(f"model {seed}: {json.dumps(shape)}{'' if quantized else ', unquantised'}")
    options: dict[str, Any] = {"shape": shape, "seed": seed, "edge_cases": choice.random() < 0.5}
    differences = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        hf = write_random_checkpoint(
            folder / "hf", quantized=quantized, shards=choice.randint(1, 3), **options
        )
        folders = [hf]
        if quantized:
            folders.append(write_random_checkpoint(folder / "original", layout="original", **options))
        reference = ReferenceModel(hf)
        models = [ossnb.load(path) for path in folders]
        for n_tokens in (choice.randint(1, 30), choice.randint(129, 160), choice.randint(300, 340)):
            ids, expected = draw_prompt(hf, reference, n_tokens, seed)
            for model in models:
                differences.append(float(np.abs(model.logits(ids) - expected.logits).max()))
        check_greedy(hf, reference, models, ids[:40])
    print(f"  ossnb - transformers {max(differences):.1e}")
    return max(differences)


def random_shape(choice: random.Random) -> dict[str, Any]:
    """gpt-oss in small, with every ratio drawn anew."""
    n_experts, n_kv_heads = choice.randint(2, 9), choice.randint(1, 3)
    hidden = 32 * choice.randint(1, 9)
    sizes = [32 * n for n in range(1, 8) if 32 * n != hidden]
    return {
        "num_hidden_layers": choice.randint(1, 5),
        "hidden_size": hidden,
        "intermediate_size": choice.choice(sizes),
        "num_key_value_heads": n_kv_heads,
        "num_attention_heads": n_kv_heads * choice.choice([1, 2, 3, 8]),
        "head_dim": 16 * choice.randint(1, 5),
        "num_local_experts": n_experts,
        "num_experts_per_tok": choice.randint(1, min(4, n_experts)),
        "vocab_size": choice.randint(50, 700),
        # Not 1: there transformers 5.23 with its cache contradicts itself without.
        "sliding_window": choice.choice([2, 5, 16, 128, 128]),
    }


def check_greedy(folder: Path, reference: ReferenceModel, models: list[ossnb.Model], ids: np.ndarray) -> None:
    """Greedy continuations must be equal, up to the first step that is too close to call."""
    expected = reference.greedy(ids, 12)
    for model in models:
        ours, so_far = [], ids
        for _ in expected:
            ours.append(int(model.logits(so_far)[-1].argmax()))
            so_far = np.append(so_far, ours[-1])
        if ours != expected.tolist():
            step = next(i for i, (a, b) in enumerate(zip(ours, expected, strict=True)) if a != b)
            context = np.concatenate((ids, expected[:step]))
            two = np.sort(truth.logits(folder, context)[-1])[-2:]
            if two[1] - two[0] > 2 * TOLERANCE:
                raise SystemExit(
                    f"greedy continuations differ at step {step}: {ours} and {expected.tolist()}"
                )


if __name__ == "__main__":
    sys.exit(main())
