"""The truth of every numeric test: gpt-oss in float64 NumPy, written plainly and slowly.

Shares no code with ossnb, not even the file reader. Reads both layouts, quantised or not.
"""

import json
import math
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


class Truth(NamedTuple):
    """What the model computes for one sequence of T tokens."""

    logits: np.ndarray  # [T, V] float64
    experts: np.ndarray  # [L, T, A] int64, the chosen experts, likeliest first
    expert_weights: np.ndarray  # [L, T, A] float64
    margins: np.ndarray  # [L, T] float64, router logit of the last chosen minus the best rejected
    hidden: np.ndarray  # [L + 1, T, D] float64: embedding, after each layer but the last, final norm's output


def logits(source, ids):
    """Logits [T, V] of token ids, float64. `source` is a folder, or anything with a `path` to one."""
    return forward(source, ids).logits


def forward(source, ids):
    """Run the model on one sequence from position 0."""
    folder = Path(getattr(source, "path", source))
    config, tensors = read_config(folder), read_tensors(folder)
    n_layers = config["num_hidden_layers"]
    types = config.get("layer_types") or [
        "full_attention" if i % 2 else "sliding_attention" for i in range(n_layers)
    ]
    cos, sin = rope(config, len(ids))
    x = tensors["model.embed_tokens.weight"][np.asarray(ids)]
    hidden, routed = [x], []
    for i in range(n_layers):
        layer = {k.removeprefix(f"model.layers.{i}."): v for k, v in tensors.items() if f"layers.{i}." in k}
        window = config["sliding_window"] if types[i] == "sliding_attention" else len(ids)
        x = x + attention(
            config, layer, rmsnorm(config, x, layer["input_layernorm.weight"]), cos, sin, window
        )
        y, choice = moe(config, layer, rmsnorm(config, x, layer["post_attention_layernorm.weight"]))
        x = x + y
        hidden.append(x)
        routed.append(choice)
    hidden[-1] = rmsnorm(config, x, tensors["model.norm.weight"])
    experts, weights, margins = (np.stack(part) for part in zip(*routed, strict=True))
    return Truth(hidden[-1] @ tensors["lm_head.weight"].T, experts, weights, margins, np.stack(hidden))


def rmsnorm(config, x, weight):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + config.get("rms_norm_eps", 1e-5)) * weight


def rope(config, n_positions):
    """cos and sin [T, head_dim / 2] of YaRN's angles, which the references form in float32."""
    angle = np.arange(n_positions, dtype=np.float32)[:, None] * inverse_frequencies(config)
    concentration = 0.1 * math.log(config["rope_factor"]) + 1
    return np.cos(angle.astype(np.float64)) * concentration, np.sin(angle.astype(np.float64)) * concentration


def inverse_frequencies(config):
    """YaRN's, float32 [head_dim / 2]."""
    half = config["head_dim"] // 2
    theta, factor = config["rope_theta"], config["rope_factor"]
    frequency = theta ** (np.arange(half) / half)

    def dimension(n_turns):
        return half * math.log(config["rope_original"] / (n_turns * 2 * math.pi)) / math.log(theta)

    low, high = dimension(config["rope_beta_fast"]), dimension(config["rope_beta_slow"])
    ramp = np.clip((np.arange(half) - low) / (high - low), 0, 1)
    return ((1 - ramp) / frequency + ramp / (factor * frequency)).astype(np.float32)


def rotate(x, cos, sin):
    """x [T, heads, head_dim]; element i turns with element i + head_dim / 2."""
    first, second = np.split(x, 2, axis=-1)
    cos, sin = cos[:, None], sin[:, None]
    return np.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)


