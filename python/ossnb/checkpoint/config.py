"""The model's dimensions: config.json is read, checked and frozen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..system.fields import is_integer, is_number
from ..system.text import shown, shown_value
from .jsonfile import read_object

SLIDING, FULL = "sliding_attention", "full_attention"

# Largest value believed, far above the 120b's: a bigger one is damage, and must not become an allocation.
_LARGEST = {
    "num_hidden_layers": 1024,
    "hidden_size": 1 << 17,
    "intermediate_size": 1 << 17,
    "num_attention_heads": 1024,
    "num_key_value_heads": 1024,
    "head_dim": 1024,
    "num_local_experts": 4096,
    "num_experts_per_tok": 4096,
    "vocab_size": 1 << 24,
    "sliding_window": 1 << 30,
    "rope_original_max_position_embeddings": 1 << 30,
    "max_position_embeddings": 1 << 30,
    "initial_context_length": 1 << 30,
}
_POSITIVE_FLOATS = (
    "rms_norm_eps",
    "rope_theta",
    "rope_factor",
    "rope_beta_fast",
    "rope_beta_slow",
    "swiglu_limit",
    "swiglu_alpha",
)
_SMALLEST_FLOAT, _LARGEST_FLOAT = 1e-30, 1e30  # well inside float32, in which the engine computes
_LARGEST_ID = 1 << 31
_MULTIPLES = {"hidden_size": 32, "intermediate_size": 32, "head_dim": 16}  # MXFP4 blocks; kernels' lanes


@dataclass(frozen=True)
class Config:
    """Hold a gpt-oss model's dimensions under their config.json names; the defaults are gpt-oss-20b's.

    >>> Config().head_dim, Config(num_hidden_layers=36, num_local_experts=128).layer_types[0]
    (64, 'sliding_attention')

    rope_* are the entries of config.json's rope_scaling or rope_parameters. Raises ValueError for impossible
    values.
    """

    num_hidden_layers: int = 24
    hidden_size: int = 2880
    intermediate_size: int = 2880
    num_attention_heads: int = 64
    num_key_value_heads: int = 8
    head_dim: int = 64
    num_local_experts: int = 32
    num_experts_per_tok: int = 4
    vocab_size: int = 201088
    sliding_window: int = 128
    layer_types: tuple[str, ...] = ()  # empty: sliding and full in turn, starting with sliding
    rms_norm_eps: float = 1e-5
    rope_theta: float = 150000.0
    rope_factor: float = 32.0
    rope_beta_fast: float = 32.0
    rope_beta_slow: float = 1.0
    rope_original_max_position_embeddings: int = 4096
    swiglu_limit: float = 7.0
    swiglu_alpha: float = 1.702
    max_position_embeddings: int = 131072
    initial_context_length: int = 4096
    eos_token_id: tuple[int, ...] = (200002,)

    @property
    def experts_per_token(self) -> int:
        """The same as num_experts_per_tok; config.json has it under both names."""
        return self.num_experts_per_tok

    @property
    def rope_scaling(self) -> dict[str, Any]:
        """The rope_* fields as the object that config.json has."""
        names = ("factor", "beta_fast", "beta_slow", "original_max_position_embeddings")
        return {"rope_type": "yarn", "truncate": False} | {n: getattr(self, "rope_" + n) for n in names}

    pad_token_id: int | None = 199999

    def __post_init__(self) -> None:
        if isinstance(self.layer_types, list):  # as JSON has it
            object.__setattr__(self, "layer_types", tuple(self.layer_types))
        if not self.layer_types and type(self.num_hidden_layers) is int:
            n = min(self.num_hidden_layers, _LARGEST["num_hidden_layers"])
            object.__setattr__(self, "layer_types", tuple(FULL if i % 2 else SLIDING for i in range(n)))
        _check_numbers(self)
        _check_relations(self)

    @classmethod
    def from_json(cls, path: str | Path) -> Config:
        """Read a config.json of either checkpoint layout.

        >>> Config.from_json(folder / "config.json").num_hidden_layers
        4

        It understands the Hugging Face layout (rope_scaling, or rope_parameters of transformers 5) and
        OpenAI's original/config.json. A CheckpointError names the file, the field, its value and the expected
        value.
        """
        path = Path(path)
        raw = read_object(path)
        try:
            known = _from_original(raw) if "model_type" not in raw and "num_experts" in raw else _from_hf(raw)
            return cls(**known)
        except ValueError as error:
            raise CheckpointError(f"{path}: {error}") from None


def _expect(raw: Mapping[str, Any], name: str, expected: object) -> None:
    """Refuse a value that would change the model's results; a missing value means gpt-oss's own."""
    if raw.get(name, expected) != expected:
        raise ValueError(f"{name} is {shown_value(raw[name])}, expected {expected!r}")


def check_family(raw: Mapping[str, Any]) -> None:
    """Raise ValueError for a config.json of models of another family.

    >>> check_family({"model_type": "gpt_oss"})
    """
    if raw.get("model_type") == "gpt_oss":
        return
    got = f"is {shown_value(raw['model_type'])}" if "model_type" in raw else "is missing"
    raise ValueError(
        f"model_type {got}, expected 'gpt_oss': only gpt-oss models can be loaded, that is 20b, 120b and "
        "models made from them"
    )


def _from_hf(raw: Mapping[str, Any]) -> dict[str, Any]:
    check_family(raw)
    for name, value in (("attention_bias", True), ("hidden_act", "silu"), ("tie_word_embeddings", False)):
        _expect(raw, name, value)
    quantization = raw.get("quantization_config")
    if quantization is not None:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else quantization
        if method != "mxfp4":
            raise ValueError(
                f"quantization_config.quant_method is {shown_value(method)}, expected 'mxfp4', or no "
                "quantization_config for bfloat16 weights"
            )
    known = {f.name: raw[f.name] for f in fields(Config) if f.name in raw}
    known |= _rope(raw)
    if "experts_per_token" in raw:  # the same number under the name of original/config.json
        known.setdefault("num_experts_per_tok", raw["experts_per_token"])
        _expect(raw, "experts_per_token", known["num_experts_per_tok"])
    _require(known, "num_hidden_layers", "hidden_size", "num_local_experts", "vocab_size")
    known["layer_types"] = raw.get("layer_types") or ()
    known["eos_token_id"] = token_ids(raw.get("eos_token_id", 200002))
    return known


def _rope(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The YaRN numbers of rope_scaling or rope_parameters."""
    where = "rope_parameters" if raw.get("rope_parameters") is not None else "rope_scaling"
    rope = raw.get(where)
    if where not in raw:
        return {}
    if rope is None:  # to transformers, no YaRN at all, that is other frequencies than gpt-oss's
        raise ValueError(
            f"{where} is null, expected an object with rope_type 'yarn'; remove the line to take gpt-oss's "
            "own, if the model was trained with it"
        )
    if not isinstance(rope, dict):
        raise ValueError(f"{where} is {shown_value(rope)}, expected an object with rope_type 'yarn'")
    kind = rope.get("rope_type", rope.get("type"))
    if kind != "yarn":
        raise ValueError(f"{where}.rope_type is {shown_value(kind)}, expected 'yarn'")
    # To transformers a missing `truncate` means true, that is other frequencies than gpt-oss's.
    if rope.get("truncate") is not False:
        raise ValueError(
            f"{where}.truncate is {shown(json.dumps(rope.get('truncate', 'missing')))}, expected false as in "
            "gpt-oss; write false there if the model was trained that way"
        )
    for name in ("mscale", "mscale_all_dim"):
        _expect(rope, name, None)
    names = ("factor", "beta_fast", "beta_slow", "original_max_position_embeddings")
    known = {"rope_" + name: rope[name] for name in names if name in rope}
    _require(known, "rope_factor", "rope_original_max_position_embeddings")
    if "rope_theta" in rope:
        known["rope_theta"] = rope["rope_theta"]
    attention_factor, factor = rope.get("attention_factor"), known["rope_factor"]
    if attention_factor is not None and is_number(factor) and factor >= 1:
        usual = 0.1 * math.log(factor) + 1
        if not is_number(attention_factor) or not math.isclose(attention_factor, usual, rel_tol=1e-6):
            raise ValueError(
                f"{where}.attention_factor is {shown_value(attention_factor)}, expected {usual!r}"
            )
    return known


