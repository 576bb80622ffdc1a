"""Kills in the middle of writing: afterwards the old file or the new one is whole, and no leftover stays.

As a program it is the writer: `kills.py KIND FOLDER` writes again and again until it is killed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import Figures

START_S = 60
SHAPE = {"hidden_size": 512, "intermediate_size": 32, "num_hidden_layers": 1, "vocab_size": 100_000}
IDS = [5, 17, 99_999, 3, 3, 250]
CONTENTS = ["a" * 3_000_000, "b" * 2_000_000]


def run(n: int, seed: int) -> Figures:
    """Kill `n` writers, each of one of the three kinds."""
    rng = random.Random(f"{seed} kills")
    figures, n_cut = Figures(n), 0
    quiet = contextlib.redirect_stderr(io.StringIO())  # packing says what it does
    with tempfile.TemporaryDirectory() as root, environment(root), quiet:
        for trial in range(n):
            kind = [*KINDS][trial % len(KINDS)]
            folder = Path(root) / kind
            folder.mkdir(exist_ok=True)
            kill_writer(kind, folder, rng.uniform(0, 0.3))
            n_cut += bool(leftovers(folder))
            try:
                KINDS[kind][1](folder)
                assert not leftovers(folder), f"these are left: {leftovers(folder)}"
            except Exception as error:
                figures.failures.append(f"{kind}, kill {trial}: {type(error).__name__}: {error}")
                shutil.rmtree(folder)
    figures.values["in the middle of a file"] = n_cut
    return figures


@contextmanager
def environment(root: str) -> Iterator[None]:
    """Let small matrices be packed as large ones are, in caches of our own."""
    before = dict(os.environ)
    os.environ.pop("OSSNB_CACHE_LIMIT", None)
    os.environ["OSSNB_CACHE"] = str(Path(root) / "packed copies")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def kill_writer(kind: str, folder: Path, after_s: float) -> None:
    """Start a writer, wait until it writes, and kill it `after_s` later."""
    command = [sys.executable, __file__, kind, str(folder)]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    writer = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths}
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    time.sleep(after_s)
    writer.kill()
    writer.communicate(timeout=START_S)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*") if path.name != ".lock"]


# ---- a chat -----------------------------------------------------------------------------------------------


def save_chats(folder: Path) -> None:
    chat = a_chat()
    chat.save(folder / "chat.json")
    print("writing", flush=True)
    for content in again(CONTENTS):
        chat.messages[:] = [{"role": "user", "content": content}]
        chat.save(folder / "chat.json")


def check_chat(folder: Path) -> None:
    import ossnb

    chat = a_chat()
    messages = ossnb.Chat.load(folder / "chat.json", chat.model).messages
    assert not messages or messages[0].content in CONTENTS, "neither the old chat nor the new one"
    chat.save(folder / "chat.json")


def a_chat():
    from fakes import scripted_model

    return scripted_model("").chat()


# ---- packed copies ----------------------------------------------------------------------------------------


def pack(folder: Path) -> None:
    from ossnb.checkpoint import packed

    load_packed(folder)
    print("writing", flush=True)
    while True:
        packed.clear()
        load_packed(folder)


def check_packed(folder: Path) -> None:
    expected, path = load_packed(folder), folder / "expected.json"
    if not path.exists():
        path.write_text(json.dumps(expected))
    assert json.loads(path.read_text()) == expected, "other logits than before"


def load_packed(folder: Path) -> list[float]:
    import ossnb
    from ossnb.testing import write_random_checkpoint

    model = folder.parent / "random"
    if not model.exists():
        write_random_checkpoint(model, SHAPE, seed=3)
    with ossnb.load(model, precision="fast", threads=2, context=64) as loaded:
        return [float(x) for x in loaded.logits(IDS)[:, ::5000].ravel()]


# ---- the demo model ---------------------------------------------------------------------------------------


def expand_demo(folder: Path) -> None:
    from ossnb.checkpoint.demo import expand

    print("writing", flush=True)
    while True:
        shutil.rmtree(expand(folder))


def check_demo(folder: Path) -> None:
    import ossnb
    from ossnb.checkpoint.demo import expand

    ossnb.load(expand(folder), threads=1, context=64).close()


def again(values: list[str]) -> Iterator[str]:
    while True:
        yield from values


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "chat": (save_chats, check_chat),
    "packed copies": (pack, check_packed),
    "demo": (expand_demo, check_demo),
}

if __name__ == "__main__":
    KINDS[sys.argv[1]][0](Path(sys.argv[2]))
