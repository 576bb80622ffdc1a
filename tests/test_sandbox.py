"""A kernel behind walls: what stands in the way of a snippet, and what happens to one that goes too far."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import time
import types
from pathlib import Path

import pytest

from fakes import wait_until
from ossnb.sandbox import kernel as kernel_module
from ossnb.sandbox import process, tree
from ossnb.sandbox.kernel import Kernel, KernelEnded
from ossnb.sandbox.output import NOTHING
from ossnb.sandbox.process import missing_walls
from ossnb.sandbox.walls import WALLS, Report

MISSING = missing_walls()
HAS_WALLS = pytest.mark.skipif(bool(MISSING), reason=f"this system lacks walls: {MISSING}")
OUT = {
    "all walls": (),
    "no namespaces": ("namespaces",),
    "no seccomp": ("seccomp",),
}


@pytest.fixture(scope="module", params=OUT, ids=list(OUT))
def walled(request):
    kernel = Kernel(without=OUT[request.param])
    yield kernel
    kernel.close()


@pytest.fixture(scope="module")
def _kept():
    return {}


@pytest.fixture
def kernel(_kept, monkeypatch):
    """A kernel that lives as long as snippets let it, of a process with a secret."""
    monkeypatch.setenv("MY_API_KEY", "sk-secret")
    if "kernel" not in _kept or not _kept["kernel"].is_alive:
        _kept["kernel"] = Kernel(memory=1_500_000_000, disk=200_000_000, n_files=500, n_processes=20)
    return _kept["kernel"]


def error_of(kernel, code):
    return ran(kernel, code).error


def ran(kernel, code):
    """Run a snippet that ends within a minute."""
    deadline = time.monotonic() + 60
    return kernel.run(code, lambda: "a minute went by" if time.monotonic() > deadline else "")


def once_begun(kernel):
    """Return a wish to stop a snippet once that has made the file `begun`."""
    begun = kernel.work / "begun"
    begun.unlink(missing_ok=True)
    return lambda: "enough" if begun.exists() else ""


def ended(kernel, code, why_stop=None):
    """Run a snippet that ends its kernel; return why, and the output so far."""
    began = time.monotonic()
    too_late = lambda: "too late" if time.monotonic() > began + 45 else ""  # noqa: E731
    with pytest.raises(KernelEnded) as raised:
        kernel.run(code, why_stop or too_late)
    assert not kernel.is_alive
    assert time.monotonic() - began < 60
    return str(raised.value), raised.value.output


# ---- walls -------------------------------------------------------------------------------------------------


@HAS_WALLS
def test_the_report_names_the_walls_that_stand(walled):
    assert list(walled.report.standing) == list(WALLS)
    assert walled.report.missing == {}
    assert "no network" in walled.report.text


@HAS_WALLS
@pytest.mark.parametrize("code", ["socket.create_connection(('127.0.0.1', 80), 2)", "unix.connect('/x')"])
def test_there_is_no_network_and_no_connection_to_others(walled, code):
    unix = "unix = socket.socket(socket.AF_UNIX)" if "unix" in code else ""
    error = error_of(walled, f"import socket\n{unix}\n{code}")
    assert error.startswith(("OSError", "PermissionError", "FileNotFoundError", "ConnectionRefused")), error


@HAS_WALLS
def test_files_outside_are_not_there_also_by_links(walled, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    home = str(Path("~").expanduser())
    for code in (
        f"open({str(secret)!r}).read()",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"import os; os.path.lexists('link') or os.symlink({str(secret)!r}, 'link'); open('link').read()",
        f"import os; os.listdir({home!r})",
        f"import subprocess; subprocess.run(['cat', {str(secret)!r}], check=True)",
        "open('/etc/shadow').read()",
        f"open('/proc/{os.getpid()}/environ').read()",
    ):
        error = error_of(walled, code)
        assert error.startswith(("PermissionError", "CalledProcessError", "FileNotFoundError")), (code, error)
    assert walled.run("open('mine', 'w').write('x'); print(open('mine').read())").text == "x"


@HAS_WALLS
def test_other_processes_cannot_be_signalled(walled):
    error = error_of(walled, f"import os; os.kill({os.getpid()}, 0)")
    assert error.startswith(("PermissionError", "ProcessLookupError"))


@HAS_WALLS
@pytest.mark.parametrize("kind", ["SOCK_DGRAM", "SOCK_RAW"])
@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_no_socket_is_made_that_sends_to_others_unconnected(kernel, call, kind):
    error = error_of(kernel, f"import socket\nsocket.{call}(socket.AF_UNIX, socket.{kind})")
    assert error.startswith("PermissionError")


def test_asyncio_and_its_processes_have_their_pairs_of_sockets(kernel):
    code = """
    import asyncio, socket, sys
    one, other = socket.socketpair()
    one.send(b"sent")
    print(other.recv(9))
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(6 * 7)", stdout=-1)
    print(await started.communicate())
    """
    assert ran(kernel, textwrap.dedent(code)).text == "b'sent'\n(b'42\\n', None)"


HIDDEN = """
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
for number in {"x86_64": (319, 447, 29), "aarch64": (279, 447, 194)}[platform.machine()]:
    made = libc.syscall(number, b"x", 4096, 0o1600)
    print(made, errno.errorcode[ctypes.get_errno()])
