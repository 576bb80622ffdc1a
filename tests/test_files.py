"""Files that appear whole or not at all, and files that nobody should read."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import ossnb
from fakes import scripted_model
from ossnb.checkpoint import hub
from ossnb.checkpoint.demo import expand
from ossnb.system import files
from ossnb.system.files import default_cache_dir, read_file, replacing

HANG = """
import sys
from pathlib import Path
from ossnb.system.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.fixture
def writer(tmp_path):
    """A process that is writing a.json."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANG, str(tmp_path / "a.json")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"writing\n"
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_save_left_goes_with_the_next_save(writer, tmp_path):
    chat = scripted_model("").chat()
    assert len(hidden(tmp_path)) == 1
    chat.save(tmp_path / "a.json")
    assert len(hidden(tmp_path)) == 1  # its writer lives
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    chat.save(tmp_path / "b.json")
    assert hidden(tmp_path) == []
    assert ossnb.Chat.load(tmp_path / "b.json", chat.model).messages == []


def test_two_writers_of_one_file_leave_one_of_both(writer, tmp_path):
    with replacing(tmp_path / "a.json") as file:
        file.write(b"mine")
    writer.communicate(timeout=60)
    assert (tmp_path / "a.json").read_bytes() == b"half"
    assert hidden(tmp_path) == []


def test_a_part_that_another_process_takes_for_a_leftover_is_not_written(tmp_path, monkeypatch):
    lock, taken = files.lock_file, []

    def lock_late(file):
        if not taken:  # the other process has found the part and locked it to remove it
            taken.append(open(file.name, "rb"))  # noqa: SIM115 - it is closed below
            fcntl.flock(taken[0], fcntl.LOCK_EX)
        return lock(file)

    monkeypatch.setattr(files, "lock_file", lock_late)
    with replacing(tmp_path / "a.json") as file:
        os.unlink(taken[0].name)
        file.write(b"mine")
    taken[0].close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_long_name_can_be_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".json")  # 255 bytes
    with replacing(path) as file:
        file.write(b"all of it")
    assert path.read_bytes() == b"all of it"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_or_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        with pytest.raises(OSError, match="it is no plain file"):
            scripted_model("").chat().save(tmp_path / name)
    assert Path("/dev/null").is_char_device()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["null", "pipe"]


def test_a_missing_folder_is_told_by_the_name_of_the_file(tmp_path):
    path = tmp_path / "no such folder" / "a.json"
    with pytest.raises(FileNotFoundError) as error, replacing(path):
        pass
    assert error.value.filename == str(path)


def test_rights_and_links_stay(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o600)


@pytest.mark.slow
def test_leftovers_go_though_the_demo_model_is_complete(tmp_path):
    name = expand(tmp_path).name
    leftover = tmp_path / f".{name}.old"
    leftover.mkdir()
    os.utime(leftover, (0, 0))
    expand(tmp_path)
    assert not leftover.exists()


# ---- what is read -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_chat_is_no_pipe(tmp_path):
    os.mkfifo(tmp_path / "chat.json")
    with pytest.raises(ValueError, match=r"chat.json is not a saved chat: it is no plain file"):
        ossnb.Chat.load(tmp_path / "chat.json", scripted_model(""))
    with pytest.raises(OSError, match="it is no plain file"):
        read_file(Path("/dev/zero"), 10)


def test_a_chat_without_end(tmp_path):
    with (tmp_path / "chat.json").open("wb") as file:
        file.truncate(50_000_000_000)
    with pytest.raises(ValueError, match="is not a saved chat: it has more than 100,000,000 bytes"):
        ossnb.Chat.load(tmp_path / "chat.json", scripted_model(""))


def test_a_chat_that_could_not_be_read_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(ossnb.chat, "MOST_BYTES", 1000)
    chat = scripted_model("").chat()
    chat.save(tmp_path / "chat.json")
    before = (tmp_path / "chat.json").read_bytes()
    chat.messages.append({"role": "user", "content": "x" * 1000})
    with pytest.raises(ValueError, match="a chat file at most 1,000"):
        chat.save(tmp_path / "chat.json")
    assert (tmp_path / "chat.json").read_bytes() == before


def test_a_file_that_fits_exactly(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError, match="it has more than 4 bytes"):
        read_file(tmp_path / "a", 4)


# ---- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 300, "a/" + "x" * 300, "\x1b[2J", "a\nb", "a\0b", "", "é" * 200])
def test_a_model_that_cannot_be_named_so(name):
    with pytest.raises(ossnb.CheckpointError, match="no such folder, nor a hub id") as raised:
        hub.resolve(name)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


def test_nobodys_home(monkeypatch):
    with pytest.raises(ValueError, match="the model is '~no-such-user/m', and there is no such user's home"):
        ossnb.load("~no-such-user/m")
    monkeypatch.setenv("OSSNB_CACHE", "~no-such-user")
    with pytest.raises(ValueError, match="OSSNB_CACHE is '~no-such-user'"):
        default_cache_dir()


HOMELESS = """
import ossnb
from ossnb.system.files import default_cache_dir
print(default_cache_dir())
print(ossnb.load("demo").generate("What is 17 + 25?", temperature=0))
"""


def run_without_a_home(folder, home):
    env = {name: value for name, value in os.environ.items() if name not in ("OSSNB_CACHE", "XDG_CACHE_HOME")}
    env |= {"HOME": str(home), "TMPDIR": str(folder), "OSSNB_CACHE_LIMIT": "0"}
    return subprocess.run(
        [sys.executable, "-c", HOMELESS], env=env, capture_output=True, text=True, timeout=300, check=True
    )


@pytest.mark.slow
def test_without_a_home_that_can_be_written_files_are_temporary(tmp_path):
    (home := tmp_path / "home").write_text("no folder")
    (folder := tmp_path / "tmp").mkdir()
    done = run_without_a_home(folder, home)
    cache = folder / f"ossnb-{os.getuid()}"
    assert done.stdout.startswith(f"{cache}\n")
    assert "42" in done.stdout
    line = f"{home}/.cache/ossnb cannot be written: files are cached in {cache}; "
    assert done.stderr.count(line) == 1
    assert "OSSNB_CACHE" in done.stderr
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700, "nobody else may change what is computed with"
    (model,) = cache.glob("demo-*")
    written = (model / "config.json").stat().st_mtime_ns
    assert "42" in run_without_a_home(folder, home).stdout
    assert (model / "config.json").stat().st_mtime_ns == written, "written once"


@pytest.mark.slow
def test_a_temporary_folder_that_others_can_write_is_not_used(tmp_path):
    (home := tmp_path / "home").write_text("no folder")
    (folder := tmp_path / "tmp").mkdir()
    planted = folder / f"ossnb-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    done = run_without_a_home(folder, home)
    assert "42" in done.stdout
    assert not list(planted.iterdir())


def test_the_variable_that_names_a_wrong_model_is_named(monkeypatch):
    for name, error in (("~no-such-user", ValueError), ("no such\x1b", ossnb.CheckpointError)):
        monkeypatch.setenv("OSSNB_MODEL", name)
        with pytest.raises(error, match=r"^OSSNB_MODEL names '") as raised:
            ossnb.load()
        assert str(raised.value).isprintable()


def test_a_cache_that_no_file_system_takes(monkeypatch, tmp_path):
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path / ("x" * 300)))
    with pytest.raises(ossnb.CheckpointError, match=r"File name too long.*name another .*OSSNB_CACHE"):
        ossnb.load("demo")


def test_a_message_from_a_damaged_chat_is_short(tmp_path):
    (tmp_path / "chat.json").write_text('{"format": "ossnb chat", "version": "' + "9\\u001b" * 9999 + '"}')
    with pytest.raises(ValueError, match="is a chat of version '9") as raised:
        ossnb.Chat.load(tmp_path / "chat.json", scripted_model(""))
    assert len(str(raised.value)) < 500
    assert str(raised.value).isprintable()
