"""The hub's own client against a small hub on this machine: what test_hub.py fakes, for real."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from ossnb.testing import write_random_checkpoint

COMMIT = "abcdef0123" * 4
REPO = "someone/tiny"


class Hub(BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks to list and fetch one repository."""

    folder = None
    commit = COMMIT
    served: list[str]
    asked_for_chunks: threading.Event | None = None  # set where the weights are stored in Xet

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/token":
            self.send_response(200)
            self.send_header("X-Xet-Cas-Url", f"http://{self.headers['Host']}/chunks")
            self.send_header("X-Xet-Access-Token", "token")
            self.send_header("X-Xet-Token-Expiration", str(int(time.time()) + 3600))
            self.end_headers()
        elif path.startswith("/chunks/"):
            self.asked_for_chunks.set()
            self.closed.wait()
        elif path.startswith(f"/api/models/{REPO}/tree/"):
            self._json([{"type": "file", "path": n, "size": s, "oid": oid} for n, s, oid in self._files()])
        elif path.startswith(f"/api/models/{REPO}"):
            siblings = [{"rfilename": n, "size": s, "blobId": oid} for n, s, oid in self._files()]
            self._json({"id": REPO, "sha": self.commit, "siblings": siblings})
        elif path.startswith(f"/{REPO}/resolve/"):
            self._file(path.split("/", 5)[5], with_body=True)
        else:
            self.send_error(404)

    def do_HEAD(self):
        self._file(urlsplit(self.path).path.split("/", 5)[5], with_body=False)

    def _files(self):
        extra = [("original/model.safetensors", 10**12, "0" * 40), ("README.md", 5, "1" * 40)]
        names = sorted(path.name for path in self.folder.iterdir())
        return [
            (n, (self.folder / n).stat().st_size, hashlib.sha1(n.encode()).hexdigest()) for n in names
        ] + extra

    def _json(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, name, with_body):
        body = (self.folder / name).read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", self.commit)
        is_large = name.endswith(".safetensors")  # the hub names those by the hash of their bytes
        etag = hashlib.sha256(body) if is_large else hashlib.sha1(name.encode())
        self.send_header("ETag", f'"{etag.hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        if self.asked_for_chunks is not None and is_large:
            self.send_header("X-Xet-Hash", hashlib.sha256(name.encode()).hexdigest())
            self.send_header("X-Xet-Refresh-Route", f"http://{self.headers['Host']}/token")
        self.end_headers()
        if with_body:
            type(self).served.append(name)
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    shape = {"vocab_size": 4000}
    folder = write_random_checkpoint(tmp_path / "r", shape, shards=3)
    handler = type("Handler", (Hub,), {"folder": folder, "served": [], "closed": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    handler.closed.set()
    server.shutdown()
    server.server_close()
    thread.join()


def environment(server, tmp_path, **variables):
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        **variables,
    }
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "OSSNB_MODEL"):
        if name not in variables:
            environment.pop(name, None)
    return environment


def run(server, tmp_path, code, **variables):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(server, tmp_path, **variables),
        capture_output=True,
        text=True,
        timeout=120,
    )


RESOLVE = f"""
import json
from ossnb.checkpoint import hub
from ossnb.system import progress
from ossnb.checkpoint.layout import open_checkpoint

class Shown:
    def __init__(self, text, total, figures):
        self.text, self.total, self.done = text, total, 0
    def update(self, done):
        self.done = done
    def close(self):
        print(json.dumps([self.text, self.total, self.done]))

progress.set_progress_factory(Shown)
found = hub.resolve("{REPO}")
print(json.dumps([found.source, found.revision, open_checkpoint(found.path).n_bytes]))
"""