def attention(config, layer, t, cos, sin, window):
    n, dim = len(t), config["head_dim"]

    def project(name):
        return t @ layer[f"self_attn.{name}.weight"].T + layer[f"self_attn.{name}.bias"]

    q, k, v = (project(name).reshape(n, -1, dim) for name in ("q_proj", "k_proj", "v_proj"))
    q, k = rotate(q, cos, sin), rotate(k, cos, sin)
    position = np.arange(n)
    distance = position[:, None] - position[None, :]
    visible = (distance >= 0) & (distance < window)
    group = q.shape[1] // k.shape[1]
    heads = []
    for head in range(q.shape[1]):
        scores = np.where(visible, q[:, head] @ k[:, head // group].T / math.sqrt(dim), -np.inf)
        sink = layer["self_attn.sinks"][head]
        top = np.maximum(scores.max(axis=-1, keepdims=True), sink)
        weights = np.exp(scores - top)
        total = weights.sum(axis=-1, keepdims=True) + np.exp(sink - top)
        heads.append(weights / total @ v[:, head // group])
    mixed = np.concatenate(heads, axis=-1)
    return mixed @ layer["self_attn.o_proj.weight"].T + layer["self_attn.o_proj.bias"]


def moe(config, layer, t):
    router = t @ layer["mlp.router.weight"].T + layer["mlp.router.bias"]
    active = config["num_experts_per_tok"]
    order = np.argsort(-router, axis=-1, kind="stable")
    chosen = order[:, :active]
    top = np.take_along_axis(router, chosen, axis=-1)
    weights = np.exp(top - top.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    out = np.zeros_like(t)
    for expert in np.unique(chosen):
        rows, slots = np.nonzero(chosen == expert)
        out[rows] += weights[rows, slots, None] * expert_output(config, layer, expert, t[rows])
    if active == router.shape[1]:
        margins = np.full(len(t), np.inf)
    else:
        margins = top[:, -1] - np.take_along_axis(router, order[:, active : active + 1], axis=-1)[:, 0]
    return out, (chosen, weights, margins)


def expert_output(config, layer, expert, t):
    w1, w2 = (layer[f"mlp.experts.{name}"][expert] for name in ("gate_up_proj", "down_proj"))
    b1, b2 = (layer[f"mlp.experts.{name}_bias"][expert] for name in ("gate_up_proj", "down_proj"))
    h = t @ w1.T + b1
    return (
        swiglu(h[:, 0::2], h[:, 1::2], config["swiglu_limit"], config.get("swiglu_alpha", 1.702)) @ w2.T + b2
    )


def swiglu(gate, up, limit=7.0, alpha=1.702):
    gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
    with np.errstate(over="ignore"):
        return (up + 1) * gate / (1 + np.exp(-alpha * gate))


# ---- reading -----------------------------------------------------------------------------------------------


def read_config(folder):
    """config.json of either layout, under Hugging Face's names, the rope numbers flat."""
    raw = json.loads((folder / "config.json").read_text())
    if "model_type" not in raw:
        return raw | {
            "num_local_experts": raw["num_experts"],
            "num_experts_per_tok": raw["experts_per_token"],
            "rope_factor": raw["rope_scaling_factor"],
            "rope_beta_fast": raw["rope_ntk_beta"],
            "rope_beta_slow": raw["rope_ntk_alpha"],
            "rope_original": raw["initial_context_length"],
        }
    given = raw.get("rope_parameters") or raw["rope_scaling"]
    return raw | {
        "rope_theta": given.get("rope_theta", raw.get("rope_theta")),
        "rope_factor": given["factor"],
        "rope_beta_fast": given["beta_fast"],
        "rope_beta_slow": given["beta_slow"],
        "rope_original": given["original_max_position_embeddings"],
    }


def read_tensors(folder):
    """Every tensor as float64 under Hugging Face's names; experts as [E, out, in]."""
    config, tensors = read_config(folder), {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= read_safetensors(path)
    for name in [name for name in tensors if name.endswith(("_blocks", ".blocks"))]:
        scales = tensors.pop(name.replace("blocks", "scales"))
        tensors[name[: -len("_blocks")]] = dequantize(tensors.pop(name), scales)
    for name in tensors:
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")) and tensors[name].dtype == np.uint16:
            tensors[name] = tensors[name].swapaxes(1, 2)
    tensors = {name: widen(t) if t.dtype == np.uint16 else t for name, t in tensors.items()}
    return rename(config, tensors) if "embedding.weight" in tensors else tensors


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        dtype = {"BF16": "<u2", "U8": "u1"}[entry["dtype"]]
        tensors[name] = np.frombuffer(data[begin:end], dtype).reshape(entry["shape"])
    return tensors


def widen(bits):
    """bfloat16 bits → float64."""
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def dequantize(blocks, scales):
    """MXFP4 [..., G, 16] and [..., G] → float64 [..., 32 G]; the low nibble comes first."""
    values = np.stack((E2M1[blocks & 15], E2M1[blocks >> 4]), axis=-1)
    values = values.reshape(*blocks.shape[:-1], 32) * np.exp2(scales.astype(np.float64) - 127)[..., None]
    return values.reshape(*blocks.shape[:-2], -1)


def rename(config, tensors):
    """original/'s names → Hugging Face's."""
    q, kv = (config[f"num_{kind}_heads"] * config["head_dim"] for kind in ("attention", "key_value"))
    names = {
        "attn.norm.scale": "input_layernorm.weight",
        "attn.out": "self_attn.o_proj",
        "attn.sinks": "self_attn.sinks",
        "mlp.norm.scale": "post_attention_layernorm.weight",
        "mlp.gate": "mlp.router",
        "mlp.mlp1_weight": "mlp.experts.gate_up_proj",
        "mlp.mlp1_bias": "mlp.experts.gate_up_proj_bias",
        "mlp.mlp2_weight": "mlp.experts.down_proj",
        "mlp.mlp2_bias": "mlp.experts.down_proj_bias",
        "embedding.weight": "model.embed_tokens.weight",
        "norm.scale": "model.norm.weight",
        "unembedding.weight": "lm_head.weight",
    }
    renamed = {}
    for name, tensor in tensors.items():
        prefix = ""
        if name.startswith("block."):
            _, layer, name = name.split(".", 2)
            prefix = f"model.layers.{layer}."
        if name.startswith("attn.qkv"):
            for part, rows in zip("qkv", np.split(tensor, [q, q + kv]), strict=True):
                renamed[prefix + name.replace("attn.qkv", f"self_attn.{part}_proj")] = rows
            continue
        old = next(old for old in names if name == old or name.startswith(old + "."))
        renamed[prefix + names[old] + name.removeprefix(old)] = tensor
    return renamed
