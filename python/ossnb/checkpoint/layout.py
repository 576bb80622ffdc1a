"""A folder of safetensors files → verified tensors, mapped read-only, under their Hugging Face names."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError
from ..system import machine
from ..system.files import read_file
from ..system.progress import size_text
from ..system.text import safe_terminal
from . import safetensors
from .added import added_tokens, eos_token_ids
from .config import Config
from .finding import INDEX, Found, checkpoint_folder, locate
from .jsonfile import LARGEST_CONFIG
from .renamed import EXPERT, experts_together

__all__ = ["INDEX", "Checkpoint", "Layout", "Spec", "hf_names", "open_checkpoint", "stored_tensors"]

Layout = Literal["hf", "original"]
_LARGEST_SCALE = 253  # 2^126; 254 and 255 (NaN) do not occur in real checkpoints and overflow float32


@dataclass
class Checkpoint:
    """Hold a verified checkpoint. `tensors` are read-only views into the `files`, bfloat16 as uint16.

    `added_tokens` are those that its tokenizer's files list, by id. `notes` are for the user.
    """

    path: Path
    config: Config
    tensors: dict[str, NDArray[Any]]
    layout: Layout
    quantized: bool
    n_bytes: int
    fingerprint: str
    files: list[safetensors.MappedFile]
    added_tokens: dict[int, str]
    notes: list[str]


class Dim(NamedTuple):
    """A tensor's size along one axis, and the fields of config.json that it comes from."""

    size: int
    origin: str


