"""Checkpoint folders → verified tensors, and everything that must not pass."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from builders import (
    edit_header,
    edit_json,
    edit_tensors,
    read_safetensors,
    read_tensors,
    safetensors_bytes,
    write_safetensors,
)
from ossnb import CheckpointError
from ossnb.checkpoint.config import Config
from ossnb.checkpoint.layout import INDEX, hf_names, open_checkpoint, stored_tensors
from ossnb.testing import SHAPES, write_random_checkpoint

DATA = Path(__file__).parent / "data" / "tiny_a"
SINKS = "model.layers.3.self_attn.sinks"
SCALES = "model.layers.1.mlp.experts.down_proj_scales"
BLOCKS = "model.layers.1.mlp.experts.gate_up_proj_blocks"


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    return write_random_checkpoint(tmp_path_factory.mktemp("pristine"), "tiny", seed=5)


@pytest.fixture(scope="session")
def pristine_shards(tmp_path_factory):
    return write_random_checkpoint(tmp_path_factory.mktemp("pristine"), "tiny", seed=5, shards=3)


@pytest.fixture
def folder(pristine, tmp_path):
    """A checkpoint in one file, free to be broken."""
    return Path(shutil.copytree(pristine, tmp_path / "model"))


@pytest.fixture
def sharded(pristine_shards, tmp_path):
    """The same checkpoint in three files with an index."""
    return Path(shutil.copytree(pristine_shards, tmp_path / "model"))


def refuse(folder, words):
    """Opening must fail with these words, naming a path; returns the message."""
    with pytest.raises(CheckpointError, match=words) as raised:
        open_checkpoint(folder)
    assert isinstance(raised.value, OSError)
    return str(raised.value)


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


# ---- what is accepted -------------------------------------------------------------------------------------


def test_both_published_layouts_hold_the_same_tensors():
    hf, original = open_checkpoint(DATA / "hf"), open_checkpoint(DATA / "original")

    assert (hf.layout, original.layout) == ("hf", "original")
    assert hf.quantized
    assert original.quantized
    assert same(hf.tensors, original.tensors)
    assert hf.n_bytes == original.n_bytes == 498_368
    assert original.config.layer_types == hf.config.layer_types


def test_every_tensor_is_a_read_only_contiguous_view(folder):
    expected = stored_tensors(SHAPES["tiny"])
    opened = open_checkpoint(folder)
    raw = read_tensors(folder / "model.safetensors")

    assert same(opened.tensors, raw)
    for name, tensor in opened.tensors.items():
        assert tensor.shape == expected[name].shape
        assert tensor.dtype == (np.uint16 if expected[name].dtype == "BF16" else np.uint8)
        assert tensor.flags.c_contiguous
        assert not tensor.flags.writeable
        assert not tensor.flags.owndata


def test_fused_qkv_becomes_views():
    opened = open_checkpoint(DATA / "original")
    q, k = (opened.tensors[f"model.layers.2.self_attn.{name}.weight"] for name in ("q_proj", "k_proj"))

    assert not q.flags.owndata
    assert q.flags.c_contiguous
    assert k.flags.c_contiguous
    assert k.ctypes.data == q.ctypes.data + q.nbytes


def test_any_sharding_and_quantised_or_not(tmp_path, pristine):
    whole = open_checkpoint(pristine)
    for shards in (2, 5, 79):
        path = write_random_checkpoint(tmp_path / str(shards), "tiny", seed=5, shards=shards)
        assert len(list(path.glob("*.safetensors"))) == shards
        assert same(open_checkpoint(path).tensors, whole.tensors)

    plain = open_checkpoint(write_random_checkpoint(tmp_path / "plain", "tiny", seed=5, quantized=False))
    assert not plain.quantized
    assert plain.tensors["model.layers.0.mlp.experts.down_proj"].shape == (4, 96, 64)  # [E, in, out]
    assert plain.tensors["model.layers.0.mlp.experts.gate_up_proj"].shape == (4, 64, 192)


def test_shards_without_an_index(sharded, pristine):
    (sharded / INDEX).unlink()
    assert same(open_checkpoint(sharded).tensors, open_checkpoint(pristine).tensors)


def test_repository_root_that_holds_only_original(tmp_path):
    shutil.copytree(DATA / "original", tmp_path / "original")
    assert open_checkpoint(tmp_path).layout == "original"

    shutil.copy(DATA / "hf" / "config.json", tmp_path)
    opened = open_checkpoint(tmp_path)
    assert (opened.layout, opened.path) == ("original", tmp_path / "original")


def test_a_file_of_the_folder_will_do(folder):
    assert open_checkpoint(folder / "model.safetensors").path == folder
    assert open_checkpoint(str(folder / "config.json")).path == folder


def test_two_byte_tensors_at_any_address(folder):
    """Data may start at any even byte, and even an odd one is read right."""
    expected = read_tensors(folder / "model.safetensors")
    header, data = read_safetensors(folder / "model.safetensors")
    for n_spaces in range(4):
        raw = json.dumps(header).encode()
        raw += b" " * ((n_spaces - len(raw)) % 4)
        (folder / "model.safetensors").write_bytes(safetensors_bytes(raw, data, pad=1))
        assert same(open_checkpoint(folder).tensors, expected)


def test_order_of_the_data_does_not_matter(folder):
    tensors = read_tensors(folder / "model.safetensors")
    write_safetensors(folder / "model.safetensors", dict(reversed(tensors.items())))
    assert same(open_checkpoint(folder).tensors, tensors)


def test_metadata_is_ignored(folder):
    edit_header(folder, lambda header: header.update(__metadata__={"format": "pt"}))
    assert open_checkpoint(folder).config == SHAPES["tiny"]


def test_tensors_outlive_the_checkpoint_and_its_files(folder):
    tensor = open_checkpoint(folder).tensors[SINKS]
    before = tensor.copy()
    shutil.rmtree(folder)
    np.testing.assert_array_equal(tensor, before)


def test_fingerprint_tells_models_apart_and_copies_not(folder, tmp_path, pristine):
    first = open_checkpoint(folder).fingerprint
    os.utime(folder / "model.safetensors", (0, 0))
    assert open_checkpoint(folder).fingerprint == first == open_checkpoint(pristine).fingerprint

    other = write_random_checkpoint(tmp_path / "other", "tiny", seed=6)
    assert open_checkpoint(other).fingerprint != first
    edit_json(folder / "config.json", sliding_window=32)
    assert open_checkpoint(folder).fingerprint != first


def test_scales_are_read_by_the_given_function_and_nothing_else_is(folder):
    seen = []

    def max_byte(scales):
        seen.append(scales.shape)
        return int(scales.max())

    open_checkpoint(folder, max_byte=max_byte)
    assert sorted(seen) == [(64, 3)] * 16 + [(192, 2)] * 16  # expert by expert


@pytest.mark.slow
def test_large_files_cost_no_private_memory(tmp_path):
    """Peak private memory of opening 200 MB stays below a few MB: the weights stay on disk."""
    shape = {"vocab_size": 201088, "num_hidden_layers": 2, "hidden_size": 256}
    path = write_random_checkpoint(tmp_path, shape)
    code = f"""
