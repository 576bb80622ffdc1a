"""Make a model's Markdown safe to render: all its text is shown, and none of it runs or is fetched.

A renderer may pass raw HTML through, follow a `javascript:` link or load a remote image. Renderers do not
agree where code ends. So a `<` of the model leaves this module only in fenced blocks that all renderers take
for code.
"""

import html
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_FENCE = re.compile(
    r"(?P<lead>(?:[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t])*)(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)"
)
_QUOTED_FENCE = re.compile(
    r"^(?P<lead>(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(?:`{3,}(?=[^`\n]*$)|~{3,}))(?P<info>.*)", re.MULTILINE
)
_LANGUAGE = re.compile(r"[a-z0-9_+#.-]{1,40}")
# Code that some front ends draw instead of showing it, and fetch for the drawing what it names.
_DRAWN = {
    "mermaid",
    "geojson",
    "topojson",
    "stl",
    "vega",
    "vega-lite",
    "vegalite",
    "plantuml",
    "image",
    "figure",
}
# TeX that makes links or elements of a page, in MathJax, its extensions or KaTeX; no formula needs them.
_MACROS = (
    r"(?:bbox|class|csname|cssId|data|href|html[A-Z][a-z]*|includegraphics|mmlToken|require|style|Tip|toggle|"
    r"texttip|unicode|url)(?![a-zA-Z])"
)
_BACKSLASH = r"&(?:\#0*92|\#[xX]0*5[cC]|bsol);?"  # as Markdown and HTML may write it
_PATTERN = r"""
      (?P<code>(?P<ticks>`+)(?P<code_text>(?!`)[^\n]{1,1000}?(?<!`))(?P=ticks)(?!`))
    | (?P<ticks_alone>`+)
    | (?P<display>\$\$(?P<display_text>.{1,1000}?)\$\$)
    | (?P<bracket>\\\[(?P<bracket_text>.{1,1000}?)\\\])
    | (?P<paren>\\\((?P<paren_text>[^\n]{1,1000}?)\\\))
    | (?P<environment>\\begin\{(?P<name>[a-z]{1,20}\*?)\}.{1,1000}?\\end\{(?P=name)\})
    | (?P<macro>\\+MACROS)
    | (?P<backslash>BACKSLASH)
    | (?P<escape>\\[!-#%-/:;=-@\[-`{-~])             # an escaped mark stays one; `\<` and `\$` come below
    | (?P<math>\$(?P<math_text>(?![\s$])[^$\n`]{1,1000}(?<![\s\\]))\$(?!\d))
    | (?P<dollar>\\?\$)
    | (?P<auto><(?P<address>https?://[^\s<>"'`\\]{1,400})>)
    | (?P<cite>CITE)
    | (?P<less>\\?<)
    | (?P<image>!(?=[\[<【]))                           # before what is a link, or becomes one
    | (?P<open>\[)
    | (?P<link>\](?=\(\s{0,9}(?P<target>\S{0,400})|:\s{0,9}(?P<definition>\S{0,400})))
    """.replace("MACROS", _MACROS).replace("BACKSLASH", _BACKSLASH)
_INLINE = re.compile(_PATTERN.replace("CITE", "(?!)"), re.VERBOSE | re.DOTALL)
_CITING = re.compile(_PATTERN.replace("CITE", r"【[^【】\n]{0,400}】"), re.VERBOSE | re.DOTALL)
_MACRO = re.compile(rf"\\({_MACROS})")
# Markdown turns `\$` into `$`, which MathJax then finds; but not across tags.
_DOLLAR, _ALONE = "<span>&#36;</span>", "<span>&#92;</span>"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SAFE_SCHEMES = {"http", "https", "mailto"}
_RIGHT = '<span style="display:block;text-align:right">'
_ITEM = r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+"
_PARAGRAPH = re.compile(rf"^(?P<lead>(?:{_ITEM})?[ \t]*)(?P<text>\S.*(?:\n(?!{_ITEM}).+)*)", re.MULTILINE)
# Headings, quotes, tables, rules, definitions of links, and formulas on lines of their own.
_AN_ITEM = re.compile(rf"^{_ITEM}", re.MULTILINE)
_OTHER_BLOCK = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]|>|[=-][= \t-]*$|\*[ *]*$|\[[^\]]*\]:)|\$\$|\|", re.MULTILINE
)
Cite = Callable[[str], str | None]
_ACTIVE = re.compile(r"<|\](?=[(:])|!(?=\[)")  # what starts HTML, a link, a link's definition or an image


