"""Write a trained checkpoint as the compact file that the wheel ships.

    python export.py --run FOLDER --out ../../python/ossnb/data/demo.ossnb

The file is a safetensors file in xz: the ordinary tensors of a gpt-oss checkpoint, except that both
vocabulary tables hold only the rows that differ (`*.rows`), their token ids (`*.ids`) and the one row that
all other tokens share (`*.default`).  `ossnb.checkpoint.demo.expand` is the reader.
"""

from __future__ import annotations

import argparse
import json
import lzma
import pickle
from pathlib import Path

import numpy as np
import torch
from model import DemoModel, Layer, Shape, mxfp4_exponent
from torch import Tensor
from vocab import VOCAB_SIZE, Vocab

# All logits are larger by this factor: temperature 1 of what is shipped is 0.8 of what was trained. So small
# a model leaves some probability to near misses; at its own temperature 1 a digit in a few dozen is a slip.
SHARPEN = 1.25
GRID = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
# Two-byte numbers: one position bit keeps low and high bytes apart in xz's model.
XZ_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 3, "lp": 1, "pb": 1}]


def bf16(x: Tensor) -> np.ndarray:
    """Round to bfloat16, as uint16 bit patterns."""
    return x.detach().to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)


def mxfp4(w: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Quantise w [E, out, in] to blocks [E, out, in / 32, 16] and scales [E, out, in / 32]."""
    blocks = w.detach().unflatten(-1, (-1, 32))
    exponent = mxfp4_exponent(blocks)
    x = blocks / torch.exp2(exponent)
    a = x.abs()
    step = torch.where(a < 2, 0.5, torch.where(a < 4, 1.0, 2.0))  # the same rounding as in training
    code = torch.searchsorted(GRID, ((a / step).round() * step).clamp(max=6.0)).to(torch.uint8)
    code |= (x < 0).to(torch.uint8) << 3
    packed = code[..., 0::2] | code[..., 1::2] << 4
    return packed.numpy(), (exponent.squeeze(-1) + 127).to(torch.uint8).numpy()


def layer_tensors(layer: Layer, index: int) -> dict[str, np.ndarray]:
    name = f"model.layers.{index}."
    out = {
        name + "input_layernorm.weight": bf16(layer.input_norm),
        name + "post_attention_layernorm.weight": bf16(layer.post_norm),
        name + "self_attn.sinks": bf16(layer.sinks),
        name + "mlp.router.weight": bf16(layer.router),
        name + "mlp.router.bias": bf16(layer.router_bias),
        name + "mlp.experts.gate_up_proj_bias": bf16(layer.gate_up_bias),
        name + "mlp.experts.down_proj_bias": bf16(layer.down_bias),
    }
    for short in "qkvo":
        out[name + f"self_attn.{short}_proj.weight"] = bf16(getattr(layer, short))
        out[name + f"self_attn.{short}_proj.bias"] = bf16(getattr(layer, short + "_bias"))
    for short, weight in (("gate_up", layer.gate_up), ("down", layer.down)):
        blocks, scales = mxfp4(weight)
        out[name + f"mlp.experts.{short}_proj_blocks"] = blocks
        out[name + f"mlp.experts.{short}_proj_scales"] = scales
    return out


def tensors(model: DemoModel, vocab: Vocab) -> dict[str, np.ndarray]:
    embed, unembed = (bf16(t) for t in model.tables())
    out = {
        "model.norm.weight": bf16(model.norm * SHARPEN),
        "model.embed_tokens.weight.ids": vocab.ids_in[1:].astype(np.int32),
        "model.embed_tokens.weight.rows": embed[1:],
        "model.embed_tokens.weight.default": embed[0],
        "lm_head.weight.ids": vocab.ids_out[:-1].astype(np.int32),
        "lm_head.weight.rows": unembed[:-1],
        "lm_head.weight.default": unembed[-1],
    }
    for index, layer in enumerate(model.layers):
        out |= layer_tensors(layer, index)
    return out


def hf_config(s: Shape) -> dict[str, object]:
    """Return config.json: gpt-oss's own fields with the demo's sizes."""
    return {
        "architectures": ["GptOssForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "eos_token_id": 200002,
        "experts_per_token": s.active,
        "head_dim": s.head_dim,
        "hidden_act": "silu",
        "hidden_size": s.hidden,
        "initial_context_length": 4096,
        "initializer_range": 0.02,
        "intermediate_size": s.intermediate,
        "layer_types": ["full_attention" if i % 2 else "sliding_attention" for i in range(s.layers)],
        "max_position_embeddings": 131072,
        "model_type": "gpt_oss",
        "num_attention_heads": s.heads,
        "num_experts_per_tok": s.active,
        "num_hidden_layers": s.layers,
        "num_key_value_heads": s.kv_heads,
        "num_local_experts": s.experts,
        "output_router_logits": False,
        "pad_token_id": 199999,
        "quantization_config": {
            "quant_method": "mxfp4",
            "modules_to_not_convert": [
                "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head",
            ],
        },
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0,
            "original_max_position_embeddings": 4096, "rope_type": "yarn", "truncate": False,
        },
        "rope_theta": 150000,
        "router_aux_loss_coef": 0.01,
        "sliding_window": s.window,
        "swiglu_limit": 7.0,
        "tie_word_embeddings": False,
        "use_cache": True,
        "vocab_size": VOCAB_SIZE,
    }  # fmt: skip


def pack(named: dict[str, np.ndarray], config: dict[str, object]) -> bytes:
    """Return the compact file's bytes: a safetensors file, compressed."""
    codes = {"uint16": "BF16", "uint8": "U8", "int32": "I32"}
    header: dict[str, object] = {"__metadata__": {"config": json.dumps(config)}}
    parts, at = [], 0
    for name, array in sorted(named.items()):
        data = np.ascontiguousarray(array).tobytes()
        span = [at, at + len(data)]
        header[name] = {"dtype": codes[array.dtype.name], "shape": list(array.shape), "data_offsets": span}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    raw = len(text).to_bytes(8, "little") + text + b"".join(parts)
    return lzma.compress(raw, format=lzma.FORMAT_XZ, check=lzma.CHECK_SHA256, filters=XZ_FILTERS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="folder with checkpoint.pt and vocab.pkl")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    vocab = pickle.loads((args.run / "vocab.pkl").read_bytes())["vocab"]
    model = DemoModel(Shape(), vocab)
    state = torch.load(args.run / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    data = pack(tensors(model, vocab), hf_config(model.s))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(data)
    print(f"{args.out}: {len(data):,} bytes after {state['step']} steps")


if __name__ == "__main__":
    main()
