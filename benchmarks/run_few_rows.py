"""Time steps of a few rows when asked: `python benchmarks/run_few_rows.py FOLDER THREADS PRECISION...`.

few_rows.py starts it, once for each build. A line of JSON asks: {"precision", "rows", "alone"}; alone means
rows of one sequence (a prompt, a draft), else each row is a sequence of its own (a batch). The answer is a
line of JSON as well. The model runs whole and with its first layer alone, so that the caller can tell layers
from head.
"""

import dataclasses
import json
import sys
import time
from typing import Any

import numpy as np

from ossnb import _core
from ossnb.checkpoint import packed as derived
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.command.bench import matrix_operations, random_ids
from ossnb.command.doctor import describe_machine

DEPTH = 16  # tokens before the step: attention costs next to nothing there
MOST_ROWS = 512


class Steps:
    """One model in one precision, and as many sequences as a step may have rows."""

    def __init__(self, core: _core.Model) -> None:
        self.core = core
        self.ids = random_ids(core.n_vocab, MOST_ROWS + DEPTH)
        self.sampler = _core.Sampler(n_vocab=core.n_vocab, temperature=0)
        self.start = core.sequence()
        core.step([(self.start, self.ids[:DEPTH], 0)], [])

    def feeds(self, rows: int, alone: bool) -> list[tuple[_core.Sequence, np.ndarray, int]]:
        ids = self.ids[DEPTH : DEPTH + rows]
        if alone:
            return [(self.start.fork(), ids, 1)]
        return [(self.start.fork(), ids[i : i + 1], 1) for i in range(rows)]

    def take(self, rows: int, alone: bool) -> tuple[float, float, int]:
        """One step that chooses a token after each sequence: its seconds, those of the processor (all
        threads), and the bytes that it read.
        """
        feeds = self.feeds(rows, alone)
        choosers = [_core.Chooser(self.sampler, 0) for _ in feeds]
        start, busy = time.perf_counter(), time.process_time()
        done = self.core.step(feeds, choosers)
        return time.perf_counter() - start, time.process_time() - busy, done.n_bytes

    def distinct_experts(self, rows: int) -> float:
        """Experts that a layer reads for so many rows, on average."""
        ids = self.ids[DEPTH : DEPTH + rows]
        chosen = self.core.trace(self.start.fork(), ids)["experts"]
        return float(np.mean([len(np.unique(layer)) for layer in chosen]))


def models(folder: str, threads: int, precision: str) -> list[Steps]:
    opened = open_checkpoint(folder, max_byte=_core.max_byte)
    tensors: dict[str, Any] = {}
    for file in derived.prepare(opened, precision, threads, "cpu"):
        tensors |= file.tensors
    tensors |= opened.tensors
    made = []
    for layers in (opened.config.num_hidden_layers, 1):
        types = opened.config.layer_types[:layers]
        config = dataclasses.replace(opened.config, num_hidden_layers=layers, layer_types=types)
        core = _core.Model(dataclasses.asdict(config), tensors, threads=threads, precision=precision)
        made.append(Steps(core))
    return made


def main() -> None:
    folder, threads, precisions = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    steps = {precision: models(folder, threads, precision) for precision in precisions}
    config = open_checkpoint(folder, max_byte=_core.max_byte).config
    about = {
        "machine": describe_machine(),
        "isa": steps[precisions[0]][0].core.isa,
        "layers": config.num_hidden_layers,
        "layer_operations": matrix_operations(config) / config.num_hidden_layers,
        "head_operations": 2 * config.vocab_size * config.hidden_size,
    }
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "limits" in asked:
            limits = {"read": _core.measure_read_gb_s(threads), "int8": _core.measure_int8_gop_s(threads)}
            print(json.dumps(limits), flush=True)
            continue
        whole, one = steps[asked["precision"]]
        taken = [model.take(asked["rows"], asked["alone"]) for model in (whole, one)]
        answer: dict[str, Any] = dict(zip(("seconds", "cpu", "bytes"), zip(*taken, strict=True), strict=True))
        if asked.get("experts"):
            answer["experts"] = whole.distinct_experts(asked["rows"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
