"""A model's name → its folder: local, cached, or downloaded after a line that says the cost."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CheckpointError
from ..system import machine
from ..system.files import expand_user
from ..system.notices import tell
from ..system.progress import Progress, size_text, start_progress
from ..system.text import shown, shown_value
from .config import Config, check_family
from .damage import fault_of, is_damaged, remove
from .finding import INDEX, WHOLE
from .names import ALIASES, DEMO, did_you_mean, name_of, repository

# Only what is loaded: repositories hold the same weights again under original/ and metal/.
_SMALL = ["config.json", "generation_config.json", "tokenizer_config.json"]
_WANTED = [*_SMALL, INDEX, "*.safetensors"]
_WANTED_WHOLE = [*_SMALL, WHOLE]  # where a repository has the whole model in one file, and shards beside it
_UNWANTED = ["*/*"]
_DISK_RESERVE_BYTES = 1_000_000_000
_POLL_S = 0.1
_REVISION = re.compile(r"(?!/|.*\.\.)[!-~]{1,200}")


class Resolved(NamedTuple):
    """A model's folder, its name, and the commit that it comes from (None for a plain folder)."""

    path: Path
    source: str
    revision: str | None


def resolve(source: str | os.PathLike[str], revision: str | None = None, *, to_load: bool = True) -> Resolved:
    """Find a model's folder; download it from the Hugging Face hub if need be.

    >>> resolve("20b").path.name  # downloads 13.8 GB  # doctest: +SKIP
    '6cee5e81ee83917806bbde320786a8fb61efebee'

    `source` is an existing folder, "20b", "gpt-oss-120b" or the like, a hub id such as "openai/gpt-oss-20b",
    or the address of its page. `revision` is a branch, tag or commit of the hub. A model that is complete in
    the cache needs no network. Otherwise size, free disk and free memory are shown before the first gigabyte.
    Raises MemoryError if the model is larger than the memory, CheckpointError if the disk is too small or the
    hub answers with an error. After an interrupted download the next one keeps the files that are complete.
    `to_load` False does not ask whether the model fits the memory.
    """
    name, is_path = name_of(source), isinstance(source, os.PathLike)
    folder = expand_user(name or ".", "the model")
    if name and _is_there(folder) and (is_path or name not in ALIASES):
        if revision is not None:
            raise ValueError(
                f"revision is {revision!r}, expected None: {folder} is a folder, not a hub repository"
            )
        return Resolved(folder, name.rstrip("/") or name, None)
    if revision is not None and not (isinstance(revision, str) and _REVISION.fullmatch(revision)):
        raise ValueError(
            f"revision is {shown_value(revision)}, expected a branch, a tag or a commit of the hub: at most "
            "200 letters, without spaces"
        )
    found = None if is_path else repository(name)
    if found is None:
        raise CheckpointError(
            f"'{shown(name)}': no such folder, nor a hub id (owner/name), nor one of "
            f"{', '.join(ALIASES)}, {DEMO}{did_you_mean(name, [] if is_path else cached_repositories())}"
        )
    if revision is not None and found.revision not in (None, revision):
        raise ValueError(
            f"revision is {revision!r}, and the address names {shown_value(found.revision)}; give one of them"
        )
    repo, revision = found.id, revision if found.revision is None else found.revision
    path = cached(repo, revision) or _download(repo, revision, to_load)
    return Resolved(path, repo, path.name)


def _is_there(folder: Path) -> bool:
    """Whether there is such a folder. One that may not be looked into counts: opening it tells why."""
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def cached(source: str, revision: str | None = None) -> Path | None:
    """Return the folder of a model that is complete in the local cache, else None; never ask the network.

    >>> cached("120b") is None  # where it was not downloaded  # doctest: +SKIP
    True

    A model with a damaged file is not complete: `resolve` fetches that file again.
    """
    path = _snapshot_here(ALIASES.get(source, source), revision)
    return path if path is not None and is_complete(path) else None


