"""The shipped weights as a start for more training: `train.py --init ../../python/ossnb/data/demo.ossnb`.

The compact file holds merged rows, so the vectors that words and digits share, and the matrix that ties what
is written to what is read, begin at zero again; the experts begin on their MXFP4 grid.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from export import GRID, SHARPEN
from harmony import Tokenizer
from model import DemoModel
from torch import Tensor
from vocab import Vocab, describe

_DTYPES = {"BF16": np.uint16, "U8": np.uint8, "I32": np.int32}


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a compact file: bfloat16 as float32, blocks and scales as bytes."""
    raw = lzma.decompress(path.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    header.pop("__metadata__")
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(raw[start + begin : start + end], _DTYPES[entry["dtype"]])
        array = array.reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        out[name] = torch.from_numpy(array.copy())
    return out


def vocabulary(
    tensors: dict[str, Tensor], tokenizer: Tokenizer, inputs: Counter[int], targets: Counter[int]
) -> Vocab:
    """Return the vocabulary whose rows the file holds, and those that the counted samples need besides."""
    learned = {token for token, n in targets.items() if n >= 2}
    frequent = learned | {token for token, n in inputs.items() if n >= 10}
    ids_in = np.array([-1, *sorted(frequent.union(tensors["model.embed_tokens.weight.ids"].tolist()))])
    ids_out = np.array([*sorted(learned.union(tensors["lm_head.weight.ids"].tolist())), -1])
    texts = {i: tokenizer.decode([i]) for i in range(199_998)}
    return describe(ids_in, ids_out, np.ones(len(ids_in), bool), texts)


def unpack_mxfp4(blocks: Tensor, scales: Tensor) -> Tensor:
    """Return the weights [E, out, in] of blocks [E, out, in / 32, 16] and scales [E, out, in / 32]."""
    codes = torch.stack((blocks & 15, blocks >> 4), -1).flatten(-2).long()
    values = GRID[codes & 7] * (1 - 2 * (codes >> 3))
    return (values * torch.exp2(scales.float() - 127)[..., None]).flatten(-2)


@torch.no_grad()
def fill(model: DemoModel, tensors: dict[str, Tensor], vocab: Vocab) -> None:
    """Give a model the file's weights; tokens unknown to the file begin as all the others it lacks.

    Experts may be wider than the file's: then the further columns of `down` begin at zero, so that the model
    computes what the file's computes.
    """

    def rows(name: str, ids: np.ndarray) -> Tensor:
        known = dict(zip(tensors[f"{name}.ids"].tolist(), tensors[f"{name}.rows"], strict=True))
        default = tensors[f"{name}.default"]
        return torch.stack([known.get(token, default) for token in ids.tolist()])

    for shared in (model.embed_word, model.embed_digit, model.unembed_word, model.unembed_digit, model.tie):
        shared.zero_()
    model.embed.copy_(rows("model.embed_tokens.weight", vocab.ids_in))
    model.unembed.copy_(rows("lm_head.weight", vocab.ids_out))
    model.norm.copy_(tensors["model.norm.weight"] / SHARPEN)
    for index, layer in enumerate(model.layers):
        name = f"model.layers.{index}."
        layer.input_norm.copy_(tensors[name + "input_layernorm.weight"])
        layer.post_norm.copy_(tensors[name + "post_attention_layernorm.weight"])
        layer.sinks.copy_(tensors[name + "self_attn.sinks"])
        layer.router.copy_(tensors[name + "mlp.router.weight"])
        layer.router_bias.copy_(tensors[name + "mlp.router.bias"])
        for short in "qkvo":
            getattr(layer, short).copy_(tensors[name + f"self_attn.{short}_proj.weight"])
            getattr(layer, short + "_bias").copy_(tensors[name + f"self_attn.{short}_proj.bias"])
        for short in ("gate_up", "down"):
            expert = name + f"mlp.experts.{short}_proj"
            weight = unpack_mxfp4(tensors[expert + "_blocks"], tensors[expert + "_scales"])
            bias, target = tensors[expert + "_bias"], getattr(layer, short)
            if short == "down":
                target.zero_()
            target[:, : weight.shape[1], : weight.shape[2]] = weight
            getattr(layer, short + "_bias")[:, : bias.shape[1]] = bias