"""


@HAS_WALLS
def test_memory_that_no_process_needs_to_show_cannot_be_had(kernel):
    assert ran(kernel, HIDDEN).text == "-1 EPERM\n" * 2 + "-1 EPERM"


def test_paths_that_are_given_can_be_read_and_not_written(tmp_path):
    (tmp_path / "a.txt").write_text("given")
    kernel = Kernel(read=(str(tmp_path),))
    assert ran(kernel, f"print(open({str(tmp_path / 'a.txt')!r}).read())").text == "given"
    if "files" in kernel.report.standing:
        assert "PermissionError" in error_of(kernel, f"open({str(tmp_path / 'a.txt')!r}, 'a')")


def test_the_environment_has_no_secrets(kernel):
    text = ran(kernel, "import os; print(dict(os.environ)); print(os.getcwd())").text
    assert "sk-secret" not in text
    assert "MY_API_KEY" not in text
    assert str(kernel.work) in text


PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
LAUNCH = """
import os, sys
from ossnb.sandbox.process import launched
from ossnb.sandbox.walls import Walls
for name in ("run", "given"):
    os.mkdir(os.path.join(sys.argv[1], name))
process = launched(Walls(sys.argv[1]), [sys.executable, "-c", "import only_the_users"])
print(process.stdout.readline(), process.stdout.readline())
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="the tests need a Python outside the environment")
def test_packages_that_pip_installed_for_the_user_are_there(tmp_path):
    packages = Path(sysconfig.get_path("purelib", "posix_user", {"userbase": str(tmp_path / "base")}))
    packages.mkdir(parents=True)
    (packages / "only_the_users.py").touch()
    (tmp_path / "session").mkdir()
    done = subprocess.run(
        [PYTHON, "-c", LAUNCH, tmp_path / "session"],
        env={"PYTHONUSERBASE": str(tmp_path / "base"), "PYTHONPATH": str(Path(process.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "it ended itself with the exit code 0" in done.stdout, done.stderr


def test_an_ipykernel_that_a_session_does_not_see_is_told(monkeypatch, tmp_path):
    elsewhere = types.ModuleType("ipykernel")
    elsewhere.__file__ = str(tmp_path / "ipykernel" / "__init__.py")
    monkeypatch.setitem(sys.modules, "ipykernel", elsewhere)
    ends = [sys.executable, "-c", "raise SystemExit(1)"]
    monkeypatch.setattr(kernel_module, "launched", lambda walls, command: process.launched(walls, ends))
    with pytest.raises(KernelEnded, match=f"exit code 1; ipykernel is in {tmp_path}, and a session sees"):
        Kernel()


def test_a_slow_start_is_not_kept_and_leaves_no_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(process, "PROBE_S", 0.001)
    assert missing_walls(("limits", "seccomp")) == dict.fromkeys(
        WALLS, "the process that puts up the walls does not start within 0.001 s"
    )
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(process, "PROBE_S", 60.0)
    assert missing_walls(("limits", "seccomp"))["memory"] == "left out"
    assert list(tmp_path.iterdir()) == []


def test_without_walls_the_report_says_so(tmp_path):
    kernel = Kernel(without=("namespaces", "landlock", "seccomp", "limits"))
    assert kernel.report.standing == {}
    assert kernel.report.text.startswith("not walled: files (left out), network (left out; left out)")
    assert ran(kernel, "print(1)").text == "1"
    assert set(missing_walls(("landlock",))) >= {"files"}


def test_a_report_says_what_is_missing():
    report = Report({"memory": "memory 4 GB"}, {"files": "no Landlock"})
    assert report.text == "memory 4 GB; not walled: files (no Landlock)"


# ---- snippets ----------------------------------------------------------------------------------------------


def test_variables_stay_and_errors_are_told(kernel):
    assert ran(kernel, "x = 6 * 7").text.startswith("[no output")
    assert ran(kernel, "print('out'); x").text == "out\n42"
    output = ran(kernel, "1 / 0")
    assert output.error == "ZeroDivisionError: division by zero"
    assert "ZeroDivisionError" in output.text
    assert ran(kernel, "def :").error.startswith("SyntaxError")
    assert ran(kernel, "x").text == "42"


def test_nobody_answers_input(kernel):
    output = ran(kernel, "input('name?')")
    assert output.error.startswith("StdinNotImplementedError")
    assert "does not support input" in output.text


def test_an_interrupt_ends_the_snippet_and_not_the_kernel(kernel):
    ran(kernel, "x = 42")
    began = time.monotonic()
    code = "import time\nprint('begun', flush=True)\nopen('begun', 'w').close()\ntime.sleep(60)"
    output = kernel.run(code, once_begun(kernel))
    assert (output.error, output.is_stopped) == ("enough", True)
    assert output.text == "begun"
    assert time.monotonic() - began < 40
    assert ran(kernel, "x").text == "42"


def test_an_interrupt_reaches_the_processes_of_a_snippet(kernel):
    began = time.monotonic()
    code = "import subprocess\nsubprocess.run(['sh', '-c', 'touch begun; exec sleep 60'])"
    output = kernel.run(code, once_begun(kernel))
    assert output.is_stopped
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("code", ["print('y' * 50_000_000)", "while True: print('abc' * 1000)"])
def test_a_flood_of_output_is_cut_and_ended(kernel, code):
    output = ran(kernel, code)
    assert output.error == "it printed more than 1,000,000 characters"
    assert len(output.text) <= 1_000_000
    assert ran(kernel, "print(1)").text == "1"


def test_after_a_message_that_is_too_long_output_arrives_again(monkeypatch):
    monkeypatch.setattr(kernel_module, "MOST_MESSAGE", 1_000_000)
    kernel = Kernel()
    for _ in range(2):
        output = ran(kernel, "print('y' * 2_000_000)")
        assert (output.error, output.is_stopped) == ("it printed more than 1,000,000 characters", True)
        assert ran(kernel, "print(1)").text == "1"
    kernel.close()


def test_many_outputs_arrive_all_and_soon(kernel):
    code = "for i in range(3000): display(i)"
    assert ran(kernel, code).text.split() == list(map(str, range(3000)))
    # Before the reply there is time for few, if each waits for it.
    _, output = ended(kernel, "import os, time\nfor i in range(400): display(i)\ntime.sleep(10)\nos._exit(0)")
    assert output.text.split() == list(map(str, range(400)))


SEND = """
import signal, threading, time
socket, send = get_ipython().kernel.iopub_socket, get_ipython().kernel.session.send
def flood(n_bytes, n=1_000_000):
    for _ in range(n):
        send(socket, "stream", {"name": "stdout", "text": "x" * n_bytes}, parent={})
        time.sleep(.0005)
"""


def test_output_of_nobody_that_piles_up_does_not_hide_that_of_a_snippet(kernel):
    work = "def work():\n    flood(1, 2000)\n    open('flooded', 'w').close()"
    ran(kernel, f"{SEND}\n{work}\nthreading.Thread(target=work).start()")
    wait_until((kernel.work / "flooded").exists, 60)
    assert ran(kernel, "print('seen')").text == "seen"


def test_a_flood_of_messages_that_are_nobodys_is_ended(kernel, monkeypatch):
    monkeypatch.setattr(kernel_module, "MOST_BYTES", 5_000_000)
    output = ran(kernel, f"{SEND}\nflood(100_000, 70)\ntime.sleep(60)")
    assert (output.error, output.text) == ("it sent more than 5.0 MB of messages", NOTHING)
    assert ran(kernel, "print(1)").text == "1"
    why, output = ended(kernel, f"{SEND}\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nflood(100_000)")
    assert why == "it sent more than 10.0 MB of messages"
    assert output.n_chars == 0


def test_messages_of_another_form_are_none(kernel):
    parent = "parent=get_ipython().parent_header"
    send = f"send(socket, 'stream', b'[]', {parent})\nsend(socket, 'stream', b'nonsense', {parent})"
    assert ran(kernel, f"{SEND}\n{send}\nprint(1)").text == "1"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux enforces it")
def test_memory_and_large_files_are_errors_in_the_snippet(kernel):
    assert error_of(kernel, "bytearray(5 << 30)").startswith("MemoryError")
    assert error_of(kernel, "open('big', 'wb').write(bytes(100_000_000))").startswith("OSError: [Errno 27]")
    assert ran(kernel, "import os; os.remove('big'); print(1)").text == "1"


# ---- the end of a kernel -----------------------------------------------------------------------------------


def test_a_snippet_that_ends_its_kernel_is_told(kernel):
    why, output = ended(
        kernel, "print('last words', flush=True)\nimport os, time\ntime.sleep(.5)\nos._exit(3)"
    )
    assert why == "it ended itself with the exit code 3"
    assert output.text == "last words"


def test_a_snippet_that_ignores_the_interrupt_loses_its_kernel(kernel):
    code = """
    import signal, time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open("begun", "w").close()
    while True:
        time.sleep(1)
    """
    why, _ = ended(kernel, textwrap.dedent(code), once_begun(kernel))
    assert why == "enough, and it did not heed the interrupt"


@HAS_WALLS
def test_many_processes_end_the_kernel(kernel):
    code = """
    import os, time
    for _ in range(60):
        if os.fork() == 0:
            os.setsid()
            time.sleep(120)
            os._exit(0)
    time.sleep(30)
    """
    why, _ = ended(kernel, textwrap.dedent(code))
    assert why == "it started more than 20 processes"


@HAS_WALLS
def test_much_memory_in_many_processes_ends_the_kernel(kernel):
    code = """
    import os, time
    for _ in range(8):
        if os.fork() == 0:
            block = b"x" * 300_000_000  # each is far from its own limit
            time.sleep(120)
            os._exit(0)
    time.sleep(30)
    """
    why, _ = ended(kernel, textwrap.dedent(code))
    assert why == "its processes took more than 1.5 GB of memory"


@HAS_WALLS
@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "for i in range(99):\n open(f'f{i}', 'wb').write(bytes(40_000_000)); time.sleep(.1)",
            "its files took more than 200 MB of the disk",
        ),
        ("for i in range(2000): open(f'f{i}', 'w')\ntime.sleep(30)", "it wrote more than 500 files"),
    ],
)
def test_a_folder_that_fills_up_ends_the_kernel(kernel, code, why):
    assert ended(kernel, f"import time\n{code}")[0] == why


HOLD = "f = open('f', 'wb'); f.write(bytes(2_000_000)); f.flush(); os.remove('f'); held.append(f)"


@HAS_WALLS
@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "for i in range(20): open(f'../run/f{i}', 'wb').write(bytes(2_000_000))",
            "its files took more than 20.0 MB of the disk",
        ),
        (f"held = []\nfor i in range(20): {HOLD}", "its files took more than 20.0 MB of the disk"),
        ("for i in range(400): os.mkdir(f'd{i}')", "it wrote more than 300 files"),
        (
            "for _ in range(25): os.mkdir('d' * 200); os.chdir('d' * 200)",
            "it made a folder that cannot be looked into: File name too long",
        ),
    ],
    ids=["beside the work", "unlinked", "folders", "too deep"],
)
def test_what_hides_from_a_count_of_files_ends_the_kernel(code, why):
    small = Kernel(disk=20_000_000, n_files=300)
    folder = small.work.parent
    assert ended(small, f"import os, time\n{code}\ntime.sleep(30)")[0] == why
    assert not folder.exists()


