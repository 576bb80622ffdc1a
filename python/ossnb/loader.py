"""Load a model from wherever it is."""

from __future__ import annotations

import dataclasses
import os
import warnings
from numbers import Integral
from typing import Any

from numpy.typing import NDArray

from . import _core
from .checkpoint import demo, hub
from .checkpoint import layout as checkpoint
from .checkpoint import packed as derived
from .checkpoint.config import Config
from .checkpoint.identity import identity
from .checkpoint.names import ALIASES, DEMO, is_demo, name_of
from .checkpoint.safetensors import MappedFile
from .devices.choice import Place, choose, fall_back, host_room
from .devices.names import AUTO, CPU, device_name, memory_limit
from .devices.plan import Plan
from .engine.shared import device_errors
from .errors import CheckpointError, DeviceError
from .generation.keywords import takes
from .harmony.tokenizer import VOCAB_SIZE, is_unknown, read_vocabulary
from .model import Model
from .system import machine
from .system.notices import tell
from .system.progress import size_text
from .system.text import safe_terminal, shown

MIN_CONTEXT = 512  # tokens; a machine without memory for as many gets an error at the first prompt
PRECISIONS = ("exact", "fast")
KV_FORMATS = ("float32", "bf16", "int8")


@takes()
def load(
    source: str | os.PathLike[str] | None = None,
    *,
    precision: str | None = "exact",
    kv: str | None = "float32",
    threads: int | None = None,
    context: int | None = None,
    kv_memory: int | str | None = None,
    cache: str | os.PathLike[str] | None = None,
    device: str | None = None,
    device_memory: int | str | None = None,
    revision: str | None = None,
) -> Model:
    """Load a model: "20b", "120b", a hub id, a folder, or "demo", the package's own small model.

    >>> model = ossnb.load("demo", threads=2)
    >>> print(model.generate("What is 2 + 2?", temperature=0))
    2 + 2 = 4.

    "gpt-oss-20b", "20B" and the address of a page of the hub are understood too; a folder of that name goes
    first. Without a source you get the model that OSSNB_MODEL names, else gpt-oss-20b if it was downloaded
    before, else the demo. The weights are mapped, not read into memory. `threads` None takes one thread a
    physical core; more than 4 for each of the machine's cores are refused. `context` None takes as many
    tokens as half of the free memory holds, and at most as many as the model was made for. `kv_memory` limits
    the keys and values that are kept for prompts that begin like earlier ones: bytes, a size such as "4 GB",
    or None for a quarter of the free memory. `cache` names a file for them. It is read, where it is there,
    and written back when the model is closed, when nobody has it any more, or when the process ends
    (`Model.save_cache`). `revision` pins a hub revision.
    `device` is "cpu", "cuda" for the first NVIDIA card, "cuda:1" for the second, or "auto". That takes a card
    where 4,096 tokens and a quarter of the experts fit (the CPU computes the others), else the CPU; a line
    says what does not fit. None takes OSSNB_DEVICE, else "auto". The answers are the same, bit for bit. On a
    card, the defaults of `context` and `kv_memory` come from its memory, and from a quarter of the host's
    free memory, where keys and values go that no sliding window reaches. `device_memory` limits what the
    model takes of the card: bytes, or a size such as "8 GB".
    `precision` "exact" keeps the weights as stored and activations at float32 grade. "fast" rounds
    activations to int8 per 32 and reads the attention's matrices as int8 (about a byte for each, 0.7 GB for
    20b). Packed copies of some matrices are made once for each precision, kept in the cache (OSSNB_CACHE,
    OSSNB_CACHE_LIMIT) and mapped from then on. docs/NUMERICS.md compares the two. `kv` says how keys and
    values are kept: as "float32", or rounded to "bf16" (half the memory) or "int8" (about a quarter), which
    changes answers a little. None stands for the default everywhere. Raises CheckpointError for files that
    are missing or wrong, MemoryError where the model or the context cannot fit, DeviceError where a card
    cannot be used, TypeError for what is no name, ValueError for other arguments that are wrong.
    """
    precision = "exact" if precision is None else precision
    device, limit = device_name(device), memory_limit(device_memory)
    kv = "float32" if kv is None else kv
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be 'exact' or 'fast', got {precision!r}")
    if kv not in KV_FORMATS:
        raise ValueError(f"kv must be 'float32', 'bf16' or 'int8', got {kv!r}")
    if threads is not None:
        threads = machine.check_threads(threads)
    where = locate(source, revision)
    opened = checkpoint.open_checkpoint(where.path, max_byte=_core.max_byte)
    check_context(opened.config, context)
    has_copies = derived.are_worth_it(opened, precision)
    plan = Plan(
        opened.config,
        precision,
        kv,
        is_mxfp4=opened.quantized,
        has_copies=has_copies,
        host_memory=host_room(),
    )
    place = choose(device, plan, context, limit)
    if notes := _notes(opened, place):
        warnings.warn(safe_terminal("\n".join(notes)), stacklevel=3)  # past `takes`
    if opened.config.vocab_size == VOCAB_SIZE:
        read_vocabulary()
    threads = threads or machine.physical_cores()
    packed = derived.prepare(opened, precision, threads, place.device)
    try:
        core = _engine(opened, packed, place, plan, threads, limit)
    except (DeviceError, MemoryError, ValueError) as error:
        if device != AUTO or place.device == CPU:
            raise
        place = fall_back(place, error)
        core = _engine(opened, packed, place, plan, threads, None)
    model = Model(
        core,
        opened.config,
        tensors=opened.tensors,
        files=[*opened.files, *packed],
        source=where.source,
        revision=where.revision,
        fingerprint=opened.fingerprint,
        weights=identity(opened.files),
        precision=precision,
        context=fitting_context(opened.config, core.kv_bytes_per_token, context, place.tokens),
        kv_memory=kv_memory,
        kv_room=place.room,
    )
    model.engine.check_files()
    if cache is not None:
        model.keep_in(cache)
    model.engine.warn_of_missing_threads(threads)
    return model