import re
from ossnb.checkpoint.layout import open_checkpoint
def private_kb():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = private_kb()
opened = open_checkpoint({str(path)!r})
assert opened.n_bytes > 200e6
print(private_kb() - before)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc to see private memory")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 8000


@pytest.mark.parametrize(("shape", "n", "n_original"), [("20b", 459, 363), ("120b", 687, 543)])
def test_published_tensor_counts(shape, n, n_original):
    assert len(stored_tensors(SHAPES[shape])) == n
    assert len(stored_tensors(SHAPES[shape], "original")) == n_original


@pytest.mark.parametrize(("shape", "n_bytes"), [("20b", 13_761_264_768), ("120b", 65_248_815_744)])
def test_published_sizes(shape, n_bytes):
    specs = stored_tensors(SHAPES[shape]).values()
    assert sum(int(np.prod(spec.shape)) * (2 if spec.dtype == "BF16" else 1) for spec in specs) == n_bytes


def test_original_names_cover_the_hf_names():
    translated = [name for stored in stored_tensors(Config(), "original") for name in hf_names(stored)]
    assert sorted(translated) == sorted(stored_tensors(Config()))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer.json", INDEX])
def test_a_pipe_is_not_waited_for(sharded, name):
    (sharded / name).unlink(missing_ok=True)
    os.mkfifo(sharded / name)
    try:
        open_checkpoint(sharded)
    except CheckpointError as error:
        assert name == "config.json", error  # noqa: PT017


def test_a_config_without_end(folder):
    with (folder / "config.json").open("r+b") as file:
        file.truncate(20_000_000_000)  # a hole: no disk is used
    refuse(folder, r"config.json: cannot be read: it has more than 10,000,000 bytes")