def test_folders_in_folders_are_counted_and_removed():
    kernel = Kernel()
    folder = kernel.work.parent
    code = "import os, time\nfor _ in range(1100): os.mkdir('d'); os.chdir('d')\ntime.sleep(1.5)\nprint(1)"
    assert ran(kernel, code).text == "1"
    kernel.close()
    assert not folder.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists it")
def test_shared_memory_counts_and_what_processes_share_counts_once():
    before = tree.memory([os.getpid()], float("inf"))
    with mmap.mmap(-1, 30_000_000) as shared:
        shared.write(b"x" * 30_000_000)
        assert tree.memory([os.getpid()], float("inf")) - before > 25_000_000
        child = os.fork()
        if child == 0:
            assert shared[-1:] == b"x"
            sum(shared[::4096])
            time.sleep(60)
            os._exit(0)
        try:
            wait_until(lambda: tree.memory([child], float("inf")) > 25_000_000)
            twice = tree.memory([os.getpid(), child], float("inf"))
            assert twice - tree.memory([os.getpid(), child], 0) > 25_000_000
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


def test_processes_that_name_themselves_by_any_bytes_are_counted(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(b"7 (\xff) S 1")
    (tmp_path / "7" / "statm").write_text("9 3 2 0 0 0 0")
    (tmp_path / "7" / "status").write_bytes(b"Name:\t\xff\nRssShmem:\t   4 kB\n")
    assert tree.alive([7], tmp_path) == 1
    assert tree.memory([7], float("inf"), tmp_path) == tree.PAGE + 4096


def test_the_end_leaves_no_process_and_no_file():
    kernel = Kernel()
    folder = kernel.work.parent
    code = "import subprocess, os\np = subprocess.Popen(['sleep', '977'], start_new_session=True)\nprint(1)"
    assert ran(kernel, code).text == "1"
    assert kernel.is_alive
    kernel.close()
    assert not kernel.is_alive
    assert not folder.exists()
    wait_until(lambda: not _running("sleep 977"))


def _running(command):
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if line == command]


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_a_kernel_ends_with_the_process_that_has_it(end, tmp_path):
    code = f"""
    import os
    from ossnb.sandbox.kernel import Kernel
    kernel = Kernel()
    kernel.run("import subprocess; subprocess.Popen(['sleep', '978'])")
    print(kernel.work.parent, flush=True)
    {end}
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("ossnb-"), done.stderr
    wait_until(lambda: not folder.exists() and not _running("sleep 978"))


def test_a_kernel_that_nobody_holds_ends():
    kernel = Kernel()
    folder = kernel.work.parent
    del kernel
    wait_until(lambda: not folder.exists())


def test_a_start_that_is_not_wanted_any_more_ends():
    began = time.monotonic()
    with pytest.raises(KernelEnded, match="not wanted any more"):
        Kernel(lambda: False)
    assert time.monotonic() - began < 30


def test_a_long_temporary_folder_is_not_taken(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    kernel = Kernel()
    assert ran(kernel, "print(1)").text == "1"
    assert list(long.iterdir()) == []
