"""Time ossnb in one process: `.venv/bin/python benchmarks/run_ossnb.py SETTINGS`, with SETTINGS as JSON.

With `cases` it times each of them as run_llama.py does for llama.cpp; with `long` it reads one long prompt,
and decodes early and late in it. Prints JSON; medians are left to the caller.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from ossnb import _core, load
from ossnb.checkpoint.config import Config
from ossnb.command.bench import PeakPrivateMemory, decode_tokens, matrix_operations, random_ids, read_tokens
from ossnb.command.doctor import describe_machine
from ossnb.engine.scheduler import PASS_ROWS
from ossnb.loader import PRECISIONS

SHAPE = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_local_experts", "vocab_size")


def limits(threads: int) -> dict[str, float]:
    return {
        "read_gb_s": _core.measure_read_gb_s(threads),
        "int8_gop_s": _core.measure_int8_gop_s(threads),
    }


def read(core: _core.Model, sequence: _core.Sequence, ids: np.ndarray) -> tuple[float, int]:
    """Read a prompt, or the next part of it: seconds, and the bytes that its last chunk took."""
    start = time.perf_counter()
    n_bytes = read_tokens(core, sequence, ids)
    return time.perf_counter() - start, n_bytes


def timed(core: _core.Model, ids: np.ndarray, case: dict[str, int]) -> dict[str, Any]:
    """One case: `prompt` tokens at once, then `new` one by one, from an empty context, `runs` times."""
    prompt, total = case["prompt"], case["prompt"] + case["new"]
    found: dict[str, Any] = {"prefill_s": [], "decode_s": []}
    for _ in range(case["runs"]):
        sequence = core.sequence()
        if prompt:
            seconds, found["prefill_bytes"] = read(core, sequence, ids[:prompt])
            found["prefill_s"].append(seconds)
        if case["new"]:
            seconds, found["bytes_per_token"] = decode_tokens(core, sequence, ids[prompt:total])
            found["decode_s"].append(seconds)
    return found


def run_cases(settings: dict[str, Any]) -> dict[str, Any]:
    cases, threads = settings["cases"], settings["threads"]
    total = max(case["prompt"] + case["new"] for case in cases)
    seen = [limits(threads)]  # beside the watched memory: it takes some for itself
    with PeakPrivateMemory() as memory:
        start = time.perf_counter()
        model = load(settings["folder"], precision=settings["precision"], threads=threads)
        load_s = time.perf_counter() - start
        core = model.engine.core
        ids = random_ids(model.config.vocab_size, total)
        read(core, core.sequence(), ids[:PASS_ROWS])  # touch the weights, grow the buffers: no part of it
        found = [timed(core, ids, case) for case in cases]
    seen.append(limits(threads))
    return {
        "load_s": load_s,
        "peak_private_bytes": memory.peak,
        "limits": {name: max(one[name] for one in seen) for name in seen[0]},
        "cases": found,
        "about": about(model.config, core),
    }


def about(config: Config, core: _core.Model) -> dict[str, Any]:
    """What was measured, and where."""
    return {
        "version": _core.__version__,
        "machine": describe_machine(),
        "model": {name: getattr(config, name) for name in SHAPE},
        "isa": core.isa,
        "operations_per_token": matrix_operations(config),
    }


def run_long(settings: dict[str, Any]) -> dict[str, Any]:
    """Read one prompt in `fast`, timing its first tokens as shorter prompts on the way, then decode in it.

    `exact` reads only as many tokens as it decodes after: keys and values belong to a model, and more of them
    would take it minutes.
    """
    prompts, depth, new = settings["prompts"], settings["depth"], settings["new"]
    folder, threads = settings["folder"], settings["threads"]
    models = {name: load(folder, precision=name, threads=threads) for name in PRECISIONS}
    cores = {name: model.engine.core for name, model in models.items()}
    fast = cores["fast"]
    ids = random_ids(fast.n_vocab, prompts[-1] + new)
    read(fast, fast.sequence(), ids[: prompts[0]])
    sequence, at, seconds = fast.sequence(), 0, 0.0
    prefill: dict[str, list[float]] = {}
    for prompt in prompts:
        seconds += read(fast, sequence, ids[at:prompt])[0]
        at = prompt
        prefill[str(prompt)] = [prompt / seconds]
        print(f"  the first {prompt} tokens: {prompt / seconds:.1f} tok/s", file=sys.stderr, flush=True)
    prefill[str(prompts[0])].append(prompts[0] / read(fast, fast.sequence(), ids[: prompts[0]])[0])
    sequences = {name: core.sequence() for name, core in cores.items()} | {"fast": sequence}
    for name, core in cores.items():
        if sequences[name].length < depth:
            read(core, sequences[name], ids[:depth])
    rates: dict[str, dict[str, list[float]]] = {name: {"0": [], str(depth): []} for name in cores}
    for _ in range(settings["runs"]):
        for name, core in cores.items():
            sequences[name].rewind(depth)
            for where, earlier in (("0", core.sequence()), (str(depth), sequences[name])):
                rates[name][where].append(new / decode_tokens(core, earlier, ids[depth : depth + new])[0])
    return {"prefill_tok_s": prefill, "decode_tok_s": rates, "about": about(models["fast"].config, fast)}


if __name__ == "__main__":
    chosen = json.loads(sys.argv[1])
    print(json.dumps((run_long if "prompts" in chosen else run_cases)(chosen)))
