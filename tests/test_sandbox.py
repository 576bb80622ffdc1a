"""A kernel behind walls: what stands in the way of a snippet, and what happens to one that goes too far."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from fakes import wait_until
from ossnb.sandbox.kernel import Kernel, KernelEnded
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


def ended(kernel, code, stop_after=45):
    """Run a snippet that ends its kernel; return why, and the output so far."""
    began = time.monotonic()
    why = lambda: "enough" if time.monotonic() > began + stop_after else ""  # noqa: E731
    with pytest.raises(KernelEnded) as raised:
        kernel.run(code, why)
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
    output = kernel.run(
        "import time\nprint('begun', flush=True)\ntime.sleep(60)",
        lambda: "enough" if time.monotonic() > began + 0.5 else "",
    )
    assert (output.error, output.is_stopped) == ("enough", True)
    assert output.text == "begun"
    assert time.monotonic() - began < 20
    assert ran(kernel, "x").text == "42"


def test_an_interrupt_reaches_the_processes_of_a_snippet(kernel):
    began = time.monotonic()
    output = kernel.run(
        "import subprocess\nsubprocess.run(['sleep', '60'])",
        lambda: "enough" if time.monotonic() > began + 0.5 else "",
    )
    assert output.is_stopped
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("code", ["print('y' * 50_000_000)", "while True: print('abc' * 1000)"])
def test_a_flood_of_output_is_cut_and_ended(kernel, code):
    output = ran(kernel, code)
    assert output.error == "it printed more than 1,000,000 characters"
    assert len(output.text) <= 1_000_000
    assert ran(kernel, "print(1)").text == "1"


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
    while True:
        time.sleep(1)
    """
    why, _ = ended(kernel, textwrap.dedent(code), stop_after=0.5)
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


def test_the_end_leaves_no_process_and_no_file():
    kernel = Kernel()
    folder = kernel.work.parent
    code = "import subprocess, os\np = subprocess.Popen(['sleep', '977'], start_new_session=True)\nprint(1)"
    assert ran(kernel, code).text == "1"
    assert kernel.is_alive
    kernel.close()
    assert not kernel.is_alive
    assert not folder.exists()
    assert not _running("sleep 977")


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
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(KernelEnded, match="not wanted any more"):
        Kernel(lambda: not stopped.is_set())
    assert time.monotonic() - began < 30


def test_a_long_temporary_folder_is_not_taken(tmp_path, monkeypatch):
    import tempfile

    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    kernel = Kernel()
    assert ran(kernel, "print(1)").text == "1"
    assert list(long.iterdir()) == []
