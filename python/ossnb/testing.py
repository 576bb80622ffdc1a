"""Random checkpoints of any gpt-oss shape, for tests and for measuring speed without the real weights.

The module is also a command: `python -m ossnb.testing FOLDER --shape 20b`.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import json
import math
import os
import shutil
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checkpoint.config import Config
from .checkpoint.layout import INDEX, Layout, Spec, hf_names, stored_tensors
from .errors import CheckpointError

SHAPES = {
    "20b": Config(),
    "120b": Config(num_hidden_layers=36, num_local_experts=128),
    "tiny": Config(
        num_hidden_layers=4,
        hidden_size=64,
        intermediate_size=96,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        num_local_experts=4,
        num_experts_per_tok=2,
        vocab_size=512,
        sliding_window=16,
        eos_token_id=(511,),
        pad_token_id=510,
    ),
}
_SHARD_BYTES = {"hf": 5e9, "original": 14e9}  # as published: three files and one for the 20b
_CHUNK_WORDS = 1 << 15  # 256 KiB at a time: stays in the CPU's cache from generator to write
_DISK_RESERVE_BYTES = 256e6


def write_random_checkpoint(
    folder: str | os.PathLike[str],
    shape: str | Mapping[str, Any] | Config = "20b",
    seed: int = 0,
    *,
    layers: int | None = None,
    shards: int | None = None,
    layout: Layout = "hf",
    quantized: bool = True,
    edge_cases: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a valid checkpoint with random weights and return its folder.

    >>> folder = write_random_checkpoint("random-tiny", shape={"hidden_size": 96}, seed=1)
    >>> ossnb.load(folder).logits([1, 2, 3]).shape
    (3, 512)

    `shape` is "20b", "120b", "tiny", a Config, or a mapping of the Config fields that differ from tiny's.
    `layers` cuts or extends the model to so many layers. One seed means the same weights in both layouts, in
    any number of shards, quantised or not, on every machine. Activations stay near 1, so logits have a
    standard deviation of about 1. `edge_cases` adds the block scales 2^-127 and 2^-37 and drives many gates
    and ups beyond swiglu_limit. `progress(done_bytes, total_bytes)` is called as it writes.

    The weights are streamed to disk with buffers of a few MB (unquantised experts: one expert at a time).
    Raises ValueError for an unknown shape or a folder that already holds a checkpoint, CheckpointError when
    the disk is too small. config.json is written last, and a failed or interrupted write removes its files.
    So a half-written folder never looks like a model.
    """
    config = _config(shape, layers)
    if layout not in ("hf", "original"):
        raise ValueError(f"layout is {layout!r}, expected 'hf' or 'original'")
    if layout == "original" and not quantized:
        raise ValueError("the original layout has no unquantised form; use layout='hf'")
    specs = stored_tensors(config, layout, quantized)
    n_bytes = sum(_n_bytes(spec) for spec in specs.values())
    files = _place(specs, n_bytes, shards, layout)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "config.json").exists() or next(folder.glob("*.safetensors"), None) is not None:
        raise ValueError(f"{folder} already holds a checkpoint; choose another folder or delete it first")
    free = shutil.disk_usage(folder).free
    if free < n_bytes + _DISK_RESERVE_BYTES:
        raise CheckpointError(
            f"{folder}: needs {n_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB free; free some or write elsewhere"
        )
    weights = _Weights(config, seed, edge_cases)
    sink = _Sink(n_bytes, progress)
    try:
        for file, names in files.items():
            _write_shard(folder / file, {name: specs[name] for name in names}, weights, sink)
        for file, text in _json_files(config, layout, quantized, files, n_bytes).items():
            (folder / file).write_text(json.dumps(text, indent=2) + "\n")
    except BaseException:
        for file in ("config.json", "generation_config.json", INDEX, *files):
            (folder / file).unlink(missing_ok=True)
        raise
    return folder


