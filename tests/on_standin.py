"""Bad moments of a card, on the stand-in for a driver: tests/test_cuda_device.py runs this file."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import bits
import ossnb
from children import in_child
from on_cuda import NARROW, core_of
from ossnb import _core
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.command import doctor
from ossnb.devices import cards
from ossnb.testing import write_random_checkpoint
from standin import saying

TINY = bits.TINY / "hf"
IDS = list(range(40))


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Each test begins with a driver that no earlier one has broken."""
    yield
    gc.collect()


@pytest.fixture
def model():
    with ossnb.load(TINY, device="cuda") as model:
        yield model


def answer(model):
    return model.complete(IDS, max_tokens=6, temperature=0).tokens


def begun(model):
    """An answer that has some tokens."""
    stream = model.ask(ossnb.Question.raw(IDS, max_tokens=30, temperature=0))
    while len(stream.reply.tokens) < 2:
        next(stream)
    return stream


def test_machine_code_that_the_driver_refuses_gives_way_to_ptx(monkeypatch):
    if not _core.cuda_images():
        pytest.skip("this build has no kernels for a GPU")
    monkeypatch.delenv("OSSNB_CUDA_KERNELS")
    with saying(fault="cuModuleLoadData:1:209"), ossnb.load(TINY, device="cuda") as model:
        assert answer(model) == answer(ossnb.load(TINY, device="cpu"))


@pytest.mark.parametrize("fault", ["cuStreamBeginCapture:1:900", "cuGraphInstantiate:1:1"])
def test_a_pass_that_cannot_be_recorded_runs_all_the_same(model, fault):
    with saying(fault=fault):
        assert answer(model) == answer(ossnb.load(TINY, device="cpu"))


def test_keys_are_kept_in_a_file_while_an_answer_is_written(model, tmp_path):
    alone = model.complete(IDS, max_tokens=40, temperature=0).tokens
    model.complete(range(400), max_tokens=1)
    model.save_cache(tmp_path / "kept.ossnb")
    model.forget()
    found = []
    writing = threading.Thread(
        target=lambda: found.append(model.complete(IDS, max_tokens=40, temperature=0).tokens)
    )
    writing.start()
    while writing.is_alive():
        model.load_cache(tmp_path / "kept.ossnb")
        model.save_cache(tmp_path / "again.ossnb")
    writing.join()
    assert found == [alone]


# ---- choosing a device -------------------------------------------------------------------------------------


def test_a_card_is_taken_where_the_model_fits(capsys):
    with ossnb.load(TINY) as model:
        assert model.device == "cuda:0"
    with saying(cards=3), ossnb.load(TINY, device="cuda:2") as model:
        assert model.device == "cuda:2"
    assert capsys.readouterr().err == ""


def test_a_card_without_room_is_not_taken_and_a_line_says_why(capsys):
    with saying(memory=150e6), ossnb.load(TINY) as model:
        assert model.device == "cpu"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cuda:0 (Stand-in) is not used: ")
    assert "are needed for" in line
    assert "150 MB of 150 MB are free" in line
    assert line.endswith("; the CPU computes")


def test_the_environment_names_the_device(monkeypatch, capsys):
    monkeypatch.setenv("OSSNB_DEVICE", "cpu")
    with ossnb.load(TINY) as model:
        assert model.device == "cpu"
    with ossnb.load(TINY, device="auto") as model:
        assert model.device == "cuda:0"
    assert capsys.readouterr().err == ""


def test_a_card_that_is_not_there():
    with pytest.raises(ossnb.DeviceError, match=r"no card cuda:5; this machine has cuda:0 \(Stand-in\)"):
        ossnb.load(TINY, device="cuda:5")


def test_a_named_card_without_room_says_what_is_needed_and_what_would_fit():
    with saying(memory=150e6), pytest.raises(MemoryError) as caught:
        ossnb.load(TINY, device="cuda")
    told = str(caught.value)
    for part in ("for weights", "of work space", "150 MB of 150 MB are free", 'device="cpu"'):
        assert part in told
    assert cards.look(with_free_memory=True).cards[0].free == 8e9  # nothing was taken


def test_doctor_tells_of_cards_and_what_fits():
    with saying(memory=17e9, cards=2, name="RTX"):
        told = doctor.render(doctor.examine())
        report = doctor.examine("cuda:1")
    first = next(line for line in told.splitlines() if line.startswith("cuda:0"))
    assert "RTX, compute capability 8.9, CUDA 13.0, 17.0 GB, 17.0 GB free" in first
    assert "20b fits with " in first
    assert ", the experts of 30 of 36 layers on the CPU" in first
    assert "cuda:1" in told
    assert [card["device"] for card in report["gpus"]["cards"]] == ["cuda:1"]
    with saying(memory=90e9):
        assert doctor.render(doctor.examine("cuda")).count("fits with 131,072 tokens") == 2
    with saying(memory=1e9):
        assert "20b does not fit: all of it needs 13.6 GB" in doctor.render(doctor.examine("cuda"))
    assert doctor.examine("cpu")["gpus"]["cards"] == []


# ---- at the load -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"), [("cuMemAlloc:1:2", MemoryError), ("cuStreamCreate:2:999", ossnb.DeviceError)]
)
def test_a_failure_at_the_load(fault, kind, capsys):
    with saying(fault=fault), pytest.raises(kind, match="Stand-in"):
        ossnb.load(TINY, device="cuda")
    gc.collect()
    with saying(fault=fault), ossnb.load(TINY, device="auto") as model:
        assert model.device == "cpu"
    assert capsys.readouterr().err.endswith("; the CPU computes\n")
    gc.collect()
    with ossnb.load(TINY, device="cuda") as model:
        assert answer(model)