def test_the_other_json_files_are_bounded_too(sharded):
    for name, bound in (("generation_config.json", "10,000,000"), (INDEX, "100,000,000")):
        before = (sharded / name).read_bytes()
        with (sharded / name).open("r+b") as file:
            file.truncate(20_000_000_000)
        refuse(sharded, f"{name}: cannot be read: it has more than {bound} bytes")
        (sharded / name).write_bytes(before)


# ---- folders that are not a model -------------------------------------------------------------------------


def test_no_such_folder(tmp_path):
    assert str(tmp_path / "nowhere") in refuse(tmp_path / "nowhere", "no such folder")


def test_a_name_longer_than_a_file_system_takes(tmp_path):
    refuse(tmp_path / ("x" * 300), "cannot be read: File name too long")


def test_a_name_with_a_null(tmp_path):
    refuse(f"{tmp_path}/a\0b", "no such folder")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may look into everything")
@pytest.mark.parametrize("rights", [0o600, 0o300, 0o000])
def test_a_folder_that_may_not_be_looked_into(folder, rights):
    folder.chmod(rights)
    try:
        refuse(folder, "cannot be read: Permission denied")
    finally:
        folder.chmod(0o700)


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refuse(tmp_path / "a", "cannot be read: Too many levels of symbolic links")


def test_empty_folder(tmp_path):
    refuse(tmp_path, "no config.json; expected a gpt-oss checkpoint folder")


def test_another_model(folder):
    edit_json(folder / "config.json", model_type="qwen3")
    refuse(folder, "model_type is 'qwen3', expected 'gpt_oss'")


def test_gguf(tmp_path):
    (tmp_path / "gpt-oss-20b.gguf").write_bytes(b"GGUF")
    refuse(tmp_path, "GGUF files are not read")
    refuse(tmp_path / "gpt-oss-20b.gguf", "GGUF files are not read")


def test_adapter(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    refuse(tmp_path, "LoRA adapter; merge it")


def test_config_without_weights(folder):
    (folder / "model.safetensors").unlink()
    refuse(folder, r"no \*.safetensors files; was the download complete")


# ---- shards and index -------------------------------------------------------------------------------------


def test_missing_shard(sharded):
    (sharded / "model-00001-of-00002.safetensors").unlink()
    refuse(sharded, "model-00001-of-00002.safetensors: is listed in .* but missing; download it again")


def test_dangling_link_of_an_incomplete_cache(sharded):
    shard = sharded / "model-00001-of-00002.safetensors"
    shard.unlink()
    shard.symlink_to("../../blobs/gone")
    refuse(sharded, "is listed in .* but missing")


def test_index_places_a_tensor_in_the_wrong_file(sharded):
    located = json.loads((sharded / INDEX).read_text())["weight_map"]
    located[SINKS] = "model-00000-of-00002.safetensors"
    edit_json(sharded / INDEX, weight_map=located)
    refuse(sharded, f"model-00000-of-00002.safetensors: has no tensor {SINKS}, which {INDEX} places there")


def test_index_lacks_a_tensor(sharded):
    edit_json(sharded / INDEX, weight_map={SINKS: ...})
    refuse(sharded, f"lacks {SINKS}; download the model again")


@pytest.mark.parametrize(
    "file", ["../secret.safetensors", "/etc/passwd", "", "a/b.safetensors", "..", "a\0.safetensors"]
)
def test_index_that_leaves_the_folder(sharded, file):
    edit_json(sharded / INDEX, weight_map={SINKS: file})
    refuse(sharded, "expected a file beside the index")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}'])
def test_damaged_index(sharded, text):
    (sharded / INDEX).write_text(text)
    refuse(sharded, "not valid JSON|no weight_map")


def test_a_tensor_in_two_shards_without_index(sharded):
    (sharded / INDEX).unlink()
    shutil.copy(sharded / "model-00000-of-00002.safetensors", sharded / "model-copy.safetensors")
    refuse(sharded, "is also in model-00000-of-00002.safetensors; remove the wrong file")


def as_shards(folder, tensors):
    """Put a checkpoint of two files, with an index, into a folder that may have another in it."""
    names = sorted(tensors)
    files = {"model-00000-of-00001.safetensors": names[::2], "model-00001-of-00001.safetensors": names[1::2]}
    for file, own in files.items():
        write_safetensors(folder / file, {name: tensors[name] for name in own})
    index = {"weight_map": {name: file for file, own in files.items() for name in own}}
    (folder / INDEX).write_text(json.dumps(index))