def _config(shape: str | Mapping[str, Any] | Config, layers: int | None) -> Config:
    if isinstance(shape, Config):
        config = shape
    elif isinstance(shape, str):
        if shape not in SHAPES:
            raise ValueError(f"shape is {shape!r}, expected one of {', '.join(SHAPES)}, or Config fields")
        config = SHAPES[shape]
    else:
        unknown = set(shape) - {field.name for field in dataclasses.fields(Config)}
        if unknown:
            raise ValueError(f"shape has the unknown fields {sorted(unknown)}; Config's names are expected")
        config = dataclasses.replace(SHAPES["tiny"], **(_dependent(shape) | dict(shape)))
    if layers is None:
        return config
    return dataclasses.replace(config, num_hidden_layers=layers, layer_types=())


def _dependent(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that must follow the given ones unless given too."""
    fields: dict[str, Any] = {}
    if "num_hidden_layers" in shape:
        fields["layer_types"] = ()
    n_vocab = shape.get("vocab_size", 0)
    if n_vocab >= Config.vocab_size:
        fields |= {"eos_token_id": Config.eos_token_id, "pad_token_id": Config.pad_token_id}
    elif n_vocab >= 2:
        fields |= {"eos_token_id": (n_vocab - 1,), "pad_token_id": n_vocab - 2}
    return fields


# ---- random values ----------------------------------------------------------------------------------------


def _words(key: int, start: int, n: int) -> NDArray[np.uint64]:
    """Words start .. start+n of the random stream `key`.

    SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) by its counter: it uses whole-number arithmetic alone. So
    every machine and NumPy version gives the same bytes, and any part of a stream can be made without the
    part before it.
    """
    gamma = 0x9E3779B97F4A7C15
    words = np.arange(1, n + 1, dtype=np.uint64)
    words *= np.uint64(gamma)
    words += np.uint64((key + start * gamma) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    words ^= words >> np.uint64(31)
    return words.astype("<u8", copy=False)


@functools.cache
def _normal_quantiles() -> NDArray[np.float64]:
    """65,536 equally likely values of the standard normal distribution: two random bytes pick one."""
    upper = [NormalDist().inv_cdf((i + 0.5) / 65536) for i in range(32768, 65536)]
    return np.array([-x for x in reversed(upper)] + upper)


def _bfloat16(values: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """Round to bfloat16, ties to even, as bits."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


@functools.lru_cache(maxsize=32)
def _normal_table(mean: float, std: float) -> NDArray[np.uint16]:
    return _bfloat16(mean + std * _normal_quantiles())


_E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
_E2M1_RMS = 2.93  # of 16 equally likely codes