# ---- in the middle of an answer ----------------------------------------------------------------------------


def test_memory_that_ends_in_the_middle_of_an_answer_leaves_the_model_usable(model):
    expected = answer(model)
    model.forget()
    stream = begun(model)
    with saying(fault="cuMemcpyHtoDAsync:3:2"), pytest.raises(MemoryError, match="free"):
        list(stream)
    assert stream.reply.finish_reason == "error"
    assert stream.reply.tokens
    assert answer(model) == expected


def test_what_is_only_kept_gives_way_where_a_card_has_no_more():
    with ossnb.load(TINY, device="cuda") as model:
        expected = answer(model)
        assert model.n_kept_bytes
        with saying(fault="cuMemcpyHtoDAsync:2:2"):
            assert model.complete([7, 8, 9], max_tokens=2, temperature=0).tokens
        assert model.n_kept_bytes == model.engine.core.kv.block_bytes  # of this answer alone
        assert answer(model) == expected


def test_a_passing_failure_leaves_the_model_usable(model):
    expected = answer(model)
    with saying(fault="cuMemcpyHtoDAsync:2:1"), pytest.raises(ossnb.DeviceError) as caught:
        model.complete([5, 6, 7], max_tokens=2)
    assert "the device 'cuda:0' failed: " in str(caught.value)
    assert str(caught.value).endswith("; the model is still usable")
    assert answer(model) == expected


def test_a_copy_to_the_host_that_fails_leaves_all_as_it_was(tmp_path):
    """The keys that no window reaches are on their way when it fails."""
    opened = open_checkpoint(write_random_checkpoint(tmp_path / "m", NARROW))
    ids, logits = np.arange(120, dtype=np.int32), []
    for model in (core_of(opened, "cuda", places=14), core_of(opened, "cpu")):
        sequence = model.sequence()
        for n in (120, 10):
            model.logits([(sequence, ids[:n], 1)])
        if model.device == "cuda":
            blocks = sequence.blocks
            for result, kind in (("2", MemoryError), ("1", RuntimeError)):
                with saying(fault=f"cuMemcpyDtoHAsync:1:{result}"), pytest.raises(kind, match="Stand-in"):
                    model.logits([(sequence, ids, 1)])
                assert (sequence.length, sequence.blocks) == (130, blocks)
        logits += [model.logits([(sequence, ids, 2)]), model.kv.read(sequence.blocks[0])]
    np.testing.assert_array_equal(logits[0], logits[2])
    np.testing.assert_array_equal(logits[1], logits[3])


def test_keys_move_to_the_host_where_the_driver_has_no_more(tmp_path):
    """Where nothing limits them but another program's memory. A slab has 256 places of this model."""
    wide = {"num_key_value_heads": 8, "num_attention_heads": 8, "head_dim": 64}
    opened = open_checkpoint(write_random_checkpoint(tmp_path / "m", NARROW | wide))
    kv, rng = core_of(opened, "cuda").kv, np.random.default_rng(3)
    written = [rng.integers(0, 256, kv.block_bytes, np.uint8) for _ in range(140)]
    blocks = [kv.make_from(data) for data in written[:120]]
    with saying(fault="cuMemAlloc:1:2"):
        blocks += [kv.make_from(data) for data in written[120:]]
    assert kv.n_blocks == 140
    for block, data in zip(blocks, written, strict=True):
        np.testing.assert_array_equal(kv.read(block), data)


def test_a_lost_card_asks_to_load_the_model_again_and_keeps_the_reply(tmp_path, capsys):
    model = ossnb.load(TINY, device="cuda", cache=tmp_path / "kept.ossnb")
    stream = begun(model)
    with saying(fault="cuMemcpyHtoDAsync:5:719"):
        with pytest.raises(ossnb.DeviceError) as caught:
            list(stream)
        for _ in range(2):
            told = str(caught.value)
            assert "load the model again" in told
            assert "still usable" not in told
            with pytest.raises(ossnb.DeviceError) as caught:
                answer(model)
    assert stream.reply.finish_reason == "error"
    assert stream.reply.tokens
    with pytest.raises(ossnb.DeviceError, match="load the model again"):
        model.save_cache(tmp_path / "other.ossnb")
    model.close()
    assert "kept keys and values were not written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    del model, stream, caught
    gc.collect()
    with ossnb.load(TINY, device="cuda") as again:
        assert answer(again)


def test_a_card_that_vanishes_does_not_stop_the_cpu(model):
    expected = answer(model)
    with saying(vanish=5):
        with pytest.raises(ossnb.DeviceError, match="load the model again"):
            model.complete([3, 4], max_tokens=3)
        with ossnb.load(TINY, device="cpu") as other:
            assert answer(other) == expected


def test_a_forked_child_says_how_to_start_it(model):
    expected = answer(model)
    told = in_child(lambda: answer(model))
    assert told.startswith("DeviceError: ")
    assert "forked" in told
    assert 'get_context("spawn")' in told
    assert in_child(lambda: answer(ossnb.load(TINY, device="cpu"))) == str(expected)
    assert in_child(lambda: ossnb.load(TINY).device) == "cpu"
    assert answer(model) == expected


def test_two_models_on_one_card(model):
    with ossnb.load(TINY, device="cuda", precision="fast") as other:
        before = answer(model), answer(other)
        assert (answer(model), answer(other)) == before
