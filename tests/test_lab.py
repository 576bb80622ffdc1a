"""The panels in a real JupyterLab: keys, a branch, sliders, Stop, dark, the saved page without a kernel."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
DRIVER = Path(__file__).parent / "lab_panels.cjs"
CELLS = [
    "import ossnb\nmodel = ossnb.load('demo')\n"
    "reply = model.generate('<img src=x onerror=window.hits=1>', seed=3, max_tokens=60)",
    "view = reply.inspect()\nview",
    "view.experts()",
    "ossnb.sliders('<script>window.hits=1</script>', reply=reply)",
]


def missing():
    """What this machine lacks to run a browser on JupyterLab."""
    if not CHROMIUM:
        return "Chromium"
    if shutil.which("node") is None:
        return "node"
    if subprocess.run(["node", "-e", "require('playwright-core')"], capture_output=True).returncode:
        return "playwright-core (npm install; NODE_PATH says where)"
    found = subprocess.run([sys.executable, "-c", "import jupyterlab"], capture_output=True).returncode == 0
    return None if found else "jupyterlab"


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Run the driver on a server of its own and return what it saw."""
    if lacking := missing():
        pytest.skip(f"needs {lacking}")
    home = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS],
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )
    (home / "root").mkdir()
    nbformat.write(notebook, home / "root" / "panels.ipynb")
    news = home / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (news / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(home / name.lower()) for name in names}
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    options = [
        "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={home / 'root'}", "--ServerApp.allow_root=True",
        "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with open(home / "server.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log
        )
    try:
        wait_for(url, home / "server.log")
        done = subprocess.run(
            ["node", DRIVER, url, CHROMIUM, home], capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    finally:
        server.terminate()
        server.wait(30)


def wait_for(url, log):
    for _ in range(60):
        try:
            urllib.request.urlopen(f"{url}/api", timeout=5).close()
            return
        except OSError:
            time.sleep(1)
    raise AssertionError(log.read_text())


def test_a_live_view_hides_its_picture_and_a_page_without_a_kernel_shows_it(seen):
    assert seen["live"] == ["none"] * 3
    assert seen["reloaded"] == ["block"] * 3


def test_keys_move_the_token_in_both_views(seen):
    assert [fact[:8] for fact in seen["facts"]] == ["token 5:", "token 5;"]


def test_moving_a_slider_redraws_the_picture(seen):
    assert all(ms is not None for ms in seen["sliderMs"])


def test_stop_can_be_pressed_while_it_runs(seen):
    assert seen["stopWhileRunning"]


def test_nothing_is_fetched_nothing_fails_and_nothing_a_model_wrote_runs(seen):
    assert seen["external"] == []
    assert seen["liveErrors"] == []
    assert seen["hits"] == 0