def _snapshot_here(repo: str, revision: str | None) -> Path | None:
    """The folder of a repository in the local cache, None where the cache lacks a file that it lists."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                local_files_only=True,
                allow_patterns=_WANTED_WHOLE,  # not shards that may be listed beside it, and not needed
                ignore_patterns=_UNWANTED,
            )
        )
    except HFValidationError as error:
        raise _explained(error, repo, revision) from error
    except (LocalEntryNotFoundError, OSError):
        return None


def is_complete(folder: Path) -> bool:
    """Whether a folder has a config.json and all files of weights that it names, none of them damaged.

    >>> is_complete(folder), is_complete(folder / "none")
    (True, False)

    Damage is what the small files and the headers of the weights tell: a file that is cut short, above all.
    """
    return fault_of(folder) is None


def _kept(repo: str) -> str:
    """Say which revisions the cache has complete: one that lost its refs finds none by itself."""
    complete = [path.name for path in snapshots(repo) if is_complete(path)]
    if not complete:
        return ""
    return f". The cache has {' and '.join(complete)}: load it with revision={complete[0]!r}"


def snapshots(repo: str) -> list[Path]:
    """List the folders of a repository's revisions in the local cache, complete or not."""
    return sorted((cache_folder() / f"models--{repo.replace('/', '--')}" / "snapshots").glob("*"))


def cache_folder() -> Path:
    """Return the folder of the Hugging Face hub's cache; it may not exist yet."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached_repositories() -> list[str]:
    """List the repositories of models, of any kind, that the local cache knows.

    >>> cached_repositories()  # where gpt-oss-20b was downloaded  # doctest: +SKIP
    ['openai/gpt-oss-20b']
    """
    found = sorted(path.name.split("--", 2) for path in cache_folder().glob("models--*--*"))
    return ["/".join(parts[1:]) for parts in found]


def default_source() -> tuple[str, str | None]:
    """Choose the model for callers who name none, and a line for the user if it is the embedded one.

    >>> default_source()  # where it was downloaded  # doctest: +SKIP
    ('openai/gpt-oss-20b', None)

    It is OSSNB_MODEL if that is set, else gpt-oss-20b if it is complete in the local cache, else "demo".
    """
    if named := os.environ.get("OSSNB_MODEL"):
        return named, None
    if cached("20b"):
        return ALIASES["20b"], None
    return "demo", (
        "Using the small embedded demo model. For gpt-oss itself, 13.8 GB to download once: ossnb.load('20b')"
    )


# ---- downloading ------------------------------------------------------------------------------------------


class _File(NamedTuple):
    name: str
    n_bytes: int
    is_cached: bool


def _download(repo: str, revision: str | None, to_load: bool) -> Path:
    from huggingface_hub import constants

    here = _snapshot_here(repo, revision)
    fault = None if here is None else fault_of(here)
    if constants.HF_HUB_OFFLINE:
        at = f" at revision {revision}" if revision else ""
        why = f" ({fault})" if fault else ""
        raise CheckpointError(
            f"{repo}{at} is not complete in the cache {cache_folder()}{why}, and HF_HUB_OFFLINE forbids "
            f"downloads; unset it, or give a folder{_kept(repo)}"
        )
    try:
        files, config = _remote_files(repo, revision), _config(repo, revision)
        if is_damaged(config, 0):
            # Of a new commit the hub's library links the bytes that it has of an older one, and looks at none
            # of them. Now that they have a name in this commit, _remote_files does, and removes damaged ones.
            files, config = _remote_files(repo, revision), _config(repo, revision)
    except Exception as error:  # whatever HTTP client this version of the hub's library uses
        raise _explained(error, repo, revision, fault) from error
    Config.from_json(config)  # 2 kB tell whether the gigabytes are gpt-oss's
    path = _fetch_missing(repo, revision, files, to_load)
    if fault := fault_of(path):  # weights may have been linked, as config.json above
        try:
            files = _remote_files(repo, revision)
        except Exception as error:
            raise _explained(error, repo, revision, fault) from error
        if not all(file.is_cached for file in files):
            path = _fetch_missing(repo, revision, files, to_load)
            fault = fault_of(path)
    if fault:
        raise fault
    return path


def _config(repo: str, revision: str | None) -> Path:
    return _snapshot(repo, revision, ["config.json"], _bar_class(lambda n: None)) / "config.json"


def _fetch_missing(repo: str, revision: str | None, files: list[_File], to_load: bool) -> Path:
    """Download what the cache lacks of these files, after a line that says the cost."""
    total = sum(file.n_bytes for file in files)
    missing = sum(file.n_bytes for file in files if not file.is_cached)
    free = machine.free_disk(cache_folder())
    _check_disk(repo, missing, free)
    if to_load:
        _check_memory(repo, total)
    text = (
        f"{repo}: {size_text(missing)} to download ({size_text(total - missing)} cached), "
        f"{size_text(free)} free disk, {size_text(machine.available_memory())} free memory"
    )
    try:
        wanted = _WANTED_WHOLE if any(file.name == WHOLE for file in files) else _WANTED
        return _fetch(repo, revision, wanted, start_progress(text, missing))
    except Exception as error:
        raise _explained(error, repo, revision) from error


def _remote_files(repo: str, revision: str | None) -> list[_File]:
    """The files of the model, with their sizes, as the hub lists them now."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=30)
    told = getattr(info, "config", None)  # of config.json; for repositories that ask for a login, too
    if isinstance(told, dict) and "model_type" in told:
        try:
            check_family(told)
        except ValueError as error:
            raise CheckpointError(f"{repo}: {error}") from None
    names = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}
    patterns = _WANTED_WHOLE if WHOLE in names else _WANTED
    wanted = {
        name: size
        for name, size in names.items()
        if "/" not in name and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }
    if "config.json" not in wanted or not any(name.endswith(".safetensors") for name in wanted):
        hint = "; GGUF files are not read" if any(name.endswith(".gguf") for name in names) else ""
        raise CheckpointError(
            f"{repo}: has no config.json and *.safetensors files at its top: not a gpt-oss model{hint}"
        )
    return [
        _File(name, size, _is_cached(try_to_load_from_cache(repo, name, revision=info.sha), size))
        for name, size in wanted.items()
    ]


