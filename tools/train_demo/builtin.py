# ruff: noqa: E501 - prompts are data and stay on one line
"""The built-in tools `python` and `browser`, as ossnb defines them in a system message.

They stand here so that training needs no ossnb; `check_rendering.py` compares them with what ossnb renders.
"""

from __future__ import annotations

from typing import Any

PYTHON = """## python

Use this tool to execute Python code in your chain of thought. The user sees the code folded away, and the pictures that it draws.

When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook environment. python will respond with the output of the execution or time out after 120.0 seconds. Internet access for this session is disabled."""

# python:here, which has the notebook's own variables
HERE = """## python

Use this tool to execute Python code in the notebook of the user, who reads each snippet before it runs. The user sees the code, its output and the pictures that it draws.

When you send a message containing Python code to python, it will be executed in the user's own Jupyter notebook, with the variables that are there. python will respond with the output of the execution or time out after 120.0 seconds."""

BROWSER = """## browser

// Tool for browsing.
// The `cursor` appears in brackets before each browsing display: `[{cursor}]`.
// Cite information from the tool using the following format:
// `【{cursor}†L{line_start}(-L{line_end})?】`, for example: `【6†L9-L11】` or `【8†L3】`.
// Do not quote more than 10 words directly from the tool output.
// sources=documents (default: documents)
namespace browser {

// Searches for information related to `query` and displays `topn` results.
type search = (_: {
query: string,
topn?: number, // default: 10
source?: string,
}) => any;

// Opens the link `id` from the page indicated by `cursor` starting at line number `loc`, showing `num_lines` lines.
// Valid link ids are displayed with the formatting: `【{id}†.*】`.
// If `cursor` is not provided, the most recent page is implied.
// If `id` is a string, it is treated as a fully qualified URL associated with `source`.
// If `loc` is not provided, the viewport will be positioned at the beginning of the document or centered on the most relevant passage, if available.
// Use this function without `id` to scroll to a new location of an opened page.
type open = (_: {
id?: number | string, // default: -1
cursor?: number, // default: -1
loc?: number, // default: -1
num_lines?: number, // default: -1
view_source?: boolean, // default: false
source?: string,
}) => any;

// Finds exact matches of `pattern` in the current page, or the page given by `cursor`.
type find = (_: {
pattern: string,
cursor?: number, // default: -1
}) => any;

} // namespace browser"""


def python(given: str = "") -> str:
    """Return the section of the python tool; `given` tells of the variables that are there already."""
    return f"{PYTHON}\n\nThese variables are there already: {given}." if given else PYTHON


def definitions(section: str) -> list[dict[str, Any]]:
    """Return the tools of a section as ossnb takes them."""
    if section == BROWSER:
        from ossnb.documents.browser import DEFINITION

        return [DEFINITION]
    return [{"type": "builtin", "name": "python", "description": section.partition("\n\n")[2]}]
