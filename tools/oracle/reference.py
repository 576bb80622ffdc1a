"""gpt-oss as Hugging Face transformers computes it, in float32 on the CPU."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import GptOssForCausalLM, Mxfp4Config


class Reference(NamedTuple):
    logits: np.ndarray  # [T, V] float32
    experts: np.ndarray  # [L, T, A] int64, likeliest first


class ReferenceModel:
    """A checkpoint folder in the Hugging Face layout, loaded with float32 weights."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        is_quantized = "quantization_config" in json.loads((folder / "config.json").read_text())
        options = {"quantization_config": Mxfp4Config(dequantize=True)} if is_quantized else {}
        self._model = GptOssForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", **options
        ).float()
        self._model.eval()

    def forward(self, ids: np.ndarray) -> Reference:
        """Run one sequence from position 0."""
        chosen: list[np.ndarray] = []
        hooks = [
            layer.mlp.router.register_forward_hook(lambda _m, _in, out: chosen.append(out[2].numpy()))
            for layer in self._model.model.layers
        ]
        try:
            with torch.inference_mode():
                logits = self._model(
                    torch.tensor(np.asarray(ids)[None], dtype=torch.long), use_cache=False
                ).logits
        finally:
            for hook in hooks:
                hook.remove()
        return Reference(logits[0].numpy(), np.stack(chosen))

    def greedy(self, ids: np.ndarray, n_new: int) -> np.ndarray:
        """The likeliest continuation, int32 [n_new], through the key-value cache."""
        cache, new, step = None, [], torch.tensor(np.asarray(ids)[None], dtype=torch.long)
        with torch.inference_mode():
            for _ in range(n_new):
                out = self._model(step, past_key_values=cache, use_cache=True)
                cache, step = out.past_key_values, out.logits[:, -1:].argmax(dim=-1)
                new.append(int(step))
        return np.array(new, np.int32)
