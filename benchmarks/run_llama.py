"""Time llama.cpp on a GGUF file as `ossnb bench` times ossnb: `python benchmarks/run_llama.py SETTINGS`.

The same token ids and counts; prints JSON, medians are left to the caller. SETTINGS is JSON too: gguf,
threads, repack, check (after how many tokens logits are wanted), and cases, a list of prompt, new, depth and
runs, all of them timed after one load.
"""

import ctypes
import json
import sys
import time
from typing import Any

import llama_cpp as llama
import numpy as np

from ossnb.command.bench import PeakPrivateMemory, random_ids

WARM_TOKENS = 64  # that many reach every expert


@llama.llama_log_callback
def only_errors(level: int, text: bytes, data: ctypes.c_void_p) -> None:
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


class Llama:
    """A model and one context, through the low-level API: token ids in, nothing sampled."""

    def __init__(self, path: str, n_context: int, threads: int, repack: bool) -> None:
        llama.llama_log_set(only_errors, ctypes.c_void_p(0))
        llama.llama_backend_init()
        model_params = llama.llama_model_default_params()
        model_params.n_gpu_layers = 0
        model_params.use_extra_bufts = repack
        self.model = llama.llama_model_load_from_file(path.encode(), model_params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        params = llama.llama_context_default_params()
        params.n_ctx = n_context
        params.n_batch = n_context
        params.n_threads = params.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, params)
        self.vocab_size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))

    def clear(self) -> None:
        llama.llama_memory_clear(llama.llama_get_memory(self.context), False)

    def read(self, ids: np.ndarray) -> None:
        """Append tokens; the last one's logits are computed."""
        tokens = (llama.llama_token * len(ids))(*ids.tolist())
        if llama.llama_decode(self.context, llama.llama_batch_get_one(tokens, len(ids))) != 0:
            raise SystemExit(f"llama_decode failed on {len(ids)} tokens")
        llama.llama_synchronize(self.context)

    def logits(self) -> np.ndarray:
        pointer = llama.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(pointer, (self.vocab_size,)).copy()


def timed(model: Llama, ids: np.ndarray, case: dict[str, int]) -> dict[str, list[float]]:
    """One case: `prompt` tokens at once after `depth` earlier ones, then `new` one by one: seconds."""
    depth, prompt = case["depth"], case["prompt"]
    found: dict[str, list[float]] = {"prefill_s": [], "decode_s": []}
    for _ in range(case["runs"]):
        model.clear()
        if depth:
            model.read(ids[:depth])
        start = time.perf_counter()
        if prompt:
            model.read(ids[depth : depth + prompt])
        middle = time.perf_counter()
        for at in range(depth + prompt, depth + prompt + case["new"]):
            model.read(ids[at : at + 1])
        found["prefill_s"].append(middle - start)
        found["decode_s"].append(time.perf_counter() - middle)
    return found


def main(settings: dict[str, Any]) -> dict[str, Any]:
    cases, check = settings["cases"], settings["check"]
    total = max([WARM_TOKENS, *(case["depth"] + case["prompt"] + case["new"] for case in cases)])
    with PeakPrivateMemory() as memory:
        start = time.perf_counter()
        model = Llama(settings["gguf"], total, settings["threads"], settings["repack"])
        load_s = time.perf_counter() - start
        ids = random_ids(model.vocab_size, total)
        model.read(ids[:check])
        logits = model.logits()
        logits.argmax()
        first_token_at = time.monotonic()  # the same clock in every process: the caller began earlier on it
        model.clear()
        model.read(ids[:WARM_TOKENS])  # touch the weights once, outside the clock
        found = [timed(model, ids, case) for case in cases]
    return {
        "version": llama.__version__,
        "load_s": load_s,
        "first_token_at": first_token_at,
        "peak_private_bytes": memory.peak,
        "cases": found,
        "logits": logits.tolist(),
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