def _engine(
    opened: checkpoint.Checkpoint,
    packed: list[MappedFile],
    place: Place,
    plan: Plan,
    threads: int,
    limit: int | None,
) -> _core.Model:
    """Put the weights on a device. C++ raises MemoryError where others took a card's memory meanwhile."""
    tensors: dict[str, NDArray[Any]] = {}
    for file in packed:
        tensors |= file.tensors
    tensors |= opened.tensors  # last: no file of the cache takes the place of weights
    with device_errors(place.device):
        return _core.Model(
            dataclasses.asdict(opened.config),
            tensors,
            device=place.device,
            threads=threads,
            precision=plan.precision,
            kv_format=plan.kv,
            device_memory=0 if place.device == CPU else limit or 0,
            kv_memory=place.on_card or 0,
            host_layers=place.host_layers,
        )


def _notes(opened: checkpoint.Checkpoint, place: Place) -> list[str]:
    """List what a user of this model should know; a load gives it as one warning."""
    notes = list(opened.notes)
    if place.device == CPU and opened.n_bytes > machine.total_memory():
        notes.append(
            f"the weights, {size_text(opened.n_bytes)}, are larger than the memory, "
            f"{size_text(machine.total_memory())}: they are read from the disk again and again, "
            "which is slow"
        )
    unknown = {i: name for i, name in sorted(opened.added_tokens.items()) if is_unknown(i, name)}
    if unknown:
        named = ", ".join(f"'{shown(name, 40)}' ({i})" for i, name in list(unknown.items())[:5])
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        notes.append(
            f"{opened.path}: the tokenizer has tokens that gpt-oss's has not: {named}{more}. ossnb reads and "
            f"writes texts by gpt-oss's own, in which they are called <|reserved_{min(unknown)}|> and the "
            "like; give and take them as token ids"
        )
    if strange := [i for i in opened.config.eos_token_id if i >= opened.config.vocab_size]:
        notes.append(
            f"{opened.path}: the eos_token_id {strange[0]} is not among the {opened.config.vocab_size:,} "
            "tokens of the vocabulary, so it ends no text"
        )
    return notes


def locate(
    source: str | os.PathLike[str] | None, revision: str | None = None, *, to_load: bool = True
) -> hub.Resolved:
    """Find the folder of a model as `load` does: download it, or expand the embedded one, if need be.

    >>> locate("demo").source
    'demo'

    `to_load` False downloads a model that is larger than the memory too.
    """
    if source is None:
        source, notice = hub.default_source()
        if notice:
            tell(notice)
        if os.environ.get("OSSNB_MODEL") == source:
            return _named_by_the_variable(source, revision)
    name = name_of(source)
    if isinstance(source, os.PathLike) and (is_demo(name) or name in ALIASES) and not os.path.lexists(name):
        raise CheckpointError(
            f"'{name}': no such folder, and a path names a folder. For the model of this name write "
            f"load('{name}')"
        )
    if isinstance(source, os.PathLike) or not is_demo(name):
        return hub.resolve(source, revision, to_load=to_load)
    if revision is not None:
        raise ValueError(f"the embedded model has no revisions to choose from, got {revision!r}")
    path = demo.expand()
    return hub.Resolved(path, DEMO, path.name.removeprefix("demo-"))


def _named_by_the_variable(name: str, revision: str | None) -> hub.Resolved:
    try:
        return locate(name, revision)
    except (CheckpointError, ValueError) as error:
        kind = CheckpointError if isinstance(error, CheckpointError) else ValueError
        raise kind(f"OSSNB_MODEL names '{shown(name)}': {error}") from error


def check_context(config: Config, context: int | None) -> None:
    """Check the context that was asked for against the model."""
    limit = config.max_position_embeddings
    is_number = isinstance(context, Integral) and not isinstance(context, bool)
    if context is not None and not (is_number and 2 <= context <= limit):
        raise ValueError(
            f"context must be an integer in 2..{limit} (max_position_embeddings), got {context!r}"
        )


def fitting_context(
    config: Config, kv_bytes_per_token: int, context: int | None, on_card: int | None = None
) -> int:
    """Check the context that was asked for against the free memory; choose one for None.

    `on_card` is the tokens that a card has room for: what was asked for was checked against that before.
    """
    check_context(config, context)
    if on_card is not None:
        return on_card if context is None else int(context)
    limit, free = config.max_position_embeddings, machine.available_memory()
    if context is None:
        return min(limit, max(free // 2 // kv_bytes_per_token, MIN_CONTEXT))
    needed = int(context) * kv_bytes_per_token
    if needed > free:
        smaller = 1 << max((free // 2 // kv_bytes_per_token).bit_length() - 1, 1)
        raise MemoryError(
            f"KV cache for {context:,} tokens needs {size_text(needed)}, {size_text(free)} free; "
            f"try context={smaller}"
        )
    return int(context)