@pytest.mark.parametrize("damage", ["none", "shards", "index"])
def test_the_whole_file_goes_before_an_index_of_others(folder, damage):
    """As in transformers, whichever is out of date, and though the other may be damaged."""
    expected = read_tensors(folder / "model.safetensors")
    as_shards(folder, {name: np.zeros_like(tensor) for name, tensor in expected.items()})
    if damage == "shards":
        for shard in folder.glob("model-*.safetensors"):
            shard.unlink()
    elif damage == "index":
        (folder / INDEX).write_text("{")

    opened = open_checkpoint(folder)

    assert same(opened.tensors, expected)
    (note,) = opened.notes
    assert f"has both model.safetensors and {INDEX}: the weights are those of model.safetensors" in note


def test_shards_beside_the_whole_file_are_told_though_no_index_names_them(folder):
    expected = read_tensors(folder / "model.safetensors")
    as_shards(folder, {name: np.zeros_like(tensor) for name, tensor in expected.items()})
    (folder / INDEX).unlink()
    opened = open_checkpoint(folder)
    assert same(opened.tensors, expected)
    assert "has both model.safetensors and model-*.safetensors" in opened.notes[0]


def test_an_index_of_the_whole_file_is_nothing_to_tell(folder):
    names = read_tensors(folder / "model.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(names, "model.safetensors")}))
    assert open_checkpoint(folder).notes == []


# ---- files ------------------------------------------------------------------------------------------------


def damage(folder, edit):
    path = folder / "model.safetensors"
    path.write_bytes(edit(path.read_bytes()))


@pytest.mark.parametrize("keep", [0, 7])
def test_file_too_short_for_a_header(folder, keep):
    damage(folder, lambda raw: raw[:keep])
    refuse(folder, f"has {keep} bytes, too few for a header")


def test_truncated_in_the_header(folder):
    damage(folder, lambda raw: raw[:1000])
    refuse(folder, "but the file has 1,000: truncated; download it again")


def test_truncated_in_the_data(folder):
    damage(folder, lambda raw: raw[:-1])
    message = refuse(folder, "truncated; download it again")
    assert "model.safetensors: model.layers." in message


def test_bytes_left_over(folder):
    damage(folder, lambda raw: raw + b"\0" * 10)
    refuse(folder, "10 bytes after the last tensor belong to none")


@pytest.mark.parametrize("length", [100_000_001, 1 << 40, (1 << 64) - 1])
def test_huge_header(folder, length):
    damage(folder, lambda raw: struct.pack("<Q", length) + raw[8:])
    refuse(folder, f"claims {length:,} bytes, expected at most 100,000,000")


def test_git_lfs_pointer(folder):
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"
    )
    refuse(folder, "git-lfs pointer.*git lfs pull")


def test_unreadable_file(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    refuse(folder, "model.safetensors")


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"a": 1' + b"1" * 5000 + b"}", b'{"a": {}} trailing'],
)
def test_header_that_is_not_json(folder, raw):
    (folder / "model.safetensors").write_bytes(safetensors_bytes(raw, b""))
    refuse(folder, "model.safetensors: the header is damaged|model.safetensors: a is described by")


def test_header_that_is_a_list(folder):
    (folder / "model.safetensors").write_bytes(safetensors_bytes(b"[1, 2]", b""))
    refuse(folder, "holds a JSON list, expected an object")


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 100, "00", "-1", "٣"])
def test_a_layer_with_a_strange_number(folder, number):
    extra = f"model.layers.{number}.self_attn.sinks"
    edit_tensors(folder, lambda tensors: tensors.update({extra: np.zeros(4, np.uint16)}))
    message = refuse(folder, "a tensor named 'model.layers.9999|num_hidden_layers is 4|gpt-oss does not have")
    assert len(message) < 700


@pytest.mark.parametrize("name", ["\x1b[2J all fine: verified", "a\nb", "a\u202eb", "\ud800", "x" * 300])
def test_a_name_that_no_message_can_show_as_it_is(folder, name):
    edit_header(folder, lambda header: header.update({name: header.pop(SINKS)}))
    message = refuse(folder, "has a tensor named '.*', expected at most 255 printable characters")
    assert message.isprintable()
    assert len(message) < 500


