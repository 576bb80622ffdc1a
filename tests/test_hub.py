"""Names → folders, with a hub that lives in this process: no test here touches the network."""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import huggingface_hub
import pytest
from huggingface_hub import constants, errors
from huggingface_hub.utils import _xet

from fakes import wait_until
from ossnb import CheckpointError
from ossnb.checkpoint import hub
from ossnb.system import machine, progress
from ossnb.testing import write_random_checkpoint
from starting import MOMENTS, interrupt_the_start

COMMIT = "1234567890" * 4
REPO = "openai/gpt-oss-20b"
SMALLEST = b"\x02" + bytes(7) + b"{}"  # a safetensors file without tensors


class FakeHub:
    """One repository, fetched into a cache of the real layout by stand-ins for the hub's functions."""

    def __init__(self, cache: Path, remote: Path) -> None:
        self.cache, self.remote = cache, remote
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.error_while_fetching: Exception | None = None
        self.sizes: dict[str, int] = {}
        self.endless = False
        self.told_config: dict[str, object] | None = None  # what the hub tells of config.json to everybody
        self.extra_files = ["original/model.safetensors", "metal/model.bin", "README.md", "tokenizer.json"]
        self._local_snapshot = huggingface_hub.snapshot_download

    @property
    def snapshot(self) -> Path:
        return self.cache / f"models--{REPO.replace('/', '--')}" / "snapshots" / COMMIT

    def model_info(self, _api, repo, *, revision=None, files_metadata, timeout):
        self.calls.append("model_info")
        if self.error:
            raise self.error
        assert files_metadata
        names = [path.name for path in self.remote.iterdir()] + self.extra_files
        siblings = [SimpleNamespace(rfilename=name, size=self._size(name)) for name in names]
        return SimpleNamespace(sha=COMMIT, siblings=siblings, config=self.told_config)

    def _size(self, name: str) -> int:
        path = self.remote / name
        return self.sizes.get(name, path.stat().st_size if path.exists() else 10**15)

    def snapshot_download(self, repo, *, local_files_only=False, tqdm_class=None, **options):
        if local_files_only:
            return self._local_snapshot(repo, local_files_only=True, **options)
        self.calls.append(f"fetch {options['allow_patterns'][-1]}")
        if self.error:
            raise self.error
        fetched = [
            name
            for name in huggingface_hub.utils.filter_repo_objects(
                [path.name for path in self.remote.iterdir()] + self.extra_files,
                allow_patterns=options["allow_patterns"],
                ignore_patterns=options["ignore_patterns"],
            )
            if not (self.snapshot / name).exists()
        ]
        self.snapshot.mkdir(parents=True, exist_ok=True)
        refs = self.snapshot.parents[1] / "refs"
        refs.mkdir(exist_ok=True)
        (refs / (options["revision"] or "main")).write_text(COMMIT)
        with tqdm_class(total=0, unit="B", unit_scale=True, desc="bytes") as bar:
            while self.endless and len(options["allow_patterns"]) > 1:
                time.sleep(0.005)
                bar.update(1)
            for name in sorted(fetched):
                shutil.copyfile(self.remote / name, self.snapshot / name)
                bar.update(self._size(name))
                if self.error_while_fetching and len(options["allow_patterns"]) > 1:
                    raise self.error_while_fetching
        return str(self.snapshot)


class RecordedProgress:
    shown: ClassVar[list["RecordedProgress"]] = []

    def __init__(self, text: str, total: int, figures: Callable[[int], str]) -> None:
        self.text, self.total, self.done, self.closed = text, total, [], False
        self.threads: set[int] = set()
        RecordedProgress.shown.append(self)

    def update(self, done: int) -> None:
        self.done.append(done)
        self.threads.add(threading.get_ident())

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake(tmp_path, monkeypatch):
    remote = write_random_checkpoint(tmp_path / "remote", "tiny", shards=3)
    fake = FakeHub(tmp_path / "cache", remote)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(fake.cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: fake.model_info(*a, **k))
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda repo, name, revision: str(path) if (path := fake.snapshot / name).exists() else None,
    )
    monkeypatch.delenv("OSSNB_MODEL", raising=False)
    monkeypatch.setattr(RecordedProgress, "shown", [])
    progress.set_progress_factory(RecordedProgress)
    yield fake
    progress.set_progress_factory(progress.TerminalProgress)


def http_error(kind):
    return kind("the hub's own words", response=SimpleNamespace(headers={}, request=None, status_code=404))