class _Weights:
    """The weights of one seed: bytes of any tensor, from its Hugging Face name.

    Each value is a table entry picked by as many random bytes as it is long.
    """

    def __init__(self, config: Config, seed: int, edge_cases: bool) -> None:
        self.config, self._seed, self._edge_cases = config, seed, edge_cases
        hidden, heads_width = config.hidden_size, config.num_attention_heads * config.head_dim
        self._mean_and_std = {
            "embed_tokens.weight": (0.0, 1.0),
            "norm.weight": (1.0, 0.1),
            "layernorm.weight": (1.0, 0.1),
            "lm_head.weight": (0.0, hidden**-0.5),
            "q_proj.weight": (0.0, hidden**-0.5),
            "k_proj.weight": (0.0, hidden**-0.5),
            "v_proj.weight": (0.0, hidden**-0.5),
            "o_proj.weight": (0.0, heads_width**-0.5),
            "_proj.bias": (0.0, 0.1),
            "sinks": (2.0, 1.0),
            "router.weight": (0.0, 2 * hidden**-0.5),
            "router.bias": (0.0, 0.2),
            "gate_up_proj_bias": (0.0, 4.0 if edge_cases else 1.0),
            "down_proj_bias": (0.0, 0.1),
        }

    def stream(self, name: str, begin: int, end: int) -> Iterator[NDArray[Any]]:
        """Bytes [begin, end) of a tensor, in chunks; `begin` is a multiple of 8."""
        key = int.from_bytes(hashlib.sha256(f"{self._seed} {name}".encode()).digest()[:8], "little")
        table = self._table(name)
        for at in range(begin, end, 8 * _CHUNK_WORDS):
            n_bytes = min(8 * _CHUNK_WORDS, end - at)
            words = _words(key, at // 8, -(-n_bytes // 8))
            if table is not None:
                words = np.take(table, words.view(f"<u{table.itemsize}"), mode="clip")
            yield words.view(np.uint8)[:n_bytes]

    def expert(self, name: str, spec: Spec, index: int) -> NDArray[np.uint16]:
        """One expert of an unquantised tensor: the quantised weights' values, transposed to [in, out]."""
        _, n_in, n_out = spec.shape
        codes = self._part(name + "_blocks", index, n_in * n_out // 2).reshape(n_out, n_in // 2)
        scales = self._part(name + "_scales", index, n_in * n_out // 32).reshape(n_out, n_in // 32)
        values = np.stack((_E2M1[codes & 15], _E2M1[codes >> 4]), axis=-1).reshape(n_out, n_in // 32, 32)
        exact = np.ldexp(values, scales.astype(np.int32)[..., None] - 127)
        return _bfloat16(np.ascontiguousarray(exact.reshape(n_out, n_in).T))

    def _part(self, name: str, index: int, n_bytes: int) -> NDArray[np.uint8]:
        return np.concatenate(list(self.stream(name, index * n_bytes, (index + 1) * n_bytes)))

    def _table(self, name: str) -> NDArray[Any] | None:
        if name.endswith("_blocks"):
            return None  # any byte is two good codes
        if name.endswith("_scales"):
            return self._scale_table("gate_up" in name)
        mean, std = next(v for suffix, v in self._mean_and_std.items() if name.endswith(suffix))
        return _normal_table(mean, std)

    def _scale_table(self, is_gate_up: bool) -> NDArray[np.uint8]:
        """Scales for a deviation near 2.5 of gates and ups (some beyond the clamp), near 0.5 of outputs.

        The activation between the two has a root mean square near 5.
        """
        config = self.config
        gain = 2.5 / config.hidden_size**0.5 if is_gate_up else 0.1 / config.intermediate_size**0.5
        middle = 127 + round(math.log2(gain / _E2M1_RMS))
        table = np.repeat(np.array([middle - 1, middle, middle, middle + 1], np.uint8), 64)
        if self._edge_cases:
            table[:4], table[128:132] = 0, 90
        return table


# ---- files ------------------------------------------------------------------------------------------------


def _n_bytes(spec: Spec) -> int:
    return math.prod(spec.shape) * (2 if spec.dtype == "BF16" else 1)


def _place(
    specs: Mapping[str, Spec], n_bytes: int, shards: int | None, layout: Layout
) -> dict[str, list[str]]:
    """Tensor names by file, in the string order of published checkpoints."""
    n = math.ceil(n_bytes / _SHARD_BYTES[layout]) if shards is None else shards
    if not 1 <= n <= len(specs):
        raise ValueError(f"shards is {shards}, expected 1..{len(specs)}")
    groups: list[list[str]] = [[]]
    done = 0
    for i, name in enumerate(sorted(specs)):
        n_left, files_left = len(specs) - i, n - len(groups)
        if groups[-1] and (done * n >= n_bytes * len(groups) or n_left <= files_left) and files_left:
            groups.append([])
        groups[-1].append(name)
        done += _n_bytes(specs[name])
    if len(groups) == 1:
        return {"model.safetensors": groups[0]}
    if layout == "original":
        return {f"model--{i:05}-of-{n:05}.safetensors": names for i, names in enumerate(groups, 1)}
    return {f"model-{i:05}-of-{n - 1:05}.safetensors": names for i, names in enumerate(groups)}


class _Sink:
    """Count what is written and report it now and then."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._total, self._progress = total, progress
        self._done = self._reported = 0

    def count(self, n_bytes: int) -> None:
        self._done += n_bytes
        if self._progress and (self._done - self._reported >= 1 << 26 or self._done == self._total):
            self._reported = self._done
            self._progress(self._done, self._total)


def _write_shard(path: Path, specs: Mapping[str, Spec], weights: _Weights, sink: _Sink) -> None:
    ordered = sorted(specs, key=lambda name: (specs[name].dtype, name))  # BF16 first, as in published files
    header, at = {}, 0
    for name in ordered:
        spec, end = specs[name], at + _n_bytes(specs[name])
        header[name] = {"dtype": spec.dtype, "shape": spec.shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for name in ordered:
            for chunk in _tensor(name, specs[name], weights):
                file.write(chunk.data)
                sink.count(chunk.nbytes)


def _tensor(name: str, spec: Spec, weights: _Weights) -> Iterator[NDArray[Any]]:
    """A stored tensor's bytes, in chunks."""
    if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
        for index in range(spec.shape[0]):
            yield weights.expert(name, spec, index)
        return
    parts, rows = hf_names(name), [spec.shape[0]]
    if len(parts) == 3:  # q, k and v fused
        q, kv = weights.config.num_attention_heads, weights.config.num_key_value_heads
        rows = [n_heads * weights.config.head_dim for n_heads in (q, kv, kv)]
    for part, n_rows in zip(parts, rows, strict=True):
        yield from weights.stream(part, 0, _n_bytes(spec) // spec.shape[0] * n_rows)


def _json_files(
    config: Config, layout: Layout, quantized: bool, files: Mapping[str, list[str]], n_bytes: int
) -> dict[str, dict[str, Any]]:
    """The JSON files beside the weights, config.json last."""
    texts: dict[str, dict[str, Any]] = {}
    if len(files) > 1:
        located = {name: file for file, names in files.items() for name in names}
        texts[INDEX] = {"metadata": {"total_size": n_bytes}, "weight_map": located}
    if layout == "original":
        return texts | {"config.json": _original_config(config)}
    eos = list(config.eos_token_id)
    texts["generation_config.json"] = {
        "do_sample": True,
        "eos_token_id": eos,
        "pad_token_id": config.pad_token_id,
    }
    return texts | {"config.json": _hf_config(config, quantized)}


def _hf_config(config: Config, quantized: bool) -> dict[str, Any]:
    plain = {k: v for k, v in dataclasses.asdict(config).items() if not k.startswith("rope_")}
    plain["layer_types"] = list(config.layer_types)
    plain["eos_token_id"] = (
        config.eos_token_id[0] if len(config.eos_token_id) == 1 else list(config.eos_token_id)
    )
    excluded = ("model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head")
    mxfp4 = {"quant_method": "mxfp4", "modules_to_not_convert": list(excluded)}
    return {
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        "attention_bias": True,
        "attention_dropout": 0.0,
        "experts_per_token": config.num_experts_per_tok,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "rope_theta": config.rope_theta,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": config.rope_factor,
            "beta_fast": config.rope_beta_fast,
            "beta_slow": config.rope_beta_slow,
            "original_max_position_embeddings": config.rope_original_max_position_embeddings,
            "truncate": False,
        },
        **plain,
        **({"quantization_config": mxfp4} if quantized else {}),
    }


def _original_config(config: Config) -> dict[str, Any]:
    same = (
        "num_hidden_layers",
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "swiglu_limit",
        "head_dim",
        "num_attention_heads",
        "num_key_value_heads",
        "sliding_window",
        "rope_theta",
    )
    return {name: getattr(config, name) for name in same} | {
        "num_experts": config.num_local_experts,
        "experts_per_token": config.num_experts_per_tok,
        "initial_context_length": config.rope_original_max_position_embeddings,
        "rope_scaling_factor": config.rope_factor,
        "rope_ntk_alpha": config.rope_beta_slow,
        "rope_ntk_beta": config.rope_beta_fast,
    }


# ---- the command ------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Run `python -m ossnb.testing`."""
    parser = argparse.ArgumentParser(prog="python -m ossnb.testing", description="Write a random checkpoint.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="20b")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has, or more")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shards", type=int)
    parser.add_argument("--layout", choices=("hf", "original"), default="hf")
    parser.add_argument(
        "--unquantized", action="store_true", help="bfloat16 experts, as fine-tunes are saved"
    )
    parser.add_argument(
        "--edge-cases", action="store_true", help="tiny block scales, many values beyond the clamp"
    )
    given = parser.parse_args(arguments)

    def show(done: int, total: int) -> None:
        print(f"\r{done / 1e9:.1f} of {total / 1e9:.1f} GB", end="", file=sys.stderr, flush=True)

    start = time.perf_counter()
    try:
        folder = write_random_checkpoint(
            given.folder,
            given.shape,
            given.seed,
            layers=given.layers,
            shards=given.shards,
            layout=given.layout,
            quantized=not given.unquantized,
            edge_cases=given.edge_cases,
            progress=show if sys.stderr.isatty() else None,
        )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: written in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
