"""The campaign's own parts, at a small scale; `make campaign` runs them in full."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).parent / "campaign"


def campaign(*arguments):
    return subprocess.run(
        [sys.executable, str(CAMPAIGN), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_hostile_checkpoints_and_random_streams(tmp_path):
    figures = tmp_path / "figures.json"
    done = campaign("checkpoints", "streams", "--scale", 0.1, "--seed", 5, "--json", figures)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads(figures.read_text())["parts"]
    assert {name: part["n"] for name, part in parts.items()} == {"checkpoints": 30, "streams": 2000}


@pytest.mark.slow
def test_a_few_interrupts_lose_nothing():
    done = campaign("interrupts", "--scale", 0.01, "--seed", 5)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "interrupts       20 trials" in done.stdout


def test_a_part_that_does_not_exist_is_refused():
    done = campaign("interupts")
    assert done.returncode == 2
    assert "no such part: interupts; there are checkpoints, interrupts," in done.stderr