_ORIGINAL_NAMES = {
    "num_experts": "num_local_experts",
    "experts_per_token": "num_experts_per_tok",
    "rope_scaling_factor": "rope_factor",
    "rope_ntk_alpha": "rope_beta_slow",
    "rope_ntk_beta": "rope_beta_fast",
}


def _from_original(raw: Mapping[str, Any]) -> dict[str, Any]:
    known = {f.name: raw[f.name] for f in fields(Config) if f.name in raw}
    known |= {ours: raw[theirs] for theirs, ours in _ORIGINAL_NAMES.items() if theirs in raw}
    _require(known, "num_hidden_layers", "hidden_size", "vocab_size")
    if "initial_context_length" in raw:  # one number with two uses in the original code
        known["rope_original_max_position_embeddings"] = raw["initial_context_length"]
        length, factor = raw["initial_context_length"], known.get("rope_factor", 32.0)
        if is_number(length) and is_number(factor) and 1 <= length * factor <= 1 << 30:
            known["max_position_embeddings"] = int(length * factor)
    return known


def _require(known: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{name} is missing")


def token_ids(value: Any) -> tuple[int, ...]:
    """Read the eos_token_id of a JSON file: one id, or a list of them, or null; ValueError for others."""
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if not all(is_integer(i) and i < _LARGEST_ID for i in ids):
        raise ValueError(f"eos_token_id is {shown_value(value)}, expected a token id or a list of them")
    return tuple(ids)


def _check_numbers(config: Config) -> None:
    for name, largest in _LARGEST.items():
        value = getattr(config, name)
        if type(value) is not int or not 1 <= value <= largest:
            raise ValueError(f"{name} is {shown_value(value)}, expected a whole number from 1 to {largest}")
    for name in _POSITIVE_FLOATS:
        value = getattr(config, name)
        if not is_number(value) or not _SMALLEST_FLOAT <= value <= _LARGEST_FLOAT:
            raise ValueError(
                f"{name} is {shown_value(value)}, expected a number above 0, from {_SMALLEST_FLOAT} to "
                f"{_LARGEST_FLOAT}"
            )
        object.__setattr__(config, name, float(value))
    pad = config.pad_token_id
    if pad is not None and (not is_integer(pad) or pad >= _LARGEST_ID):
        raise ValueError(f"pad_token_id is {shown_value(pad)}, expected a token id or null")
    for name, step in _MULTIPLES.items():
        value = getattr(config, name)
        if value % step:
            raise ValueError(f"{name} is {value}, expected a multiple of {step}")


def _check_relations(config: Config) -> None:
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    if heads % kv_heads:
        raise ValueError(
            f"num_attention_heads is {heads}, expected a multiple of num_key_value_heads {kv_heads}"
        )
    active, experts = config.num_experts_per_tok, config.num_local_experts
    if active > experts:
        raise ValueError(f"num_experts_per_tok is {active}, expected at most num_local_experts {experts}")
    if config.rope_factor < 1:
        raise ValueError(f"rope_factor is {config.rope_factor}, expected at least 1")
    if config.rope_theta <= 1:
        raise ValueError(f"rope_theta is {config.rope_theta}, expected above 1")
    if config.rope_beta_fast <= config.rope_beta_slow:
        fast, slow = config.rope_beta_fast, config.rope_beta_slow
        raise ValueError(f"rope_beta_fast is {fast}, expected above rope_beta_slow {slow}")
    types, n_layers = config.layer_types, config.num_hidden_layers
    if not isinstance(types, tuple):
        raise ValueError(f"layer_types is {shown_value(types)}, expected a list of {n_layers} names")
    if len(types) != n_layers:
        raise ValueError(f"layer_types has {len(types)} entries, expected {n_layers} (num_hidden_layers)")
    for layer, kind in enumerate(types):
        if kind not in (SLIDING, FULL):
            raise ValueError(f"layer_types[{layer}] is {shown_value(kind)}, expected '{SLIDING}' or '{FULL}'")