def safe_markdown(text: str, cite: Cite | None = None) -> str:
    r"""Return Markdown that shows `text` as its writer meant it; a page can run and fetch nothing in it.

    >>> safe_markdown("Use `<b>` or <script>")
    'Use <code>&#60;b&#62;</code> or &lt;script>'

    Raw HTML is shown as text, images become links, links keep only http, https and mailto targets, `\( \)`
    and `\[ \]` become the `$` that notebooks typeset, and a `$` that is no formula stays a dollar sign.
    `cite` returns safe Markdown in the place of a citation, 【...】, or None where it stays as it is.
    """
    return "\n".join(_blocks(text, cite))


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block: the first word beside its fence, in lower case, and the code without indentation."""

    language: str
    code: str


def code_blocks(text: str) -> list[CodeBlock]:
    r"""List the fenced blocks of a Markdown text, as `safe_markdown` shows them; the last may be unclosed.

    >>> code_blocks("So:\n```python\nx = 1\n```")
    [CodeBlock(language='python', code='x = 1')]
    """
    blocks: list[CodeBlock] = []
    language, lines = "", list[str]()
    for kind, _, content in _scan(text):
        if kind == "open":
            language, lines = content, []
        elif kind == "code":
            lines.append(content)
        elif kind == "close" and any(line.strip() for line in lines):
            blocks.append(CodeBlock(language, "\n".join(lines).rstrip("\n")))
    return blocks


def _scan(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, line to show, content) for each line: prose, or open, code and close of a fenced block.

    Code is indented like its fence, so that no renderer ends it early. The content of an opening line is its
    language; the content of a code line is the line itself.
    """
    fence = indent = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if fence:
            body, expanded = line.strip(" \t"), line.expandtabs(4)
            depth = len(expanded) - len(expanded.lstrip())
            closes = set(body) == {fence[0]} and len(body) >= len(fence) and depth <= len(indent) + 3
            is_inside = bool(body) and depth >= len(indent)
            shown = line if is_inside and not closes else indent + body
            own = expanded if "\t" in line[: len(indent)] else line
            yield "close" if closes else "code", shown, own[len(indent) :] if is_inside else body
            if closes:
                fence = ""
        elif opener := _FENCE.fullmatch(line):
            fence, indent = opener["fence"], " " * len(opener["lead"].expandtabs(4))
            language = _language(opener["info"])
            yield "open", opener["lead"] + fence + _shown(language), language
        else:
            yield "prose", line, ""
    if fence:
        yield "close", indent + fence, ""  # what comes below the answer is not part of its code


def _language(info: str) -> str:
    """The language that stands beside a fence."""
    return "".join(info.split()[:1]).strip("{}.").lower()


def _shown(language: str) -> str:
    """The language for a renderer: a plain name, and never of a language that the renderer would draw."""
    return language if _LANGUAGE.fullmatch(language) and language not in _DRAWN else ""


def _blocks(text: str, cite: Cite | None) -> Iterator[str]:
    """Yield prose, made safe, and the lines of fenced blocks."""
    prose: list[str] = []
    for kind, line, _ in _scan(text):
        if kind == "prose":
            prose.append(line)
            continue
        if prose:  # and a blank line, since some renderers would let the paragraph swallow the fence
            yield _directed("\n".join(prose).rstrip() + "\n", cite)
            prose = []
        yield line
    if prose:
        yield _directed("\n".join(prose), cite)


def _directed(prose: str, cite: Cite | None) -> str:
    """Make prose safe; a paragraph runs from right to left if its first letter is of such a script.

    An indented line follows the paragraph that it belongs to; a line without letters follows the line above.
    """
    parts: list[tuple[str, str]] = []  # direction, paragraphs
    for paragraph in re.split(r"(?<=\n)(?=[ \t]*\n)", prose):
        letters = map(unicodedata.bidirectional, paragraph)
        first = next((kind for kind in letters if kind in ("L", "R", "AL")), "")
        before = parts[-1][0] if parts else ""
        is_part = not first or re.match(r"\s*\n[ \t]", paragraph)
        direction = before if is_part and before else "rtl" if first in ("R", "AL") else "ltr"
        if direction == before:
            parts[-1] = direction, parts[-1][1] + paragraph
        else:
            parts.append((direction, paragraph))
    return "".join(
        _safe_prose(text, cite)
        if direction == "ltr"
        else f'<div dir="rtl">\n\n{_on_the_right(_safe_prose(text, cite).strip())}\n\n</div>\n'
        for direction, text in parts
    )