@pytest.mark.parametrize(
    "name", ["20b", REPO, "gpt-oss-20b", "20B", f"https://huggingface.co/{REPO}/tree/main", f"{REPO}/"]
)
def test_downloads_once_and_only_what_is_needed(fake, name):
    path, source, revision = hub.resolve(name)

    assert (source, revision, path) == (REPO, COMMIT, fake.snapshot)
    assert {file.name for file in path.iterdir()} == {file.name for file in fake.remote.iterdir()}

    fake.calls.clear()
    assert hub.resolve(name) == (path, source, revision)
    assert fake.calls == []  # complete in the cache: the hub is not asked


def test_the_whole_file_goes_before_shards(fake):
    """A repository with both: only what is loaded is downloaded, counted, and asked for."""
    shards = [path.name for path in fake.remote.glob("model-*.safetensors")]
    (fake.remote / "model.safetensors").write_bytes(SMALLEST)
    path, _, _ = hub.resolve("20b")
    there = {file.name for file in path.iterdir()}
    assert "model.safetensors" in there
    assert not there & {*shards, "model.safetensors.index.json"}
    assert RecordedProgress.shown[0].total < 10_000
    fake.calls.clear()
    assert hub.resolve("20b").path == path
    assert fake.calls == []


def test_a_stale_index_does_not_make_a_whole_model_incomplete(fake):
    (fake.remote / "model.safetensors").write_bytes(SMALLEST)
    path, _, _ = hub.resolve("20b")
    (path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "gone.safetensors"}}')
    assert hub.cached("20b") == path


def test_a_file_that_was_published_unreadable_is_downloaded_once(fake):
    header = b'{"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}'
    (fake.remote / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"x")
    kept = fake.snapshot / "model.safetensors"
    with pytest.raises(CheckpointError, match="a has the unknown dtype 'F4'"):
        hub.resolve("20b")
    before = kept.stat()
    with pytest.raises(CheckpointError, match="a has the unknown dtype 'F4'"):
        hub.resolve("20b")
    fake.error = ConnectionError("no route to host")
    with pytest.raises(CheckpointError, match=r"no route to host.*a has the unknown dtype 'F4'"):
        hub.resolve("20b")
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("error", [ConnectionError("no route to host"), errors.GatedRepoError])
def test_a_damaged_file_is_named_where_the_hub_does_not_give_it(fake, error):
    shard = hub.resolve("20b").path / "model-00001-of-00002.safetensors"
    os.truncate(shard, shard.stat().st_size - 1)
    fake.error = error if isinstance(error, Exception) else http_error(error)
    with pytest.raises(CheckpointError, match=r"check the network|is gated") as raised:
        hub.resolve("20b")
    assert f"The copy in the cache cannot be loaded: {shard}: " in str(raised.value)
    assert shard.exists(), "what cannot be fetched is not removed"


def test_what_a_link_leads_to_outside_of_the_cache_is_not_removed(fake, tmp_path):
    shard = hub.resolve("20b").path / "model-00001-of-00002.safetensors"
    own = shard.rename(tmp_path / "own")
    shard.symlink_to(own)
    os.truncate(own, 1000)
    assert hub.resolve("20b").path == shard.parent
    assert not shard.is_symlink()
    assert own.stat().st_size == 1000


def test_a_damaged_index_does_not_stop_who_names_no_model(fake):
    path = hub.resolve("20b").path
    (path / "model.safetensors.index.json").write_text("{")
    assert hub.cached("20b") is None
    assert hub.default_source()[0] == "demo"


@pytest.mark.parametrize("offline", [True, False])
def test_a_cache_that_lost_its_refs_says_which_revision_would_work(fake, monkeypatch, offline):
    hub.resolve("20b")
    shutil.rmtree(fake.snapshot.parents[1] / "refs")
    assert hub.cached("20b") is None
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    fake.error = OSError("no route to host \x1b[2J")
    with pytest.raises(CheckpointError, match=f"load it with revision='{COMMIT}'") as raised:
        hub.resolve("20b")
    assert "\x1b" not in str(raised.value)
    assert hub.resolve("20b", COMMIT).path == fake.snapshot


@pytest.mark.parametrize("revision", ["x" * 300, "../../main", "/etc", "a\x1b[2J", "a b", "", 7])
def test_a_revision_that_is_none(fake, revision):
    with pytest.raises(ValueError, match=r"revision is .*, expected a branch, a tag or a commit") as raised:
        hub.resolve("20b", revision)
    assert str(raised.value).isprintable()
    assert fake.calls == []


