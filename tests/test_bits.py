"""The bits of docs/NUMERICS.md, held to stored hashes: at every level of this machine, in both precisions."""

import json

import pytest

import bits
from ossnb import _core

STORED = json.loads(bits.FILE.read_text())


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return bits.write_checkpoint(tmp_path_factory.mktemp("bits") / "model")


@pytest.mark.parametrize("precision", bits.PRECISIONS)
@pytest.mark.parametrize("isa", _core.isa_levels())
def test_logits_and_choices_are_the_stored_ones(isa, precision, checkpoint, monkeypatch):
    monkeypatch.setenv("OSSNB_ISA", isa)
    stored = STORED[precision]

    assert bits.of_tiny(precision) == stored["tiny"]
    assert bits.of_long(checkpoint, precision) == {name: stored[name] for name in ("logits", "sampled")}


@pytest.mark.parametrize("precision", bits.PRECISIONS)
def test_answers_of_the_embedded_model_are_the_stored_ones(precision):
    assert bits.of_demo(precision) == STORED[precision]["demo"]
