"""Open a notebook in JupyterLab, wherever that runs: `python tools/open_lab.py NOTEBOOK [flags]`.

Jupyter wants a flag for root, as in a container, and waits for a browser that is not there; this adds what
the place needs, says so, and becomes JupyterLab.
"""

import os
import shutil
import sys
import webbrowser
from pathlib import Path
from urllib.parse import quote

CONTAINERS = ("/.dockerenv", "/run/.containerenv")


def has_browser(environ):
    """Whether a browser with a window can open here; one inside the terminal would take that over."""
    if sys.platform in ("darwin", "win32") or environ.get("BROWSER") or shutil.which("wslview"):
        return True
    if not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def needed_flags(given, *, is_root, browser):
    """The flags that this place needs beside those that were given."""
    named = {flag.partition("=")[0] for flag in given}
    flags = []
    if is_root and not named & {"--allow-root", "--ServerApp.allow_root"}:
        flags.append("--allow-root")
    if not browser and not named & {"--no-browser", "--browser", "--ServerApp.open_browser"}:
        flags.append("--no-browser")
    return flags


def address_of(notebook):
    """Let the address that JupyterLab prints be the notebook's: only a browser goes there by itself."""
    return f"--LabApp.default_url=/lab/tree/{quote(Path(notebook).name)}"


def advice(flags, given, environ):
    """Lines for the user: what was added and why, and the way to a server that has no browser."""
    lines = []
    if "--allow-root" in flags:
        lines.append("You are root, so JupyterLab gets --allow-root; whoever has its address acts as root.")
    if "--no-browser" in {*flags, *given}:
        lines.append("No browser opens here: open the address with http:// that JupyterLab prints below.")
        if any(map(os.path.exists, CONTAINERS)) and not any(flag.startswith("--ip") for flag in given):
            lines.append("From outside this container: publish the port, and make lab ARGS=--ip=0.0.0.0")
        elif environ.get("SSH_CONNECTION"):
            lines.append("From your own machine: ssh -L 8888:localhost:8888 to this one, then the address.")
    return lines


def main(notebook, *given):
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = needed_flags(given, is_root=is_root, browser=has_browser(os.environ))
    for line in advice(flags, given, os.environ):
        print(line, flush=True)
    if "--no-browser" in {*flags, *given}:
        flags.append(address_of(notebook))
    command = [sys.executable, "-m", "jupyterlab", str(Path(notebook)), *flags, *given]
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