def _is_cached(found: object, n_bytes: int) -> bool:
    """Whether the cache has a file. One that is damaged is removed, so that the hub's library fetches it."""
    if not isinstance(found, str):
        return False
    path = Path(found)
    if not is_damaged(path, n_bytes):
        return True
    tell(f"{path} is damaged, and is downloaded again")
    remove(path, cache_folder())
    return False


def _check_disk(repo: str, missing: int, free: int) -> None:
    if missing + _DISK_RESERVE_BYTES > free:
        raise CheckpointError(
            f"{repo}: {size_text(missing)} to download, but {cache_folder()} has {size_text(free)} free; "
            "make room or set HF_HUB_CACHE to a folder on a larger disk"
        )


def _check_memory(repo: str, total: int) -> None:
    memory = machine.total_memory()
    if total > memory:
        raise MemoryError(
            f"{repo}: the weights have {size_text(total)}, this machine has {size_text(memory)} of memory, "
            "so every token would be read from disk. If you want that, run "
            f"`ossnb download {repo}` and load it again"
        )


def _fetch(repo: str, revision: str | None, wanted: list[str], progress: Progress) -> Path:
    """Download on another thread, and show the progress on this one.

    So displays need not be thread-safe. An interrupt returns at once: the hub's threads stop at their next
    piece of data, or where they begin a file.
    """
    counted, stop = [0], threading.Event()
    outcome: list[Path | BaseException] = []

    def count(n_bytes: int) -> None:
        if stop.is_set():
            raise _Stopped
        counted[0] = max(counted[0], n_bytes)

    def work() -> None:
        try:
            count(0)  # an interrupt may come before this thread begins
            outcome.append(_snapshot(repo, revision, wanted, _bar_class(count)))
        except BaseException as error:  # handed to the caller's thread below
            outcome.append(error)

    worker = threading.Thread(target=work, name="ossnb-download", daemon=True)
    try:
        worker.start()
        while worker.is_alive():
            worker.join(_POLL_S)
            progress.update(counted[0])
        progress.update(counted[0])  # what came between the last look and the end
    finally:
        stop.set()  # before what follows: a thread that comes late begins nothing anew
        if not outcome:  # is_alive() may say False of a thread whose join was interrupted (bpo-45274)
            _stop_xet()
        progress.close()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