def test_names_of_the_index_and_of_files_are_checked_too(sharded):
    located = json.loads((sharded / INDEX).read_text())["weight_map"]
    edit_json(sharded / INDEX, weight_map={"\x1b[2J": "model-00000-of-00002.safetensors"})
    assert refuse(sharded, "has a tensor named").isprintable()
    for file in ("\x1b[2J.safetensors", "x" * 250 + ".safetensors", "é" * 125 + ".safetensors"):
        edit_json(sharded / INDEX, weight_map=located | {SINKS: file})
        message = refuse(sharded, "expected a file beside the index")
        assert message.isprintable()
        assert len(message) < 500
    (sharded / INDEX).unlink()
    (sharded / "\x1b[2J.safetensors").write_bytes(b"")
    assert refuse(sharded, "has a file named").isprintable()


@pytest.mark.parametrize(
    "change", [{"dtype": "Q" * 9999}, {"shape": [[1] * 9999]}, {"data_offsets": ["9" * 9999]}]
)
def test_a_long_value_is_cut_in_the_message(folder, change):
    edit_header(folder, lambda header: header[SINKS].update(change))
    assert len(refuse(folder, SINKS)) < 500


def test_sizes_of_thousands_of_digits(folder):
    huge = 10**4000
    edit_header(folder, lambda header: header[SINKS].update(shape=[huge, huge]))
    assert len(refuse(folder, "expected a list of sizes")) < 500


@pytest.mark.slow
def test_a_name_given_twice_in_a_long_header_is_found_at_once(folder):
    entry = b'{"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}'
    raw = (
        b"{" + b", ".join(b'"%d": %s' % (i // 2 if i > 198_000 else i, entry) for i in range(200_000)) + b"}"
    )
    (folder / "model.safetensors").write_bytes(safetensors_bytes(raw, b""))
    began = time.monotonic()
    refuse(folder, "'99000' appears twice")
    assert time.monotonic() - began < 10  # it took minutes


def test_name_given_twice(folder):
    entry = b'{"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'
    raw = b'{"a": ' + entry + b', "a": ' + entry + b"}"
    (folder / "model.safetensors").write_bytes(safetensors_bytes(raw, b"\0"))
    refuse(folder, "'a' appears twice")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"dtype": "Q4"}, "unknown dtype 'Q4'"),
        ({"dtype": None}, "unknown dtype None"),
        ({"dtype": []}, r"unknown dtype \[\]"),
        ({"shape": [-4]}, r"shape \[-4\], expected a list of sizes"),
        ({"shape": [4.0]}, r"shape \[4.0\]"),
        ({"shape": [True]}, r"shape \[True\]"),
        ({"shape": 4}, "shape 4"),
        ({"shape": [1] * 17 + [4]}, "expected a list of sizes"),
        ({"shape": [8]}, r"has 8 bytes, expected 16 for BF16 \[8\]"),
        ({"shape": [1 << 62, 4]}, "has 8 bytes, expected 36,893,488,147,419,103,232"),
        ({"data_offsets": [0]}, r"data_offsets \[0\], expected \[begin, end\]"),
        ({"data_offsets": [-8, 0]}, r"data_offsets \[-8, 0\]"),
        ({"data_offsets": [8, 0]}, "ends at byte 0, before it begins at 8"),
        ({"data_offsets": "0,8"}, "data_offsets '0,8'"),
        ({"data_offsets": [1 << 60, (1 << 60) + 8]}, "truncated"),
        ({"data_offsets": [0, 8]}, "overlaps"),
    ],
)
def test_damaged_entries(folder, entry, words):
    edit_header(folder, lambda header: header[SINKS].update(entry))
    message = refuse(folder, words)
    assert "model.safetensors" in message
    assert SINKS in message or "overlaps" in words


def test_entry_that_is_no_object(folder):
    edit_header(folder, lambda header: header.update({SINKS: 7}))
    refuse(folder, f"{SINKS} is described by a JSON int")


def test_gap_between_tensors(folder):
    header, data = read_safetensors(folder / "model.safetensors")
    last = max(header, key=lambda name: header[name]["data_offsets"][1])
    header[last]["data_offsets"] = [n + 2 for n in header[last]["data_offsets"]]
    (folder / "model.safetensors").write_bytes(safetensors_bytes(header, data + b"\0\0"))
    refuse(folder, f"{last} leaves a gap after model")


# ---- tensors ----------------------------------------------------------------------------------------------


def test_wrong_shape_names_the_field(folder):
    edit_tensors(folder, lambda tensors: tensors.update({SINKS: tensors[SINKS][:2].copy()}))
    refuse(folder, rf"model.safetensors: {SINKS} has shape \[2\], expected \[4\] \(num_attention_heads\)")


