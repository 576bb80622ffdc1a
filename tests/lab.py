"""A real JupyterLab (or Notebook) in a real browser, for tests that look at a page as a reader does.

Needs jupyterlab, notebook and playwright (the extra `test`) and a Chromium of the system's, on the path or
named by CHROMIUM. Where something is missing the tests are skipped; OSSNB_BROWSER=required makes that a
failure. They want a quiet machine, so `make test` runs them after the others. OSSNB_PICTURES=FOLDER keeps
the screenshots.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(
    (path for name in (os.environ.get("CHROMIUM") or "", *NAMES) if (path := shutil.which(name))), ""
)
# Root has no sandbox, and a browser's own calls home are not the page's.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = {"width": 1100, "height": 1000}
TIMEOUT_MS = 300_000  # for a busy machine; a page is there in seconds
IS_READY = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
  const kernel = session?.session?.kernel;
  return session?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""


def need_browser():
    """Skip the test where there is no browser; fail it where OSSNB_BROWSER says that one is "required"."""
    lacking = [] if CHROMIUM else ["Chromium (apt install chromium, or CHROMIUM=path)"]
    lacking += [name for name in ("playwright", "jupyterlab", "notebook") if find_spec(name) is None]
    if lacking:
        tell = pytest.fail if os.environ.get("OSSNB_BROWSER") == "required" else pytest.skip
        tell(f"needs {' and '.join(lacking)}")


ROOT = Path(__file__).resolve().parent.parent


def axe_script():
    """The script of axe-core, which checks whether a page is for all readers; "" where it was not fetched."""
    found = sorted(ROOT.glob("build/axe-core-*/node_modules/axe-core/axe.min.js"))
    return found[-1].read_text(encoding="utf-8") if found else ""


def need_axe():
    """Return axe's script. Without it the test is skipped; it fails where OSSNB_NPM says "required"."""
    script = axe_script()
    if not script:
        tell = pytest.fail if os.environ.get("OSSNB_NPM") == "required" else pytest.skip
        tell("needs axe-core (make axe, which needs npm)")
    return script


FIND_SERIOUS = """async areas => {
  const { violations, passes } = await axe.run({ include: areas.map(area => [area]) });
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const told = serious.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  return { told, passed: passes.map(({ id }) => id) };
}"""


def find_serious(page, axe, *areas):
    """The serious findings of axe, and worse ones, in areas of a page; and the rules that passed."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(axe + "; undefined")
    found = page.evaluate(FIND_SERIOUS, list(areas))
    return found["told"], found["passed"]


# module to run, the class that exposes its application to the page, the path of a notebook's page
APPS = {
    "lab": ("jupyterlab", "LabApp", "lab/tree"),
    "notebook": ("notebook", "JupyterNotebookApp", "notebooks"),
}


@contextmanager
def serve(folder, app):
    """Serve notebooks of `folder / "root"` with nobody's settings; yields the address."""
    module, exposing, _ = APPS[app]
    root, quiet = folder / "root", folder / "settings" / "@jupyterlab" / "apputils-extension"
    root.mkdir()
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    )
    whole = folder / "settings" / "@jupyterlab" / "notebook-extension"
    whole.mkdir()  # a cell out of sight stays on the page
    (whole / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(folder / name.lower()) for name in names}
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={root}", "--ServerApp.allow_root=True",
        f"--{exposing}.expose_app_in_browser=True",
    ]  # fmt: skip
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", module, *options], env=environment, stdout=log, stderr=log
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}", server, folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address, server, log):
    began = time.monotonic()
    while time.monotonic() < began + TIMEOUT_MS / 1000:
        try:
            urllib.request.urlopen(f"{address}/api", timeout=5).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(log.read_text())


