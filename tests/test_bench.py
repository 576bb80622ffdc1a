"""`ossnb bench`: its counts against the tensors, its figures against one another."""

import json
from pathlib import Path

import numpy as np
import pytest

from ossnb.checkpoint.config import Config
from ossnb.command import bench
from ossnb.testing import SHAPES, write_random_checkpoint

TINY = SHAPES["tiny"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_checkpoint(tmp_path_factory.mktemp("bench") / "tiny", "tiny", seed=2)


@pytest.fixture(scope="module")
def report(folder: Path) -> dict:
    return bench.measure(folder, prompt=24, new=6, depth=10, threads=1, runs=2)


def test_the_report_is_json_and_says_what_was_run(report: dict, folder: Path) -> None:
    again = json.loads(json.dumps(report))
    assert again == report
    assert report["model"]["source"] == str(folder)
    assert report["model"]["num_hidden_layers"] == TINY.num_hidden_layers
    settings = {"prompt": 24, "new": 6, "depth": 10, "runs": 2, "threads": 1}
    assert report["settings"].items() >= settings.items()
    assert report["machine"]["memory_bytes"] > 1e8


def test_rates_and_shares_agree(report: dict) -> None:
    for phase in ("prefill", "decode"):
        found = report[phase]
        assert len(found["runs"]) == 2
        assert 0 < found["min_tok_s"] <= found["tok_s"] <= found["max_tok_s"]
    decode, prefill, limits = report["decode"], report["prefill"], report["limits"]
    assert decode["gb_s"] == pytest.approx(decode["tok_s"] * decode["bytes_per_token"] / 1e9, rel=1e-6)
    assert decode["share_of_read_bandwidth"] == pytest.approx(decode["gb_s"] / limits["read_gb_s"])
    assert prefill["gop_s"] == pytest.approx(prefill["tok_s"] * bench.matrix_operations(TINY) / 1e9)
    assert prefill["share_of_int8_peak"] == pytest.approx(prefill["gop_s"] / limits["int8_gop_s"])


def expected_bytes_per_token(config: Config) -> int:
    """Weights that one decoded token must read, by its shapes: bfloat16, and 17 bytes a block of 32."""
    c = config
    q, kv = c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
    attention = 2 * (c.hidden_size * (2 * q + 2 * kv) + q + 2 * kv + c.hidden_size + c.num_attention_heads)
    router = 2 * c.num_local_experts * (c.hidden_size + 1)
    gate_up = 2 * c.intermediate_size * (c.hidden_size // 32 * 17 + 2)
    down = c.hidden_size * (c.intermediate_size // 32 * 17 + 2)
    layer = attention + router + c.num_experts_per_tok * (gate_up + down) + 2 * 2 * c.hidden_size
    head = 2 * c.hidden_size * (c.vocab_size + 2)  # lm_head, the last norm, one row of the embedding
    return c.num_hidden_layers * layer + head


def test_bytes_a_token_are_those_of_the_tensors_touched(report: dict) -> None:
    weights = expected_bytes_per_token(TINY)
    # Keys and values: at most every one of the 40 tokens in every layer, at least a window's share.
    most = report["kv_bytes_per_token"] * 40
    assert weights * 0.99 <= report["decode"]["bytes_per_token"] <= (weights + most) * 1.01


def test_the_20b_costs_what_its_shape_says() -> None:
    assert bench.matrix_operations(Config()) / 1e9 == pytest.approx(6.06, abs=0.01)
    big = SHAPES["120b"]
    assert bench.matrix_operations(big) / bench.matrix_operations(Config()) == pytest.approx(1.5, rel=0.01)
    assert expected_bytes_per_token(Config()) / 1e9 == pytest.approx(3.71, abs=0.01)


def test_token_ids_are_the_same_every_time_and_in_range() -> None:
    ids = bench.random_ids(512, 1000)
    assert ids.tolist() == bench.random_ids(512, 1000).tolist()
    assert ids.dtype == np.int32
    assert 0 <= ids.min() < ids.max() < 512


def test_private_memory_is_seen_at_its_peak_and_not_in_mappings(tmp_path: Path) -> None:
    if bench.private_bytes() is None:
        pytest.fail("these tests run on Linux, where /proc tells private memory")
    (tmp_path / "weights").write_bytes(bytes(64 << 20))
    with bench.PeakPrivateMemory() as memory:
        before = memory.peak
        mapped = np.memmap(tmp_path / "weights", np.uint8, "r")
        assert mapped.sum() == 0
        in_mapping = bench.private_bytes() - before
        held = np.ones(96 << 20, np.uint8)
        bench_peak_needs = 90 << 20
        for _ in range(200):  # until the watching thread has looked
            if memory.peak - before > bench_peak_needs:
                break
            np.add(held, 1, out=held)
        del held
    assert in_mapping < 32 << 20
    assert memory.peak - before > bench_peak_needs


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"prompt": 0}, "prompt must be at least 1"), ({"depth": -1}, "depth must be at least 0")],
)
def test_counts_that_make_no_sense_are_refused(folder: Path, wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bench.measure(folder, **wrong)


def test_more_tokens_than_the_model_s_context_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=str(TINY.max_position_embeddings)):
        bench.measure(folder, prompt=TINY.max_position_embeddings, new=1)


def test_the_table_shows_the_figures(report: dict) -> None:
    text = bench.render(report)
    assert "prefill 24 after 10" in text
    assert f"{report['decode']['tok_s']:.1f}" in text
    assert f"{report['limits']['read_gb_s']:.1f} GB/s" in text