def test_downloads_counts_and_opens(server, tmp_path):
    done = run(server, tmp_path, RESOLVE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # none of the hub's bars

    shown, found = map(json.loads, done.stdout.splitlines())
    served = server.RequestHandlerClass.served
    folder = server.RequestHandlerClass.folder
    assert sorted(served) == sorted(path.name for path in folder.iterdir())
    assert found[:2] == [REPO, COMMIT]
    text, total, counted = shown
    assert "to download" in text
    assert total == sum((folder / name).stat().st_size for name in served)
    assert 0.99 * total < counted <= total

    again = run(server, tmp_path, RESOLVE, HF_HUB_OFFLINE="1")
    assert json.loads(again.stdout) == found
    assert len(served) == len(set(served))  # nothing was fetched twice


def test_a_whole_file_beside_shards_is_complete_offline(server, tmp_path):
    """The hub's library remembers all files of the repository, and would miss the shards."""
    handler = server.RequestHandlerClass
    whole = write_random_checkpoint(tmp_path / "whole", {"vocab_size": 4000}, shards=1)
    (whole / "model.safetensors").rename(handler.folder / "model.safetensors")
    first = run(server, tmp_path, RESOLVE)
    assert first.returncode == 0, first.stderr
    assert not [name for name in handler.served if name.startswith("model-")]
    again = run(server, tmp_path, RESOLVE, HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]


def share_blobs(repository):
    """Move weights to where the hub's library has them after a download over Xet, behind two links."""
    moved = []
    for link in repository.glob("snapshots/*/*.safetensors"):
        blob = link.parent / os.readlink(link)
        name = hashlib.sha256(link.name.encode()).hexdigest()  # as _file says
        shared = repository.parent / "blobs" / name[:2] / name
        shared.parent.mkdir(parents=True, exist_ok=True)
        moved.append(blob.rename(shared))
        blob.symlink_to(f"../../blobs/{name[:2]}/{name}")
    (repository.parent / "blobs" / ".huggingface-shared-blobs").write_text("1\n")
    return sorted(moved)


@pytest.mark.parametrize("are_shared", [False, True])
def test_damaged_files_are_downloaded_again_and_no_others(server, tmp_path, are_shared):
    """As a power cut leaves them: cut short, or of the right size and all zeros."""
    first = run(server, tmp_path, RESOLVE)
    assert first.returncode == 0, first.stderr
    shared = share_blobs(tmp_path / "home" / "hub" / "models--someone--tiny") if are_shared else []
    snapshot = tmp_path / "home" / "hub" / "models--someone--tiny" / "snapshots" / COMMIT
    short, zeros, index = damaged = [
        snapshot / name
        for name in (
            "model-00000-of-00002.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
        )
    ]
    os.truncate(short, short.stat().st_size - 1)
    os.truncate(index, 10)
    n_bytes = zeros.stat().st_size
    os.truncate(zeros, 0)
    os.truncate(zeros, n_bytes)
    kept = [path for path in shared if path not in (short.resolve(), zeros.resolve())]

    offline = run(server, tmp_path, RESOLVE, HF_HUB_OFFLINE="1")
    assert f"({index}: is not valid JSON" in offline.stderr
    assert all(path.exists() for path in damaged), "what cannot be fetched is not removed"

    served = server.RequestHandlerClass.served
    served.clear()
    again = run(server, tmp_path, RESOLVE)
    assert again.returncode == 0, again.stderr
    assert sorted(served) == sorted(path.name for path in damaged)
    assert again.stderr.splitlines() == [f"{path} is damaged, and is downloaded again" for path in damaged]
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]
    assert [path for path in shared if path.exists()] == kept, "others would link what is damaged"


def test_what_a_new_commit_shares_with_a_damaged_download_is_downloaded_again(server, tmp_path):
    """The hub's library links the bytes that it has, and looks at none of them."""
    first = run(server, tmp_path, RESOLVE)
    assert first.returncode == 0, first.stderr
    handler = server.RequestHandlerClass
    handler.commit = "0123456789" * 4
    snapshots = tmp_path / "home" / "hub" / "models--someone--tiny" / "snapshots"
    names = ["config.json", "model-00001-of-00002.safetensors"]
    for name in names:
        os.truncate(snapshots / COMMIT / name, 100)
    handler.served.clear()
    again = run(server, tmp_path, RESOLVE)
    assert again.returncode == 0, again.stderr
    assert handler.served == names
    assert again.stderr.splitlines() == [
        f"{snapshots / handler.commit / name} is damaged, and is downloaded again" for name in names
    ]
    assert json.loads(again.stdout.splitlines()[-1])[1] == handler.commit


def test_a_repository_that_is_not_there(server, tmp_path):
    done = run(server, tmp_path, "from ossnb.checkpoint import hub; hub.resolve('no/such')")
    assert "CheckpointError: no/such" in done.stderr


def test_an_interrupt_ends_a_download_over_xet(server, tmp_path):
    """hf_xet counts in a thread of its own, and Python waits for its transfers before it exits."""
    pytest.importorskip("hf_xet")
    server.RequestHandlerClass.asked_for_chunks = asked = threading.Event()
    variables = environment(server, tmp_path, HF_HUB_DISABLE_XET="0")
    child = subprocess.Popen(
        [sys.executable, "-c", RESOLVE], env=variables, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert asked.wait(120), "the download over Xet did not begin"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert b"KeyboardInterrupt" in said


def test_no_server(server, tmp_path):
    done = run(server, tmp_path, RESOLVE, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_ETAG_TIMEOUT="1")
    assert "CheckpointError" in done.stderr
    assert "check the network" in done.stderr
