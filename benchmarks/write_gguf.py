"""Write a gpt-oss checkpoint as a GGUF file for llama.cpp: `python benchmarks/write_gguf.py FOLDER FILE`.

The experts are repacked without loss (ggml pairs the halves of a block in a byte where the checkpoint pairs
neighbours); the other matrices but the router become Q8_0, as in the file that llama.cpp's makers publish.
There is no vocabulary in it: the benchmark feeds token ids.
"""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import quantize

from ossnb.checkpoint.layout import Checkpoint, open_checkpoint

ROWS = 4096  # rows quantised at a time: bounds the memory
ALL, GATE, UP = slice(None), slice(0, None, 2), slice(1, None, 2)  # rows of gate_up_proj alternate


class Entry(NamedTuple):
    """One tensor of the file: its GGUF name and type, and how to make its floats or bytes [.., row bytes]."""

    name: str
    kind: Type
    shape: tuple[int, ...]
    make: Callable[[], np.ndarray]


def as_float(bf16: np.ndarray) -> np.ndarray:
    return (bf16.astype(np.uint32) << 16).view(np.float32)


def as_q8(bf16: np.ndarray) -> np.ndarray:
    """[out, in] bfloat16 → [out, in / 32 * 34] bytes; in must be a multiple of 32."""
    parts = [quantize(as_float(bf16[at : at + ROWS]), Type.Q8_0) for at in range(0, len(bf16), ROWS)]
    return np.concatenate(parts)


def as_mxfp4(blocks: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """[E, out, G, 16] and [E, out, G] → [E, out, G * 17] bytes: a block's scale, then elements j, j + 16."""
    first, second = blocks[..., :8], blocks[..., 8:]
    packed = np.empty((*scales.shape, 17), np.uint8)
    packed[..., 0] = scales
    packed[..., 1::2] = (first & 0x0F) | (second << 4)
    packed[..., 2::2] = (first >> 4) | (second & 0xF0)
    return packed.reshape(*scales.shape[:2], -1)


def entries(checkpoint: Checkpoint) -> Iterator[Entry]:
    tensors = checkpoint.tensors

    def q8(name: str, source: str) -> Entry:
        n_out, n_in = tensors[source].shape
        return Entry(name, Type.Q8_0, (n_out, n_in // 32 * 34), lambda: as_q8(tensors[source]))

    def f32(name: str, source: str, rows: slice = ALL) -> Entry:
        part = tensors[source][..., rows]
        return Entry(name, Type.F32, part.shape, lambda: as_float(part))

    def mxfp4(name: str, source: str, rows: slice = ALL) -> Entry:
        blocks, scales = tensors[f"{source}_blocks"][:, rows], tensors[f"{source}_scales"][:, rows]
        n_experts, n_out, n_groups = scales.shape
        return Entry(name, Type.MXFP4, (n_experts, n_out, n_groups * 17), lambda: as_mxfp4(blocks, scales))

    yield q8("token_embd.weight", "model.embed_tokens.weight")
    yield f32("output_norm.weight", "model.norm.weight")
    yield q8("output.weight", "lm_head.weight")
    for layer in range(checkpoint.config.num_hidden_layers):
        to, of = f"blk.{layer}", f"model.layers.{layer}"
        yield f32(f"{to}.attn_norm.weight", f"{of}.input_layernorm.weight")
        yield f32(f"{to}.post_attention_norm.weight", f"{of}.post_attention_layernorm.weight")
        for theirs, ours in (("attn_q", "q"), ("attn_k", "k"), ("attn_v", "v"), ("attn_output", "o")):
            yield q8(f"{to}.{theirs}.weight", f"{of}.self_attn.{ours}_proj.weight")
            yield f32(f"{to}.{theirs}.bias", f"{of}.self_attn.{ours}_proj.bias")
        yield f32(f"{to}.attn_sinks.weight", f"{of}.self_attn.sinks")
        yield f32(f"{to}.ffn_gate_inp.weight", f"{of}.mlp.router.weight")
        yield f32(f"{to}.ffn_gate_inp.bias", f"{of}.mlp.router.bias")
        for theirs, ours, rows in (("gate", "gate_up", GATE), ("up", "gate_up", UP), ("down", "down", ALL)):
            yield mxfp4(f"{to}.ffn_{theirs}_exps.weight", f"{of}.mlp.experts.{ours}_proj", rows)
            yield f32(f"{to}.ffn_{theirs}_exps.bias", f"{of}.mlp.experts.{ours}_proj_bias", rows)


def write_metadata(writer: gguf.GGUFWriter, checkpoint: Checkpoint) -> None:
    config = checkpoint.config
    writer.add_name(checkpoint.path.name)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_expert_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_sliding_window(config.sliding_window)
    writer.add_expert_count(config.num_local_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(config.rope_factor)
    writer.add_rope_scaling_orig_ctx_len(config.rope_original_max_position_embeddings)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("none")


def write(folder: Path, path: Path) -> None:
    """Write the list of tensors, then their data; one of them is in memory at a time."""
    checkpoint = open_checkpoint(folder)
    if not checkpoint.quantized:
        raise SystemExit(f"{folder}: has bfloat16 experts, expected MXFP4, which is what is compared")
    writer = gguf.GGUFWriter(path, "gpt-oss")
    write_metadata(writer, checkpoint)
    for entry in entries(checkpoint):
        dtype = np.dtype(np.float32 if entry.kind == Type.F32 else np.uint8)
        n_bytes = math.prod(entry.shape) * dtype.itemsize
        writer.add_tensor_info(entry.name, entry.shape, dtype, n_bytes, entry.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for entry in entries(checkpoint):
        writer.write_tensor_data(entry.make())
    writer.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