class _Stopped(Exception):
    """Ends the hub's download threads after an interrupt."""


def _stop_xet() -> None:
    """End the transfers of hf_xet. It counts in a thread of its own, where _Stopped ends nothing, and Python
    would wait for the transfers before it exits."""
    try:
        from huggingface_hub.utils._xet import abort_xet_session
    except (ImportError, AttributeError):  # a version of the hub's library that cannot
        return
    abort_xet_session()  # type: ignore[no-untyped-call, unused-ignore]


def _snapshot(repo: str, revision: str | None, patterns: list[str], bar_class: type[Any]) -> Path:
    from huggingface_hub import snapshot_download

    with _without_hub_bars():
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                allow_patterns=patterns,
                ignore_patterns=_UNWANTED,
                tqdm_class=bar_class,
            )
        )


@contextlib.contextmanager
def _without_hub_bars() -> Iterator[None]:
    """Keep the hub's own bars off: in notebooks they are widgets, and widgets break saved notebooks."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _bar_class(count: Callable[[int], None]) -> type[Any]:
    """A tqdm class that shows nothing and reports bytes: snapshot_download takes it instead of a callback."""
    from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

    class Bar(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
        monitor_interval = 0  # no monitor thread

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(
                *args, **(kwargs | {"file": io.StringIO(), "disable": False, "mininterval": 0.05})
            )

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            if self.unit == "B":
                count(int(self.n))
            return shown

        def refresh(self, *args: Any, **kwargs: Any) -> Any:
            count(0)  # hears of an interrupt: the thread that begins a file comes by here, too
            return super().refresh(*args, **kwargs)

        def display(self, *args: Any, **kwargs: Any) -> None:
            pass

    return Bar


def _explained(
    error: Exception, repo: str, revision: str | None, fault: CheckpointError | None = None
) -> OSError:
    """Say what a failed talk with the hub means, what to do, and why what the cache has was not enough."""
    from huggingface_hub import errors

    if isinstance(error, CheckpointError):
        return error
    resume = "; load it again to go on from the files that are complete"
    if isinstance(error, errors.GatedRepoError):
        what = f"is gated: accept its terms at https://huggingface.co/{repo}, then run `hf auth login`"
    elif isinstance(error, errors.RevisionNotFoundError):
        what = f"has no revision {revision!r} on the hub"
    elif isinstance(error, errors.RepositoryNotFoundError):
        near = did_you_mean(repo, cached_repositories())
        what = f"is not on the hub, or is private: check the name, or run `hf auth login`{near}"
    elif isinstance(error, errors.HFValidationError):
        what = f"is not a hub id: {error}"
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        what = f"does not fit: the disk of {cache_folder()} is full{resume}"
    elif isinstance(error, PermissionError):
        what = f"cannot be stored: {error}; set HF_HUB_CACHE to a folder you may write to"
    else:
        why = f"{type(error).__name__}: {shown(str(error), 500)}"
        what = f"cannot be downloaded ({why}); check the network{resume}{_kept(repo)}"
    here = f". The copy in the cache cannot be loaded: {fault}" if fault else ""
    return CheckpointError(f"{repo} {what}{here}")