def test_says_size_disk_and_memory_first(fake):
    hub.resolve("20b")

    (shown,) = RecordedProgress.shown
    n_bytes = sum(file.stat().st_size for file in fake.remote.iterdir())
    n_config = (fake.remote / "config.json").stat().st_size
    for word in (REPO, "to download", "cached)", "free disk", "free memory"):
        assert word in shown.text
    assert shown.total in (n_bytes, n_bytes - n_config)
    assert shown.done[-1] > 0.9 * shown.total
    assert shown.done == sorted(shown.done)
    assert shown.closed
    assert shown.threads == {threading.get_ident()}


def test_a_second_attempt_keeps_the_complete_files(fake):
    fake.error_while_fetching = ConnectionError("reset by peer")
    with pytest.raises(CheckpointError, match=r"reset by peer.*network.*load it again"):
        hub.resolve("20b")
    kept = {file.name for file in fake.snapshot.iterdir()}
    assert hub.cached("20b") is None

    fake.error_while_fetching = None
    path = hub.resolve("20b").path

    assert kept < {file.name for file in path.iterdir()}
    assert "(0 B cached)" not in RecordedProgress.shown[-1].text


def test_a_missing_shard_is_not_complete(fake):
    path = hub.resolve("20b").path
    (path / "model-00001-of-00002.safetensors").unlink()

    assert hub.cached("20b") is None
    assert hub.resolve("20b").path == path
    assert hub.cached("20b") == path


def test_revision_is_pinned(fake):
    assert hub.resolve("20b", revision="v1").revision == COMMIT
    assert hub.cached("20b", revision="v1") == fake.snapshot
    assert hub.cached("20b", revision=COMMIT) == fake.snapshot
    assert hub.cached("20b") is None


def test_offline_uses_the_cache_and_else_says_so(fake, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE"):
        hub.resolve("20b")
    assert fake.calls == []

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = hub.resolve("20b").path
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.resolve("20b").path == path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (errors.GatedRepoError, "accept its terms"),
        (errors.RepositoryNotFoundError, "check the name"),
        (errors.RevisionNotFoundError, "no revision 'v9'"),
        (errors.HfHubHTTPError, "check the network"),
    ],
)
def test_hub_answers_become_plain_words(fake, kind, words):
    fake.error = http_error(kind)
    with pytest.raises(CheckpointError, match=words) as raised:
        hub.resolve("20b", revision="v9")
    assert REPO in str(raised.value)


def test_network_down(fake):
    fake.error = ConnectionError("name or service not known")
    with pytest.raises(CheckpointError, match=r"not known.*check the network"):
        hub.resolve("20b")


def test_disk_that_fills_up_while_downloading(fake):
    fake.error_while_fetching = OSError(28, "No space left on device")
    with pytest.raises(CheckpointError, match="is full"):
        hub.resolve("20b")


def test_refuses_what_the_disk_cannot_hold_before_fetching(fake, monkeypatch):
    monkeypatch.setattr(machine, "free_disk", lambda path: 10**9)
    with pytest.raises(CheckpointError, match=r"to download, but .* 1.0 GB free.*HF_HUB_CACHE"):
        hub.resolve("20b")
    assert fake.calls == ["model_info", "fetch config.json"]


def test_refuses_what_the_memory_cannot_hold_before_fetching(fake, monkeypatch):
    monkeypatch.setattr(machine, "total_memory", lambda: 100_000)
    with pytest.raises(MemoryError, match=r"100.* kB of memory.*ossnb download"):
        hub.resolve("20b")
    assert fake.calls == ["model_info", "fetch config.json"]


def test_a_download_alone_needs_no_memory(fake, monkeypatch):
    monkeypatch.setattr(machine, "total_memory", lambda: 100_000)
    assert hub.resolve("20b", to_load=False).path == fake.snapshot


def test_refuses_another_model_before_fetching_its_weights(fake):
    config = fake.remote / "config.json"
    config.write_text(config.read_text().replace('"gpt_oss"', '"llama"'))
    with pytest.raises(CheckpointError, match="model_type is 'llama'"):
        hub.resolve("20b")
    assert fake.calls == ["model_info", "fetch config.json"]


def test_another_model_is_told_by_what_the_hub_says_of_its_config(fake):
    """So nobody asks for access to a model that cannot be loaded."""
    fake.told_config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    fake.error_while_fetching = http_error(errors.GatedRepoError)
    with pytest.raises(CheckpointError, match=f"{REPO}: model_type is 'llama', expected 'gpt_oss'"):
        hub.resolve("20b")
    assert fake.calls == ["model_info"]


