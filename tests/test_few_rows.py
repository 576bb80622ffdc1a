"""benchmarks/: the step of a few rows, and the rates that a llama-bench prints."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ossnb.testing import write_random_checkpoint

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "few_rows.py"

# What ik_llama.cpp's program writes: a line about its device first, then the tests (most fields left out).
PRINTED = """ggml: one device found
[
  {"build_commit": "abc", "model_type": "gpt-oss 20B", "n_threads": 2, "n_prompt": 16, "n_gen": 0,
   "avg_ts": 17.8, "stddev_ts": 0.2, "samples_ns": [900000000, 890000000], "samples_ts": [17.7, 17.9]},
  {"build_commit": "abc", "model_type": "gpt-oss 20B", "n_threads": 2, "n_prompt": 0, "n_gen": 32,
   "avg_ts": 6.9, "stddev_ts": 0.1}
]
"""


def fake_program(folder, printed, status=0):
    """A llama-bench that keeps what it was asked and prints the same each time."""
    program = folder / "llama-bench"
    (folder / "printed").write_text(printed)
    program.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\nhere = pathlib.Path(__file__).parent\n"
        "(here / 'asked').write_text(' '.join(sys.argv[1:]))\n"
        f"print((here / 'printed').read_text())\nsys.exit({status})\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "weights.gguf").write_bytes(b"GGUF")
    return program


def few_rows(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    os.environ.setdefault("OSSNB_CACHE", str(folder / "cache"))
    return write_random_checkpoint(folder / "tiny", shape="tiny", seed=1)


@pytest.mark.skipif(not (ROOT / ".venv" / "bin" / "python").exists(), reason="benchmarks/ use .venv")
def test_a_table_with_a_line_for_each_step_and_each_rate(checkpoint, tmp_path):
    program = fake_program(tmp_path, PRINTED)
    done = few_rows(
        checkpoint, "--rows", 1, 5, "--precision", "fast", "--runs", 2, "--threads", 1,
        "--llama-bench", program, "--gguf", tmp_path / "weights.gguf", "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out.json").read_text())
    steps = {(step["rows"], step["alone"]): step for step in report["steps"]}
    assert set(steps) == {(1, False), (5, False), (1, True), (5, True)}
    assert all(step["seconds"] > 0 and step["bytes"] > 0 for step in report["steps"])
    assert steps[1, True]["experts"] == 2 <= steps[5, True]["experts"] <= 4
    assert steps[5, False]["bytes"] >= steps[1, False]["bytes"]
    assert report["limits"]["read"] > 0
    assert report["llama_bench"] == {"prefill 16": [17.7, 17.9], "decode": [6.9]}
    assert "prefill 16   17.8 tok/s (17.7 to 17.9)" in done.stdout
    assert "-p 1,5 -n 0" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("printed", "status"), [("no such option", 0), (PRINTED, 3), ('[\n{"n_prompt": 1}]', 0)]
)
def test_a_program_that_fails_is_named(tmp_path, printed, status):
    program = fake_program(tmp_path, printed, status)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom llama_bench import Tool\n"
        "Tool(Path(sys.argv[2]), Path(sys.argv[3]), 1).rates([16])"
    )
    command = [sys.executable, "-c", code, SCRIPT.parent, program, tmp_path / "weights.gguf"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "llama-bench" in done.stderr


def test_wrong_arguments_are_told(tmp_path):
    assert "belong together" in few_rows(tmp_path, "--llama-bench", "x").stderr
    assert "from 1 to 512" in few_rows(tmp_path, "--rows", 0).stderr
