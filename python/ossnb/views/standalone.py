"""A view on a page of its own: one file, with no network and no kernel."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from .markup import Html

_STYLE = """
:root { color-scheme: light dark; --jp-ui-font-color2: #595959; }
@media (prefers-color-scheme: dark) { :root { --jp-ui-font-color2: #b0b0b0; } }
html { background: Canvas; color: CanvasText; }
body { font: 14px/1.4 system-ui, sans-serif; max-width: 72em; margin: 1.5em auto; padding: 0 1em; }
h1 { font-size: 130%; font-weight: 600; }
"""

# What stands for the kernel's end of a widget. The module before it has `render`.
_START = """
const values = JSON.parse(document.getElementById("values").textContent);
for (const [name, value] of Object.entries(values)) {
  if (value && typeof value === "object" && "base64" in value) {
    values[name] = new DataView(Uint8Array.from(atob(value.base64), (byte) => byte.charCodeAt(0)).buffer);
  }
}
const heard = {};
render({
  model: {
    get: (name) => values[name],
    set(name, value) {
      values[name] = value;
      for (const tell of heard[`change:${name}`] ?? []) tell();
    },
    save_changes() {},
    on: (name, tell) => (heard[name] ??= []).push(tell),
    off() {},
    send() {},
  },
  el: document.getElementById("view"),
});
"""


def standalone(title: str, picture: Html, widget: Any = None) -> str:
    """Return a whole page with a picture, and with a live view in its place where scripts run.

    >>> standalone("Tokens", Html.of("p", "<b>")).count("&lt;b&gt;")
    1

    The page allows one script, by its hash: the view's own code. What a model wrote is data for it.
    """
    policy, live = "default-src 'none'; style-src 'unsafe-inline'", ""
    if widget is not None:
        script = f"{_module(widget)}\n{_START}".replace("</script", "<\\/script")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
        live = (
            f'<div id="view"></div>\n<script type="application/json" id="values">{_values(widget)}</script>\n'
            f'<script type="module">{script}</script>\n'
        )
    policy += "; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"{Html.of('title', title)}\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{Html.of('h1', title)}\n{picture}\n{live}</main>\n</body>\n</html>\n"
    )


def _module(widget: Any) -> str:
    from .live import module

    return module(widget.script)


def _values(widget: Any) -> str:
    """A live view's values as JSON, in which nothing ends the script's element."""
    from .live import LiveView

    names = {name for kind in type(widget).__mro__ if issubclass(kind, LiveView) for name in vars(kind)}
    values = {name: getattr(widget, name) for name in widget.trait_names(sync=True) if name in names}
    written = json.dumps(values | {"has_kernel": False}, default=_as_base64, separators=(",", ":"))
    return written.replace("<", "\\u003c")


def _as_base64(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}