class Spec(NamedTuple):
    """The dtype and shape that a tensor must have."""

    dtype: str
    dims: tuple[Dim, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(dim.size for dim in self.dims)


def open_checkpoint(
    folder: str | os.PathLike[str], max_byte: Callable[[NDArray[np.uint8]], int] | None = None
) -> Checkpoint:
    """Open a gpt-oss checkpoint, checking every tensor against config.json.

    >>> open_checkpoint(folder).tensors["model.layers.0.self_attn.sinks"].shape
    (8,)

    It accepts the Hugging Face layout, OpenAI's original/ layout and unquantised (bfloat16 expert)
    fine-tunes, in any number of shards. The weights stay on disk: only headers and MXFP4 scales are read.
    `max_byte` reads the scales; it finds the largest byte of an array (NumPy's by default). A CheckpointError
    names the file and the tensor at fault.
    """
    try:
        return _open(Path(folder), max_byte or (lambda scales: int(scales.max())))
    except CheckpointError as error:  # in it stand names of folders, and words of libraries about files
        raise CheckpointError(safe_terminal(str(error))) from error.__cause__


def _open(folder: Path, max_byte: Callable[[NDArray[np.uint8]], int]) -> Checkpoint:
    path = checkpoint_folder(folder)
    config = Config.from_json(path / "config.json")
    config = dataclasses.replace(config, eos_token_id=eos_token_ids(path, config))
    found = locate(path)
    places, notes = found.places, list(found.notes)
    layout: Layout = "original" if any(name.startswith("block.") for name in places) else "hf"
    quantized = any(name.endswith(("_blocks", ".blocks")) for name in places)
    one_by_one = any(EXPERT.fullmatch(name) for name in places)
    _check_specs(path, found, stored_tensors(config, layout, quantized, one_by_one), config)
    mapped = {
        name: safetensors.map_file(path / name, header)
        for name, header in found.headers.items()
        if header.entries
    }
    stored = {name: mapped[place.file].tensors[place.name] for name, place in places.items()}
    _check_scales(path, found, stored, max_byte)
    fingerprint = _fingerprint(path, found, stored)
    if one_by_one:
        notes.append(_check_copies(path, stored))
        stored = experts_together(stored)
    try:
        added = added_tokens(path)
    except CheckpointError as error:  # the weights are good all the same
        added = {}
        notes.append(f"the tokens that this model added are not known: {error}")
    return Checkpoint(
        path=path,
        config=config,
        tensors=_under_hf_names(stored, config),
        layout=layout,
        quantized=quantized,
        n_bytes=sum(tensor.nbytes for tensor in stored.values()),
        fingerprint=fingerprint,
        files=list(mapped.values()),
        added_tokens=added,
        notes=notes,
    )


def _check_copies(path: Path, stored: dict[str, NDArray[Any]]) -> str:
    """Whether there is memory to put the experts together; return a note that says so."""
    n_bytes = sum(tensor.nbytes for name, tensor in stored.items() if EXPERT.fullmatch(name))
    what = (
        f"{path}: each expert is a tensor of its own, so {size_text(n_bytes)} are copied into memory to put "
        "them together"
    )
    if n_bytes > (free := machine.available_memory()):
        raise MemoryError(
            f"{what}, and {size_text(free)} are free; save the model in the form of gpt-oss's own"
        )
    return f"{what}; models in the form of gpt-oss's own are mapped instead"


# ---- what a checkpoint holds -------------------------------------------------------------------------------

_ORIGINAL_TOP = {
    "model.embed_tokens.weight": "embedding.weight",
    "model.norm.weight": "norm.scale",
    "lm_head.weight": "unembedding.weight",
}
_ORIGINAL_LAYER = {
    "input_layernorm.weight": "attn.norm.scale",
    "self_attn.o_proj.weight": "attn.out.weight",
    "self_attn.o_proj.bias": "attn.out.bias",
    "self_attn.sinks": "attn.sinks",
    "post_attention_layernorm.weight": "mlp.norm.scale",
    "mlp.router.weight": "mlp.gate.weight",
    "mlp.router.bias": "mlp.gate.bias",
    "mlp.experts.gate_up_proj_blocks": "mlp.mlp1_weight.blocks",
    "mlp.experts.gate_up_proj_scales": "mlp.mlp1_weight.scales",
    "mlp.experts.gate_up_proj_bias": "mlp.mlp1_bias",
    "mlp.experts.down_proj_blocks": "mlp.mlp2_weight.blocks",
    "mlp.experts.down_proj_scales": "mlp.mlp2_weight.scales",
    "mlp.experts.down_proj_bias": "mlp.mlp2_bias",
}
_HF_NAME = {theirs: ours for ours, theirs in (_ORIGINAL_TOP | _ORIGINAL_LAYER).items()}
_LAYER_NAME = re.compile(r"(?:model\.layers|block)\.(\d+)\.(.+)")
_QKV = ("q_proj", "k_proj", "v_proj")  # the order of the rows of original/'s attn.qkv


def stored_tensors(
    config: Config, layout: Layout = "hf", quantized: bool = True, one_by_one: bool = False
) -> dict[str, Spec]:
    """List every tensor a checkpoint of this config holds, under the names of its layout.

    >>> stored_tensors(Config())["lm_head.weight"].shape, len(stored_tensors(Config(), "original"))
    ((201088, 2880), 363)

    `one_by_one` means unquantised experts, each with tensors of its own, as unsloth saves them.
    """
    hidden, vocab = Dim(config.hidden_size, "hidden_size"), Dim(config.vocab_size, "vocab_size")
    top = {
        "model.embed_tokens.weight": Spec("BF16", (vocab, hidden)),
        "model.norm.weight": Spec("BF16", (hidden,)),
        "lm_head.weight": Spec("BF16", (vocab, hidden)),
    }
    layer = _attention(config, hidden, fused=layout == "original") | _experts(
        config, hidden, quantized, one_by_one
    )
    if layout == "original":
        top = {_ORIGINAL_TOP[name]: spec for name, spec in top.items()}
        layer = {_ORIGINAL_LAYER.get(name, name): spec for name, spec in layer.items()}
    prefix = "block" if layout == "original" else "model.layers"
    layers = range(config.num_hidden_layers)
    return top | {f"{prefix}.{i}.{name}": spec for i in layers for name, spec in layer.items()}


def _attention(config: Config, hidden: Dim, fused: bool) -> dict[str, Spec]:
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    q = Dim(heads * config.head_dim, "num_attention_heads * head_dim")
    kv = Dim(kv_heads * config.head_dim, "num_key_value_heads * head_dim")
    qkv = Dim(q.size + 2 * kv.size, "(num_attention_heads + 2 num_key_value_heads) * head_dim")
    norm = Spec("BF16", (hidden,))
    separate = {"self_attn.q_proj": q, "self_attn.k_proj": kv, "self_attn.v_proj": kv}
    projections = {"attn.qkv": qkv} if fused else separate
    specs = {"input_layernorm.weight": norm, "post_attention_layernorm.weight": norm}
    for name, rows in projections.items():
        specs |= {f"{name}.weight": Spec("BF16", (rows, hidden)), f"{name}.bias": Spec("BF16", (rows,))}
    return specs | {
        "self_attn.o_proj.weight": Spec("BF16", (hidden, q)),
        "self_attn.o_proj.bias": Spec("BF16", (hidden,)),
        "self_attn.sinks": Spec("BF16", (Dim(heads, "num_attention_heads"),)),
    }


def _experts(config: Config, hidden: Dim, quantized: bool, one_by_one: bool) -> dict[str, Spec]:
    experts = Dim(config.num_local_experts, "num_local_experts")
    inter = Dim(config.intermediate_size, "intermediate_size")
    gate_up = Dim(2 * inter.size, "2 * intermediate_size")
    specs = {
        "mlp.router.weight": Spec("BF16", (experts, hidden)),
        "mlp.router.bias": Spec("BF16", (experts,)),
    }
    for name, out, contracted in (("gate_up_proj", gate_up, hidden), ("down_proj", hidden, inter)):
        if one_by_one:
            for i in range(experts.size):
                specs[f"mlp.experts.{name}s.{i}.weight"] = Spec("BF16", (out, contracted))
                specs[f"mlp.experts.{name}s.{i}.bias"] = Spec("BF16", (out,))
            continue
        specs[f"mlp.experts.{name}_bias"] = Spec("BF16", (experts, out))
        if quantized:
            groups = Dim(contracted.size // 32, f"{contracted.origin} / 32")
            pairs = Dim(16, "32 values of 4 bits")
            specs[f"mlp.experts.{name}_blocks"] = Spec("U8", (experts, out, groups, pairs))
            specs[f"mlp.experts.{name}_scales"] = Spec("U8", (experts, out, groups))
        else:
            specs[f"mlp.experts.{name}"] = Spec("BF16", (experts, contracted, out))  # transposed: [in, out]
    return specs


def hf_names(name: str) -> tuple[str, ...]:
    """Translate a stored tensor's name to Hugging Face's: three names for original/'s fused q, k and v rows.

    >>> hf_names("block.3.attn.sinks"), hf_names("lm_head.weight")
    (('model.layers.3.self_attn.sinks',), ('lm_head.weight',))
    """
    match = _LAYER_NAME.fullmatch(name)
    if match is None or not name.startswith("block."):
        return (_HF_NAME.get(name, name),)
    layer = f"model.layers.{match[1]}"
    if match[2].startswith("attn.qkv."):
        kind = match[2].removeprefix("attn.qkv.")
        return tuple(f"{layer}.self_attn.{part}.{kind}" for part in _QKV)
    return (f"{layer}.{_HF_NAME[match[2]]}",)


def _under_hf_names(stored: dict[str, NDArray[Any]], config: Config) -> dict[str, NDArray[Any]]:
    q = config.num_attention_heads * config.head_dim
    kv = config.num_key_value_heads * config.head_dim
    tensors: dict[str, NDArray[Any]] = {}
    for name, tensor in stored.items():
        names = hf_names(name)
        parts = [tensor] if len(names) == 1 else np.split(tensor, [q, q + kv])  # views of whole rows
        tensors |= dict(zip(names, parts, strict=True))
    return tensors


# ---- checking ----------------------------------------------------------------------------------------------


def _check_specs(folder: Path, found: Found, expected: dict[str, Spec], config: Config) -> None:
    places = found.places
    missing = [name for name in expected if name not in places]
    unknown = [place for name, place in places.items() if name not in expected]
    if len(missing) == len(expected):
        example = next((place.name for place in places.values()), "nothing")
        raise CheckpointError(f"{folder}: holds no gpt-oss tensors: found {example}, expected {missing[0]}")
    for name, place in places.items():
        layer = _LAYER_NAME.fullmatch(name)
        if layer is not None and int(layer[1]) >= config.num_hidden_layers:
            raise CheckpointError(
                f"{folder / place.file}: has {place.name}, but config.json says num_hidden_layers is "
                f"{config.num_hidden_layers}; do the files belong together?"
            )
    strange = _some(place.name for place in unknown)
    if missing and unknown:
        raise CheckpointError(
            f"{folder}: lacks {_some(missing)}, and has {strange}, which gpt-oss does not have. Another "
            "program named or packed them: merge adapters, and save the model in bfloat16 with transformers"
        )
    if missing:
        raise CheckpointError(
            f"{folder}: lacks {_some(missing)}; download the model again, or save it with all of its tensors"
        )
    if unknown:
        raise CheckpointError(
            f"{folder / unknown[0].file}: has {strange}, which gpt-oss does not have; "
            "merge adapters and remove tensors that are not the model's"
        )
    for name, spec in expected.items():
        place = places[name]
        _check_tensor(folder / place.file, place.name, found.headers[place.file].entries[place.name], spec)


def _some(names: Iterable[str]) -> str:
    first = list(names)
    more = f" and {len(first) - 3} more tensors" if len(first) > 3 else ""
    return ", ".join(first[:3]) + more


def _check_tensor(file: Path, name: str, entry: safetensors.Entry, spec: Spec) -> None:
    if entry.dtype != spec.dtype:
        is_float = entry.dtype in ("F16", "F32", "F64") and spec.dtype == "BF16"
        cure = "; convert it with model.to(torch.bfloat16) and save it again" if is_float else ""
        raise CheckpointError(f"{file}: {name} has dtype {entry.dtype}, expected {spec.dtype}{cure}")
    if entry.shape == spec.shape:
        return
    dims = spec.dims
    if len(entry.shape) == len(dims):
        dims = tuple(dim for got, dim in zip(entry.shape, dims, strict=True) if got != dim.size)
    origin = ", ".join(dim.origin for dim in dims)
    raise CheckpointError(
        f"{file}: {name} has shape {list(entry.shape)}, expected {list(spec.shape)} ({origin})"
    )


def _check_scales(
    folder: Path,
    found: Found,
    stored: dict[str, NDArray[Any]],
    max_byte: Callable[[NDArray[np.uint8]], int],
) -> None:
    """Refuse NaN and overflowing block scales now; later they would silently poison every token."""
    for name, scales in stored.items():
        if not name.endswith(("_scales", ".scales")):
            continue
        # An interrupt is seen between two experts: all of a layer's may take long to come from a slow disk.
        if max((max_byte(expert) for expert in scales), default=0) > _LARGEST_SCALE:
            at = np.unravel_index(int(np.argmax(scales > _LARGEST_SCALE)), scales.shape)
            index = tuple(int(i) for i in at)
            raise CheckpointError(
                f"{folder / found.places[name].file}: {name} holds the scale byte {scales[index]} at index "
                f"{list(index)}, expected 0..{_LARGEST_SCALE}; the file is damaged, download it again"
            )


def _fingerprint(folder: Path, found: Found, stored: dict[str, NDArray[Any]]) -> str:
    """Tell checkpoints apart by config, headers, sizes and a few values of every tensor, and read no more."""
    digest = hashlib.sha256(read_file(folder / "config.json", LARGEST_CONFIG))
    for file, header in found.headers.items():
        digest.update(f"{file} {header.n_bytes} ".encode() + header.raw)
    for name in sorted(stored):
        flat = stored[name].reshape(-1)
        digest.update(flat[flat.size // 2 :][:64].tobytes())
    return digest.hexdigest()