def test_a_folder_goes_before_other_spellings_of_a_name(fake, monkeypatch):
    monkeypatch.chdir(fake.remote.parent)
    fake.remote.rename("gpt-oss-20b")
    assert hub.resolve("gpt-oss-20b") == (Path("gpt-oss-20b"), "gpt-oss-20b", None)
    assert hub.resolve("./gpt-oss-20b/").source == "./gpt-oss-20b"
    assert fake.calls == []


def test_an_address_and_a_revision_must_agree(fake):
    address = f"https://huggingface.co/{REPO}/tree/v1"
    assert hub.resolve(address).revision == hub.resolve(address, "v1").revision == COMMIT
    assert hub.cached("20b", revision="v1") == fake.snapshot
    with pytest.raises(ValueError, match="revision is 'v2', and the address names 'v1'"):
        hub.resolve(address, "v2")


def test_names_near_to_what_is_in_the_cache(fake):
    (fake.cache / "models--someone--my-tuned-model").mkdir(parents=True)
    (fake.cache / "models--gpt2").mkdir()
    assert hub.cached_repositories() == ["someone/my-tuned-model"]
    with pytest.raises(CheckpointError, match=r"did you mean someone/my-tuned-model\?"):
        hub.resolve("my-tuned-model")
    fake.error = http_error(errors.RepositoryNotFoundError)
    with pytest.raises(CheckpointError, match=r"not on the hub.*did you mean someone/my-tuned-model\?"):
        hub.resolve("someone/my-tuned-mode")
    with pytest.raises(CheckpointError, match=r"not on the hub.*did you mean openai/gpt-oss-20b\?"):
        hub.resolve("opnai/gpt-oss-20b")


def test_refuses_a_repository_without_safetensors(fake):
    for file in fake.remote.glob("*.safetensors"):
        file.unlink()
    fake.extra_files = ["gpt-oss-20b.gguf"]
    with pytest.raises(CheckpointError, match="GGUF files are not read"):
        hub.resolve("20b")


def test_an_interrupt_stops_the_download_at_once(fake):
    fake.endless = True

    class Interrupting(RecordedProgress):
        def update(self, done: int) -> None:
            super().update(done)
            raise KeyboardInterrupt

    progress.set_progress_factory(Interrupting)
    with pytest.raises(KeyboardInterrupt):
        hub.resolve("20b")

    assert RecordedProgress.shown[0].closed
    assert ends_soon("ossnb-download"), "the download went on in the background"


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_while_the_download_starts_stops_it(fake, monkeypatch, moment):
    fake.endless = True

    def fetches():
        wait_until(lambda: "fetch *.safetensors" in fake.calls)

    wait_for_the_late = interrupt_the_start(monkeypatch, "ossnb-download", moment, once_begun=fetches)
    with pytest.raises(KeyboardInterrupt):
        hub.resolve("20b")
    wait_for_the_late()
    assert RecordedProgress.shown[0].closed
    assert ends_soon("ossnb-download"), "the download went on in the background"
    assert ("fetch *.safetensors" in fake.calls) == (moment == "after")


class InterruptedAtOnce(RecordedProgress):
    def update(self, done: int) -> None:
        raise KeyboardInterrupt


def ends_soon(name: str) -> bool:
    deadline = time.perf_counter() + 20
    while any(thread.name == name for thread in threading.enumerate()):
        if time.perf_counter() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_an_interrupt_stops_a_transfer_that_counts_in_a_thread_of_its_own(fake, monkeypatch):
    """As hf_xet does: what the bar raises ends nothing there, and only its session can be aborted."""
    aborted, inner = threading.Event(), fake.snapshot_download

    def over_xet(repo, *, tqdm_class=None, **options):
        if options.get("local_files_only") or len(options["allow_patterns"]) == 1:
            return inner(repo, tqdm_class=tqdm_class, **options)
        bar = tqdm_class(total=0, unit="B", unit_scale=True, desc="bytes")

        def count():
            while not aborted.wait(0.005):
                with contextlib.suppress(Exception):
                    bar.update(1)

        threading.Thread(target=count, daemon=True).start()
        aborted.wait()
        raise RuntimeError("operation cancelled")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", over_xet)
    monkeypatch.setattr(_xet, "abort_xet_session", aborted.set)
    progress.set_progress_factory(InterruptedAtOnce)
    try:
        with pytest.raises(KeyboardInterrupt):
            hub.resolve("20b")
        assert ends_soon("ossnb-download")
    finally:
        aborted.set()


