"""Take the README's picture: the first notebook, executed in a real JupyterLab.

    python tools/take_picture.py [NOTEBOOK] [PICTURE]

Needs jupyterlab (the extra `lab`), playwright from PyPI and a Chromium, on the path or named by CHROMIUM.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SIZE = {"width": 980, "height": 1110}
TIMEOUT_MS = 120_000
KERNEL_IS_READY = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
  const kernel = session?.session?.kernel;
  return session?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
EVERY_CELL_RAN = """() => {
  const cells = jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === "code");
  return cells.at(-1).model.executionCount !== null;
}"""
TO_THE_TOP = "() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0 }"
# Chromium's own calls home, and the sandbox, which root cannot have.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start JupyterLab on a free port of this machine, with settings of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    environment = dict(
        os.environ,
        JUPYTER_PREFER_ENV_PATH="1",
        JUPYTER_CONFIG_DIR=str(folder / "config"),
        JUPYTERLAB_SETTINGS_DIR=str(folder / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"),
    )
    options = [
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--IdentityProvider.token=",
        "--allow-root",
    ]
    options += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options], env=environment, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=5)
            return server, address
        except OSError:
            time.sleep(0.5)
    server.terminate()
    raise RuntimeError("JupyterLab did not start within a minute")


def run_all(page: Page, address: str, name: str) -> None:
    """Open the notebook and run it; the kernel must be connected before, or the cells wait for ever."""
    page.goto(f"{address}/lab/tree/{name}?reset", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=TIMEOUT_MS)
    page.wait_for_function(KERNEL_IS_READY, timeout=TIMEOUT_MS)
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.info")
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
    page.wait_for_function(EVERY_CELL_RAN, timeout=TIMEOUT_MS)
    page.wait_for_function(KERNEL_IS_READY, timeout=TIMEOUT_MS)
    page.wait_for_timeout(1500)  # the last outputs are drawn


def arrange(page: Page) -> None:
    """Only the notebook, from its top, with the longest thought in sight unfolded."""
    page.add_style_tag(content=".jp-cell-toolbar, .jp-Collapser { visibility: hidden }")
    page.evaluate("() => { jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight() }")
    page.evaluate(TO_THE_TOP)
    page.wait_for_timeout(500)
    folds = page.locator("details").all()
    max(folds, key=lambda fold: len(fold.text_content() or "")).evaluate("fold => { fold.open = true }")
    page.evaluate(TO_THE_TOP)
    page.wait_for_timeout(500)


def main(arguments: list[str]) -> int:
    notebook = Path(arguments[0]) if arguments else ROOT / "notebooks" / "01_first_answer.ipynb"
    picture = Path(arguments[1]) if len(arguments) > 1 else ROOT / "docs" / "img" / "first_answer.png"
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("there is no Chromium here; install one or name it in CHROMIUM", file=sys.stderr)
        return 1
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        shutil.copy(notebook, folder)
        server, address = serve(folder)
        try:
            browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
            page = browser.new_page(viewport=SIZE, device_scale_factor=1.5)
            run_all(page, address, notebook.name)
            arrange(page)
            page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").first.screenshot(path=str(picture))
            browser.close()
        finally:
            server.terminate()
            server.wait(30)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
