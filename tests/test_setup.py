"""What `make` runs to set ossnb up: what it says, and that it works as root, without a browser, anywhere."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tool(name, *arguments, **options):
    command = [sys.executable, str(TOOLS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def without_browser(**variables):
    lacking = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION")
    return {name: value for name, value in os.environ.items() if name not in lacking} | variables


# ---- make lab ----------------------------------------------------------------------------------------------

JUPYTERLAB = "import sys; print('jupyterlab', *sys.argv[1:])"


@pytest.fixture
def lab_flags(tmp_path):
    """Run open_lab.py with a jupyterlab that only tells its arguments; returns what was said."""
    (tmp_path / "jupyterlab").mkdir()
    (tmp_path / "jupyterlab" / "__init__.py").touch()
    (tmp_path / "jupyterlab" / "__main__.py").write_text(JUPYTERLAB)

    def run(*given, **variables):
        environment = without_browser(PYTHONPATH=str(tmp_path), **variables)
        done = tool("open_lab.py", "a.ipynb", *given, env=environment)
        assert done.returncode == 0, done.stderr
        *said, last = done.stdout.splitlines()
        assert last.startswith("jupyterlab a.ipynb")
        return said, last.split()[2:]

    return run


def test_a_place_without_a_browser_says_where_to_look(lab_flags):
    said, flags = lab_flags()
    assert "--no-browser" in flags
    assert any("open the address with http:// that JupyterLab prints" in line for line in said)
    said, flags = lab_flags("--no-browser", "--port=9999", SSH_CONNECTION="1.2.3.4 5 6.7.8.9 22")
    assert flags.count("--no-browser") == 1
    assert flags[-1] == "--port=9999"
    assert any("ssh -L 8888" in line or "outside this container" in line for line in said)
    said, flags = lab_flags("--browser=firefox")
    assert "--no-browser" not in flags
    assert "--no-browser" not in lab_flags(BROWSER="firefox")[1]


def test_root_and_nobody_else_gets_the_flag_that_jupyter_wants(lab_flags):
    said, flags = lab_flags()
    is_root = os.geteuid() == 0
    assert flags.count("--allow-root") == is_root
    assert any("You are root" in line for line in said) == is_root
    assert lab_flags("--ServerApp.allow_root=True")[1].count("--allow-root") == 0


@pytest.mark.slow
def test_lab_answers_on_its_port(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = without_browser(**{name: str(tmp_path / name.lower()) for name in names})
    notebook = ROOT / "notebooks" / "01_first_answer.ipynb"
    flags = [f"--port={port}", "--ServerApp.port_retries=0"]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, str(TOOLS / "open_lab.py"), str(notebook), *flags],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            said = (tmp_path / "log").read_text()
            if address := re.search(
                rf"http://127\.0\.0\.1:{port}/lab/tree/01_first_answer\.ipynb\?token=\w+", said
            ):
                break
            time.sleep(0.2)
        with urllib.request.urlopen(address[0], timeout=60) as page:
            assert "JupyterLab" in page.read().decode()
        assert "open the address with http://" in said
    finally:
        server.terminate()
        server.wait(30)


# ---- make demo ---------------------------------------------------------------------------------------------


def test_every_step_of_the_set_up_says_what_it_does_and_how_long_it_took(tmp_path):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()  # it is there, so the step has nothing to do
    done = tool("setup_env.py", tmp_path / "venv", "new")
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first == f"-- making a Python environment in {tmp_path / 'venv'}; nothing is installed outside it"
    assert re.fullmatch(r"   done in \d+ s", last)


def test_every_extra_that_make_installs_is_described():
    makefile = (ROOT / "Makefile").read_text()
    wanted = set(re.findall(r"\$\(STAMP\)-([a-z]+)", makefile))
    setup = (TOOLS / "setup_env.py").read_text()
    for step in wanted:
        assert f'    "{step}": "' in setup, f"tools/setup_env.py does not say what the step {step} does"
        assert step in ("new", "core") or step in PROJECT["project"]["optional-dependencies"]


# ---- make wheel --------------------------------------------------------------------------------------------


def fake_wheel(folder, tag, names):
    with zipfile.ZipFile(folder / f"ossnb-0.1.0-{tag}.whl", "w") as file:
        for name in names:
            file.writestr(name, "")
    return folder


WHOLE = [
    "ossnb/_core.cpython-311.so",
    "ossnb/_core.pyi",
    "ossnb/py.typed",
    "ossnb/data/demo.ossnb",
    "ossnb/data/MODEL_CARD.md",
    "ossnb/views/loader.js",
    "ossnb/views/static/strip.js",
    "ossnb/views/static/tokens.js",
]


@pytest.mark.parametrize(
    ("tag", "names", "said"),
    [
        ("cp311-cp311-manylinux_2_28_x86_64", WHOLE[1:], r"lacks ossnb/_core\*\.so"),
        ("cp311-cp311-linux_x86_64", WHOLE, "has no manylinux tag, so no index takes it"),
        ("cp311-cp311-manylinux_2_28_s390x", WHOLE, "pip on this machine does not take"),
        ("cp27-cp27m-manylinux_2_28_x86_64", WHOLE, "pip on this machine does not take"),
    ],
)
def test_a_wheel_that_nobody_could_install_is_refused(tmp_path, tag, names, said):
    done = tool("check_wheel.py", fake_wheel(tmp_path, tag, names))
    assert done.returncode == 1
    assert re.search(said, done.stderr)


def test_the_package_of_the_clone_is_no_wheel():
    done = tool("check_wheel.py", "--answer")
    assert done.returncode == 1
    assert "comes from the clone" in done.stderr


def test_the_workflow_of_wheels_is_whole():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "wheels.yml").read_text())
    jobs = workflow["jobs"]
    assert set(workflow[True]) == {"workflow_dispatch", "push"}, "YAML reads the word `on` as true"
    assert jobs["wheels"]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v[\d.]+", name) for name in used)
    settings = PROJECT["tool"]["cibuildwheel"]
    script = settings["test-command"].split("{project}/")[1].split()[0]
    assert (ROOT / script).is_file()
    before = [word for word in settings["before-all"].split() if word.startswith("tools/")]
    assert len(before) == 3
    assert all((ROOT / name).is_file() for name in before)
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=3.")
    assert settings["build"].startswith(f"cp3{oldest}-")