class Lab:
    """A browser on a JupyterLab or a Notebook; `open` a notebook of some cells."""

    def __init__(self, address, app, folder, browser):
        self.pages = f"{address}/{APPS[app][2]}"
        self.address, self.root, self.browser = address, folder / "root", browser
        self.pictures = Path(os.environ.get("OSSNB_PICTURES") or folder / "pictures")

    @classmethod
    @contextmanager
    def start(cls, folder, app="lab"):
        from playwright.sync_api import sync_playwright

        with serve(folder, app) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield cls(address, app, folder, browser)
            browser.close()

    @contextmanager
    def open(self, name, cells):
        """Open a notebook with a kernel of its own; `cells` are sources, or a notebook's path."""
        path = self.root / f"{name}.ipynb"
        if isinstance(cells, Path):
            shutil.copy(cells, path)
        else:
            kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
            notebook = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(source) for source in cells], metadata={"kernelspec": kernel}
            )
            nbformat.write(notebook, path)
        page = self.browser.new_page(viewport=SIZE, device_scale_factor=1.5)
        page.set_default_timeout(TIMEOUT_MS)
        opened = Notebook(self, page, path)
        opened.load()
        opened.wait_ready()
        try:
            yield opened
        finally:
            opened.shut_down()
            page.close()


class Notebook:
    """An open notebook. `external` are requests to elsewhere, `errors` exceptions of the page's scripts."""

    def __init__(self, lab, page, path):
        self.lab, self.page, self.path = lab, page, path
        self.external, self.errors = [], []
        page.on("request", lambda request: self._on_request(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _on_request(self, url):
        if not url.startswith((self.lab.address, "data:", "blob:")):
            self.external.append(url)

    def shut_down(self):
        """End the notebook's kernel."""
        self.page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")

    def load(self):
        """Load the page anew, as it is saved."""
        self.page.goto(f"{self.lab.pages}/{self.path.name}?reset", wait_until="domcontentloaded")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self.page.evaluate("() => { jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight() }")

    def wait_ready(self):
        """Wait for the kernel: a cell that is run before its socket is connected never ends."""
        self.page.wait_for_function(IS_READY)
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.info")

    def command(self, name, **arguments):
        """Start a command of JupyterLab; its end is not waited for."""
        start = "([name, arguments]) => { jupyterapp.commands.execute(name, arguments) }"
        self.page.evaluate(start, [name, arguments])

    def run(self, *indices, wait=True):
        """Run cells one after another; with `wait` to the end."""
        for index in indices:
            self.page.evaluate(
                "i => { const notebook = jupyterapp.shell.currentWidget.content;"
                " notebook.activeCellIndex = i; notebook.deselectAll() }",
                index,
            )
            self.command("notebook:run-cell")
            if wait:
                self.wait_ran(index)

    def run_all(self):
        """Run all cells to the end."""
        self.command("notebook:run-all-cells")
        cells = nbformat.read(self.path, as_version=4).cells
        self.wait_ran(max(i for i, cell in enumerate(cells) if cell.cell_type == "code"))

    def wait_ran(self, index):
        """Wait until a cell has run."""
        self.page.wait_for_function(
            "i => jupyterapp.shell.currentWidget.content.widgets.at(i).model.executionState === 'idle'"
            " && jupyterapp.shell.currentWidget.content.widgets.at(i).model.executionCount !== null",
            arg=index,
        )

    def cell(self, index):
        """A cell's outputs."""
        return self.page.locator(".jp-Notebook-cell").nth(index).locator(".jp-OutputArea").first

    def kernel(self, code):
        """Run code in the notebook's kernel, out of sight, and return what it printed."""
        return self.page.evaluate(
            """async code => {
              const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              const future = kernel.requestExecute({ code, store_history: false });
              let text = "";
              future.onIOPub = message => {
                if (message.header.msg_type === "stream") text += message.content.text;
                if (message.header.msg_type === "error") text += message.content.traceback.join("\\n");
              };
              const late = new Promise(resolve => setTimeout(() => resolve("late"), 300000));
              if (await Promise.race([future.done, late]) === "late") throw new Error(`no end of ${code}`);
              return text;
            }""",
            code,
        ).strip()

    def save(self):
        """Save, and return the file's notebook."""
        self.page.evaluate("async () => { await jupyterapp.shell.currentWidget.context.save() }")
        return nbformat.read(self.path, as_version=4)

    def theme(self, name):
        """Change to "Light" or "Dark"."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light", arg=str(name == "Light").lower()
        )
        self.page.wait_for_timeout(500)  # its style sheets are applied

    def picture(self, name, locator=None):
        """Keep a screenshot of the page, or of a part."""
        self.lab.pictures.mkdir(parents=True, exist_ok=True)
        self.page.mouse.move(0, 0)
        (locator or self.page).screenshot(path=str(self.lab.pictures / f"{name}.png"))
