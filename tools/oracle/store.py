"""Store what transformers answers on random models, for tests without torch.

    python tools/oracle/store.py        # needs requirements.txt; rewrites tests/data/oracle/*.npz

The models themselves are not stored: tests/data/oracle/cases.json holds their shapes and seeds, from
which ossnb.testing.write_random_checkpoint makes the same bytes everywhere. Each NAME.npz holds, per
prompt P: `P_ids` [T], `P_rows` [R] (positions kept), `P_logits` [R, V] float32, `P_experts` [L, T, A]
uint8, `P_greedy` [G].
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from reference import ReferenceModel

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "python")]

import truth  # noqa: E402
from ossnb.testing import write_random_checkpoint  # noqa: E402

DATA = ROOT / "tests" / "data" / "oracle"
N_GREEDY = 16
# Below this distance between a chosen and a rejected expert, or between the two likeliest tokens, float32 may
# decide either way: such a prompt tells nothing, and another is drawn.
SMALLEST_MARGIN = 3e-4


def main() -> None:
    cases = json.loads((DATA / "cases.json").read_text())
    for name, case in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            path = write_random_checkpoint(folder, **case["checkpoint"])
            arrays = reference_arrays(path, case)
        np.savez_compressed(DATA / f"{name}.npz", **arrays)
        print(f"{name}: {(DATA / f'{name}.npz').stat().st_size / 1e3:.0f} kB")


def reference_arrays(path: Path, case: dict) -> dict[str, np.ndarray]:
    model, window = ReferenceModel(path), json.loads((path / "config.json").read_text())["sliding_window"]
    arrays = {}
    for n_tokens in case["prompts"]:
        ids, ref = draw_prompt(path, model, n_tokens, seed=case["checkpoint"]["seed"])
        rows = interesting_rows(n_tokens, window)
        key = f"p{n_tokens}"
        arrays |= {
            f"{key}_ids": ids,
            f"{key}_rows": rows,
            f"{key}_logits": ref.logits[rows],
            f"{key}_experts": ref.experts.astype(np.uint8),
            f"{key}_greedy": decided_greedy(path, model, ids),
        }
    return arrays


def draw_prompt(path: Path, model: ReferenceModel, n_tokens: int, seed: int):
    """A prompt on which no router hesitates, and the reference on it, which must agree with the truth."""
    n_vocab = json.loads((path / "config.json").read_text())["vocab_size"]
    random = np.random.default_rng([seed, n_tokens])
    for _ in range(50):
        ids = random.integers(n_vocab, size=n_tokens).astype(np.int32)
        exact = truth.forward(path, ids)
        if exact.margins.min() < SMALLEST_MARGIN:
            continue
        ref = model.forward(ids)
        error = np.abs(ref.logits - exact.logits).max()
        print(f"  {n_tokens} tokens: logits std {ref.logits.std():.2f}, transformers - float64 {error:.1e}")
        if error > 1e-4 or not np.array_equal(ref.experts, exact.experts):
            raise SystemExit("transformers and tests/truth.py disagree")
        return ids, ref
    raise SystemExit(f"no prompt of {n_tokens} tokens without a router near a tie; take another seed")


def decided_greedy(path: Path, model: ReferenceModel, ids: np.ndarray) -> np.ndarray:
    """The greedy continuation up to the first step that is too close to call."""
    greedy = model.greedy(ids, N_GREEDY)
    exact = truth.forward(path, np.concatenate((ids, greedy)))
    likeliest = np.sort(exact.logits[len(ids) - 1 : -1], axis=-1)
    decided = likeliest[:, -1] - likeliest[:, -2] > SMALLEST_MARGIN
    decided &= exact.margins[:, len(ids) - 1 : -1].min(axis=0) > SMALLEST_MARGIN
    n_sure = N_GREEDY if decided.all() else int(np.argmin(decided))
    return greedy[:n_sure]


def interesting_rows(n_tokens: int, window: int) -> np.ndarray:
    """The first and last positions, some between, and those on both sides of each edge of the window."""
    near_edges = [edge + d for edge in range(window, n_tokens, window) for d in (-2, -1, 0, 1, 2)][:40]
    rows = {0, 1, 2, n_tokens - 2, n_tokens - 1, *near_edges, *range(0, n_tokens, max(1, n_tokens // 8))}
    return np.array(sorted(row for row in rows if 0 <= row < n_tokens), np.int32)


if __name__ == "__main__":
    main()