def test_after_an_interrupt_no_file_is_begun(fake, monkeypatch):
    """A thread of the hub that comes to its file only then ends there, before it opens a new session."""
    interrupted, begun, inner = threading.Event(), [], fake.snapshot_download

    def late(repo, *, tqdm_class=None, **options):
        if options.get("local_files_only") or len(options["allow_patterns"]) == 1:
            return inner(repo, tqdm_class=tqdm_class, **options)
        bar = tqdm_class(total=0, unit="B", unit_scale=True, desc="bytes")
        interrupted.wait()
        bar.refresh()  # as the hub does when it has asked for a file's size
        begun.append(repo)

    class Interrupting(InterruptedAtOnce):
        def close(self) -> None:
            interrupted.set()

    monkeypatch.setattr(huggingface_hub, "snapshot_download", late)
    progress.set_progress_factory(Interrupting)
    with pytest.raises(KeyboardInterrupt):
        hub.resolve("20b")
    assert ends_soon("ossnb-download")
    assert begun == []


def test_a_folder_is_itself(fake, monkeypatch):
    assert hub.resolve(fake.remote) == (fake.remote, str(fake.remote), None)
    monkeypatch.chdir(fake.remote.parent)
    assert hub.resolve("remote").path == Path("remote")
    with pytest.raises(ValueError, match="not a hub repository"):
        hub.resolve("remote", revision="main")
    assert fake.calls == []


@pytest.mark.parametrize("name", ["gpt-oss", "/no/such/folder", "./openai", "a/b/c", ""])
def test_names_that_are_nothing(fake, name):
    with pytest.raises(CheckpointError, match="no such folder, nor a hub id"):
        hub.resolve(name)
    assert fake.calls == []


@pytest.mark.parametrize("name", ["owner/foo--bar", "owner/foo.git", "owner/-x"])
def test_a_name_the_hub_would_not_take_is_told_before_asking_it(name):
    with pytest.raises(CheckpointError, match=f"{name} is not a hub id: "):
        hub.resolve(name)


def test_a_path_object_is_never_a_hub_id(fake):
    with pytest.raises(CheckpointError, match="no such folder"):
        hub.resolve(Path("openai/gpt-oss-20b"))
    assert fake.calls == []


def test_default_model(fake, monkeypatch):
    source, notice = hub.default_source()
    assert source == "demo"
    assert "ossnb.load('20b')" in notice
    assert "\n" not in notice
    assert fake.calls == []

    hub.resolve("20b")
    assert hub.default_source() == (REPO, None)

    monkeypatch.setenv("OSSNB_MODEL", "somewhere/else")
    assert hub.default_source() == ("somewhere/else", None)


def test_hub_bars_are_off_while_fetching_and_back_after(fake):
    seen = []
    inner = fake.snapshot_download

    def spy(repo, **options):
        if not options.get("local_files_only"):
            seen.append(huggingface_hub.utils.are_progress_bars_disabled())
        return inner(repo, **options)

    huggingface_hub.snapshot_download = spy
    hub.resolve("20b")

    assert seen == [True, True]
    assert not huggingface_hub.utils.are_progress_bars_disabled()


def test_terminal_progress_without_a_terminal_is_one_line(capsys):
    shown = progress.TerminalProgress("openai/gpt-oss-20b: 13.8 GB to download", 100, progress.of_bytes(100))
    for done in (10, 50, 100):
        shown.update(done)
    shown.close()

    assert capsys.readouterr().err == "openai/gpt-oss-20b: 13.8 GB to download\n"


def test_terminal_progress_draws_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = progress.TerminalProgress("text", 13_800_000_000, progress.of_bytes(13_800_000_000))
    shown.update(6_900_000_000)
    shown.update(6_900_000_000)
    shown.close()

    _, bar, end = capsys.readouterr().err.split("\n")
    assert bar.count("\r") == 1
    assert "6.9 GB of 13.8 GB, 50%" in bar
    assert end == ""


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (612_400_000, "612 MB"), (13_761_264_768, "13.8 GB"), (210e9, "210 GB")],
)
def test_sizes(n_bytes, text):
    assert progress.size_text(int(n_bytes)) == text


def test_import_needs_no_hub():
    import subprocess

    code = "import ossnb.checkpoint.hub, sys; sys.exit('huggingface_hub' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