def _on_the_right(prose: str) -> str:
    """Put the text of paragraphs and list items to the right: JupyterLab's style puts a `<p>` to the left.

    A span begins behind the mark of a list item and holds the lines of one paragraph. Other blocks, and what
    is indented so far that it may be code, stay as they are.
    """
    has_items = False
    parts = re.split(r"(\n(?:[ \t]*\n)+)", prose)
    for n in range(0, len(parts), 2):
        has_items = has_items or _AN_ITEM.search(parts[n]) is not None
        if not _OTHER_BLOCK.search(parts[n]):
            most = 4 if has_items else 3
            parts[n] = _PARAGRAPH.sub(lambda found, most=most: _in_span(found, most), parts[n])
    return "".join(parts)


def _in_span(paragraph: re.Match[str], most: int) -> str:
    lead = paragraph["lead"]
    indent = lead[: len(lead) - len(lead.lstrip())]
    return (
        paragraph[0] if "\t" in indent or len(indent) > most else f"{lead}{_RIGHT}{paragraph['text']}</span>"
    )


def _safe_prose(text: str, cite: Cite | None) -> str:
    text = _QUOTED_FENCE.sub(lambda found: found["lead"] + _shown(_language(found["info"])), text)
    last_close = max((found.start() for found in re.finditer(r"(?<!\\)\]", text)), default=-1)
    pattern = _INLINE if cite is None else _CITING
    return pattern.sub(lambda match: _safe_inline(match, last_close, cite), text)


def _safe_inline(match: re.Match[str], last_close: int, cite: Cite | None) -> str:
    found = match[0]
    kind = next(name for name in _KINDS if match[name] is not None)
    if kind == "code":
        is_active = _ACTIVE.search(found) or _MACRO.search(found)
        return f"<code>{as_entities(match['code_text'])}</code>" if is_active else found
    if kind in ("display", "bracket"):
        return f"$${_formula(match[f'{kind}_text'])}$$"
    if kind in ("paren", "math"):
        return f"${_formula(match[f'{kind}_text'].strip())}$"
    if kind == "environment":
        return _formula(found)
    if kind == "auto":  # `<https://…>`, of which a page would see a tag
        target = urllib.parse.quote(match["address"], safe="/:?#@!&+,;=%~-._").replace("&", "&amp;")
        return f"[{as_entities(match['address'])}]({target})"
    if kind == "link":
        unsafe = not _is_safe_target(match["target"] or match["definition"] or "")
        return "&#93;" if unsafe else found
    if kind == "open":  # never closed: some renderers would look for its end in the code that follows
        return "&#91;" if match.start() > last_close else found
    if kind == "cite":
        shown = None if cite is None else cite(found)
        return f"【{_safe_prose(found[1:-1], None)}】" if shown is None else shown
    if kind == "macro":  # no formula here, but a renderer may find one
        name = found.lstrip("\\")
        return _ALONE * ((len(found) - len(name) + 1) // 2) + name
    return {"dollar": _DOLLAR, "backslash": _ALONE, "less": "&lt;", "image": r"\!"}.get(kind, found)


_KINDS = (
    "code", "ticks_alone", "display", "bracket", "paren", "environment", "macro", "backslash", "escape",
    "math", "dollar", "auto", "cite", "less", "image", "open", "link",
)  # fmt: skip


def _formula(tex: str) -> str:
    """TeX that means the same, without HTML, links and styles, whether a page reads it as TeX or not."""
    plain = _MACRO.sub(r"\\mathtt{\1}", re.sub(_BACKSLASH, lambda found: "& " + found[0][1:], tex))
    return _ACTIVE.sub(lambda found: r"\lt " if found[0] == "<" else found[0] + " ", plain)


def as_entities(code: str) -> str:
    """Every mark as an entity, so that HTML and Markdown find nothing to do in it."""
    return re.sub(r"[!-/:-@\[-`{-~]", lambda mark: f"&#{ord(mark[0])};", code)


def as_text(text: str) -> str:
    """`as_entities` for running text, in which no typesetter finds a formula either."""
    return as_entities(text).replace("&#36;", _DOLLAR).replace("&#92;", _ALONE)


def _is_safe_target(target: str) -> bool:
    """Whether a link may stay: Markdown and browsers decode before they look for a scheme, so do it first."""
    plain = re.sub(r"[\\\s\x00-\x20]", "", html.unescape(html.unescape(target))).lstrip("<")
    scheme = _SCHEME.match(plain)
    if scheme is None:
        return 0 < len(target) < 400  # nothing to judge, or more than was looked at
    return scheme[1].lower() in _SAFE_SCHEMES
