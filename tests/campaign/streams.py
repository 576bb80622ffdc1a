"""Random harmony streams: the parser raises nothing, and every word stands somewhere afterwards."""

from __future__ import annotations

import random
import time

from figures import Figures

from headers import TOKENIZER, lost_words, random_stream


def run(n: int, seed: int) -> Figures:
    """Parse `n` streams of up to 60 tokens."""
    rng = random.Random(f"{seed} streams")
    figures, n_tokens, began = Figures(n), 0, time.perf_counter()
    for trial in range(n):
        ids = random_stream(rng, 60)
        n_tokens += len(ids)
        try:
            lost = lost_words(ids)
        except Exception as error:
            figures.failures.append(f"stream {trial}, {ids}: {error!r}")
        else:
            if lost:
                figures.failures.append(f"stream {trial}, {TOKENIZER.decode(ids)!r}: lost {lost}")
    figures.values = {"tokens a second": round(n_tokens / (time.perf_counter() - began))}
    return figures
