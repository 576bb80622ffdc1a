"""A llama-bench program, of ik_llama.cpp or of llama.cpp, beside ossnb: its rates by the size of a prompt."""

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any


class Tool:
    """`llama-bench` by path, on a GGUF of the weights that ossnb reads."""

    def __init__(self, program: Path, gguf: Path, threads: int) -> None:
        for path, what in ((program, "the llama-bench program"), (gguf, "the GGUF file")):
            if not path.is_file():
                raise SystemExit(f"error: {what} {path} is not there; give the path of a file")
        self.program, self.gguf, self.threads = program.resolve(), gguf.resolve(), threads

    def rates(self, prompts: list[int], new: int = 0, runs: int = 3) -> dict[str, list[float]]:
        """Tokens a second of each run, by "prefill N" for every prompt, and "decode" where `new` is not 0."""
        command = [self.program, "-m", self.gguf, "-t", self.threads, "-r", runs, "-o", "json"]
        command += ["-p", ",".join(map(str, prompts)) or "0", "-n", new]
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"error: {self.program} ended with status {done.returncode}; run it by hand")
        return parse(done.stdout)

    def lines(self, rates: dict[str, list[float]]) -> list[str]:
        """One line for each rate: name, median, spread."""
        return [
            f"{self.program.parent.name}/{self.program.name}  {name:12} {statistics.median(runs):.1f} tok/s "
            f"({min(runs):.1f} to {max(runs):.1f})"
            for name, runs in rates.items()
        ]


def parse(text: str) -> dict[str, list[float]]:
    """Read what `llama-bench -o json` prints: a list of tests, after any other lines."""
    start = text.find("[\n")
    try:
        tests: list[dict[str, Any]] = json.loads(text[max(start, 0) :])
        found = {}
        for test in tests:
            if test["n_prompt"] and test["n_gen"]:
                continue  # a mixed test (-pg) has no rate of its own kind
            name = f"prefill {test['n_prompt']}" if test["n_prompt"] else "decode"
            found[name] = [float(rate) for rate in test.get("samples_ts") or [test["avg_ts"]]]
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"error: expected the JSON of `llama-bench -o json`, got {text[:80]!r} ({error!r}); "
            "use a llama-bench that knows -o json"
        ) from None
    return found