def test_wrong_rank(folder):
    edit_tensors(folder, lambda tensors: tensors.update({BLOCKS: tensors[BLOCKS].reshape(4, 192, 32)}))
    refuse(folder, rf"{BLOCKS} has shape \[4, 192, 32\], expected \[4, 192, 2, 16\]")


def test_config_of_another_size(folder):
    edit_json(folder / "config.json", intermediate_size=128)
    refuse(folder, r"has shape \[4, 192\], expected \[4, 256\] \(2 \* intermediate_size\)")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_float_weights_say_how_to_convert(folder, dtype):
    edit_tensors(folder, lambda tensors: tensors.update({SINKS: np.zeros(4, dtype)}))
    refuse(folder, rf"{SINKS} has dtype F\d\d, expected BF16; convert it with model.to\(torch.bfloat16\)")


def test_blocks_of_another_dtype(folder):
    edit_tensors(folder, lambda tensors: tensors.update({BLOCKS: tensors[BLOCKS].astype(np.uint16)}))
    refuse(folder, f"{BLOCKS} has dtype BF16, expected U8")


def test_missing_tensors_are_named(folder):
    def drop(tensors):
        for name in [name for name in tensors if "layers.2." in name]:
            del tensors[name]

    edit_tensors(folder, drop)
    refuse(folder, r"lacks model.layers.2.*and 16 more tensors; download the model again")


def test_more_layers_than_the_config_says(folder):
    edit_json(folder / "config.json", num_hidden_layers=3, layer_types=...)
    refuse(folder, r"has model.layers.3.*, but config.json says num_hidden_layers is 3")


def test_tensors_that_are_not_the_models(folder):
    extra = "model.layers.0.self_attn.q_proj.lora_A.weight"
    edit_tensors(folder, lambda tensors: tensors.update({extra: np.zeros(4, np.uint16)}))
    refuse(folder, f"has {extra}, which gpt-oss does not have; merge adapters")


def test_weights_of_another_model(folder):
    write_safetensors(folder / "model.safetensors", {"encoder.weight": np.zeros(4, np.uint16)})
    refuse(folder, "holds no gpt-oss tensors: found encoder.weight, expected model.embed_tokens.weight")


@pytest.mark.parametrize("byte", [254, 255])
def test_scales_that_are_nan_or_overflow(folder, byte):
    def poison(tensors):
        tensors[SCALES][2, 33, 1] = byte
        tensors[SCALES][3, 0, 0] = 255

    edit_tensors(folder, poison)
    message = refuse(folder, rf"{SCALES} holds the scale byte {byte} at index \[2, 33, 1\], expected 0..253")
    assert "model.safetensors" in message


def test_the_largest_good_scale_passes(folder):
    def raise_scale(tensors):
        tensors[SCALES][2, 33, 1] = 253

    edit_tensors(folder, raise_scale)
    assert open_checkpoint(folder).tensors[SCALES].max() == 253


def test_original_layout_is_checked_under_its_own_names(tmp_path):
    folder = Path(shutil.copytree(DATA / "original", tmp_path / "original"))
    tensors = read_tensors(folder / "model.safetensors")
    fused = tensors["block.0.attn.qkv.weight"]
    write_safetensors(folder / "model.safetensors", tensors | {"block.0.attn.qkv.weight": fused[:-1].copy()})
    refuse(folder, r"block.0.attn.qkv.weight has shape \[255, 64\], expected \[256, 64\]")

    tensors["block.1.mlp.mlp2_weight.scales"][0, 0, 0] = 255
    write_safetensors(folder / "model.safetensors", tensors)
    refuse(folder, r"block.1.mlp.mlp2_weight.scales holds the scale byte 255 at index \[0, 0, 0\]")


def test_any_damage_is_a_checkpoint_error_or_harmless(pristine, tmp_path):
    """Flip bytes all over the header: never another exception."""
    folder = Path(shutil.copytree(pristine, tmp_path / "model"))
    good = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", good[:8])
    random = np.random.default_rng(0)
    for _ in range(300):
        raw = bytearray(good)
        for at in random.integers(8 + length, size=random.integers(1, 4)):
            raw[at] ^= int(random.integers(1, 256))
        (folder / "model.safetensors").write_bytes(raw)
        try:
            open_checkpoint(folder)
        except CheckpointError as error:
            assert str(folder) in str(error)  # noqa: PT017
