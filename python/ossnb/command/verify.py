"""Verify that a copy of a model computes as gpt-oss does, by its files, prompts and published answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..checkpoint import local
from ..checkpoint.config import Config
from ..checkpoint.damage import published_sha256, sha256
from ..errors import CheckpointError
from ..harmony.messages import Message
from ..harmony.prompt import render
from ..harmony.tokenizer import prompt_hash
from ..loader import KV_FORMATS, PRECISIONS, load
from ..model import Model
from ..saved.record import Facts
from ..system.progress import size_text, start_progress
from ..system.text import counted, shown
from .doctor import CONFIGS

# The published tokens come from a reference in bfloat16, where logits from 16 to 32 lie 1/8 apart: a token
# within four such steps of our best is a near-tie that rounding may have decided. A wrong model misses more.
LARGEST_GAP = 0.5

# What says nothing about the computation, and differs between a checkpoint's layouts and its fine-tunes.
_FREE = ("max_position_embeddings", "initial_context_length", "eos_token_id", "pad_token_id")
_KNOWN = {f"gpt-oss-{name}": config for name, config in CONFIGS.items()}


@dataclass(frozen=True)
class Golden:
    """A prompt (user text after the default system message) and the greedy answer of gpt-oss-20b.

    The project gracee3/gpt-oss-rs published these facts: OpenAI's PyTorch reference (openai/gpt-oss 5994767)
    on the hub's revision 6cee5e8. `sha256` is of the prompt's token ids, joined by commas.
    """

    name: str
    text: str
    n_tokens: int
    sha256: str
    greedy: tuple[int, ...]


class Check(NamedTuple):
    """One check: its subject, whether it passed (None: nothing to compare with), and what was seen."""

    name: str
    passed: bool | None
    detail: str


def segments(n: int) -> str:
    """Write the user text of a pattern golden.

    >>> segments(2)[:75]
    'Segment 00: alpha beta gamma delta epsilon zeta eta theta. Segment 01: alph'
    """
    words = "alpha beta gamma delta epsilon zeta eta theta."
    pattern = " ".join(f"Segment {i:02}: {words}" for i in range(n))
    return f"{pattern} Summarize the repeated pattern in one sentence."


_REPEATED = (200005, 35644, 200008, 976, 1825, 8967, 33749, 220)
_SUMMARY = (200005, 35644, 200008, 976, 1825, 5181, 261, 1562)
GOLDENS = (
    Golden(
        "greeting",
        "Reply with exactly one short greeting.",
        63,
        "ff9e5194630553a210511cf07197796dc07f8756b095b042580282261820cab3",
        (200005, 35644, 200008, 976, 1825, 5003, 25, 392),
    ),
    *(
        Golden(f"{n} segments", segments(n), n_tokens, sha256, greedy)
        for n, n_tokens, sha256, greedy in (
            (4, 122, "3048eed723a25bd16a4dbfef5c5beba3056e842464b247d0b5eb90b3ffe093fe", _REPEATED),
            (5, 136, "6c5f7a90ea1389ebef150b3616a1406087ec2b0b0cac68b423cfbaba0cf064c0", _REPEATED),
            (14, 262, "77b9852b3cd9de5f2ad9aed6a586d244b31f0da4f37b5a5aa65533e1c41f062e", _REPEATED),
            (20, 346, "3a6273d7af6e437aff7e0f75aeb3105112a52ca51beb269dbf11ca1eba43815a", _SUMMARY),
            (27, 444, "49af11243d0269009ce2eb6870d4317e39570084224566800824cc82489aa087", _SUMMARY),
        )
    ),
)


def verify(source: str | Path, threads: int | None = None, device: str | None = None) -> Iterator[Check]:
    """Check a model; yield one Check at a time, cheap ones first.

    >>> next(verify("demo")).passed
    True

    The checks are files and tensor shapes, then the tokens of six prompts, then the checksums of a model of
    the hub, for which all of its weights are read. For gpt-oss-20b the eight published tokens of each prompt
    follow: they are fed one after the other, and each must be the model's own choice or a near-tie
    (LARGEST_GAP). A missing or damaged checkpoint is a Check that did not pass, not an exception.
    """
    try:
        model = load(source, threads=threads, device=device)
    except CheckpointError as error:
        yield Check("files", False, str(error))
        return
    name = known_as(model.config)
    yield Check("files", True, "every tensor is there, with the type and shape that config.json asks for")
    yield Check(
        "config", True if name else None, f"that of {name}" if name else "not of a published model's size"
    )
    prompts = [render([Message("user", golden.text)]) for golden in GOLDENS]
    for golden, ids in zip(GOLDENS, prompts, strict=True):
        yield check_prompt(golden, ids)
    yield check_sums(file.path for file in model.engine.files)
    if name != "gpt-oss-20b":
        yield Check(
            "goldens", None, f"none are published for {name or 'this model'}: answers were not checked"
        )
        return
    for golden, ids in zip(GOLDENS, prompts, strict=True):
        yield check_golden(golden, golden_gaps(model, ids, golden.greedy))


def model_finder(
    given: str | None, threads: int | None = None, device: str | None = None
) -> Callable[[Facts], Model]:
    """Return what finds the model for an answer of a notebook: `given`, or the one that its record names.

    >>> model_finder("demo")({"model": "20b", "precision": "exact"}).source
    'demo'

    A notebook is of anybody. So a model that only the record names is loaded where it is on this machine, by
    its name, and is never downloaded. Nor is it taken from a folder that may have come with the notebook,
    though elsewhere folders go before names. A ValueError says so.
    """
    loaded: dict[tuple[str, str, str], Model] = {}

    def find(facts: Facts) -> Model:
        name, precision = str(facts["model"]), str(facts["precision"])
        kv = str(facts.get("kv"))
        key = (
            given or name,
            precision if precision in PRECISIONS else "exact",
            kv if kv in KV_FORMATS else "float32",
        )
        if key not in loaded:
            if given is None:
                _check_named_by_record(name)
            loaded[key] = load(key[0], precision=key[1], kv=key[2], threads=threads, device=device)
        return loaded[key]

    return find


def _check_named_by_record(name: str) -> None:
    kinds = {
        one.kind for one in local.models() if one.name == name and (one.is_complete or one.kind == "embedded")
    }
    if not kinds:
        raise ValueError(
            f"its model {shown(name)} is not among those of this machine; --with MODEL names one for it"
        )
    if "hub" in kinds and os.path.lexists(name):
        raise ValueError(
            f"its model {shown(name)} is a download, and a folder of that name stands here, which may be "
            "another model; --with MODEL names the one"
        )


def known_as(config: Config) -> str | None:
    """Name the published model that has these dimensions.

    >>> known_as(Config()), known_as(Config(num_local_experts=64))
    ('gpt-oss-20b', None)
    """
    for name, known in _KNOWN.items():
        if config == replace(known, **{field: getattr(config, field) for field in _FREE}):
            return name
    return None


def check_prompt(golden: Golden, ids: Sequence[int]) -> Check:
    """Compare a rendered prompt with the published count and hash of its tokens."""
    seen = prompt_hash(ids)
    passed = len(ids) == golden.n_tokens and seen == golden.sha256
    published = (
        "as published" if passed else f"published: {golden.n_tokens} tokens, sha256 {golden.sha256[:8]}"
    )
    return Check(f"prompt: {golden.name}", passed, f"{len(ids)} tokens, sha256 {seen[:8]}, {published}")


def check_sums(files: Iterable[Path]) -> Check:
    """Compare files of weights with the checksums that the hub publishes; the network is not asked.

    >>> check_sums([folder / "model.safetensors"]).detail
    'no checksums are published for a folder'

    The checksums are those that the hub's library keeps in its cache.
    """
    published = {file: of for file in sorted(files) if (of := published_sha256(file)) is not None}
    if not published:
        return Check("checksums", None, "no checksums are published for a folder")
    n_bytes, n_read = sum(file.stat().st_size for file in published), 0
    progress = start_progress(f"comparing {size_text(n_bytes)} with the hub's checksums", n_bytes)

    def count(more: int) -> None:
        nonlocal n_read
        n_read += more
        progress.update(n_read)

    try:
        wrong = [why for file, of in published.items() if (why := _difference(file, of, count))]
    finally:
        progress.close()
    good = f"{counted(len(published), 'file')} of weights, {size_text(n_bytes)}, as published"
    return Check("checksums", not wrong, "; ".join(wrong) or good)


def _difference(file: Path, published: str, count: Callable[[int], None]) -> str:
    """Say how a file differs from the one on the hub; "" where it does not."""
    try:
        seen = sha256(file, count)
    except OSError as error:
        return f"{file} cannot be read: {error.strerror or error}"
    if seen == published:
        return ""
    # Without the bytes, to which the name of the file is a link, the hub's library fetches them again.
    return (
        f"{file} has sha256 {seen[:8]}, published: {published[:8]}; remove {file.resolve()} and download the "
        "model again"
    )


def golden_gaps(model: Model, ids: Sequence[int], published: Sequence[int]) -> list[float]:
    """Return how far each published token's logit lies below the largest, given the published ones before."""
    fed = np.array([*ids, *published[:-1]], dtype=np.int32)
    logits = np.concatenate([*model.logit_blocks(fed, start=len(ids) - 1)])
    chosen = logits[np.arange(len(published)), published]
    return [float(gap) for gap in logits.max(axis=1) - chosen]


def check_golden(golden: Golden, gaps: Sequence[float]) -> Check:
    """Judge the gaps of one golden: 0 is the model's own choice, up to LARGEST_GAP a near-tie."""
    exact, worst = sum(gap == 0 for gap in gaps), max(gaps)
    passed = worst <= LARGEST_GAP
    detail = f"{exact} of {len(gaps)} tokens are the model's own choice"
    if exact < len(gaps):
        at = list(gaps).index(worst)
        verdict = "a near-tie" if passed else f"more than {LARGEST_GAP}"
        detail += f"; largest gap {worst:.3f} (token {at + 1}), {verdict}"
    return Check(f"golden: {golden.name}", passed, detail)
