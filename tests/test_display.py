"""What a reply looks like while it is written and when it is saved; that no answer can run on the page."""

import hashlib
import io
import json
import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ossnb.generation.record import Event, Reply, Stats
from ossnb.generation.sampling import Sampling
from ossnb.harmony.messages import ToolCall
from ossnb.notebook import display
from ossnb.notebook.display import CellView, TerminalView
from ossnb.notebook.progress import NotebookProgress
from ossnb.page.figures import stats_line
from ossnb.page.limiter import RateLimiter
from ossnb.page.safe import code_blocks, safe_markdown
from ossnb.page.terminal import safe_terminal
from ossnb.system.progress import of_bytes
from ossnb.tools.step import Step

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details><script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "[click](java&#x73;cript:alert(1))",
    "[click](<javascript:alert(1)>)",
    "[click][1]\n\n[1]: javascript:alert(1)",
    "[click](vbscript:x) [c](data:text/html;base64,PHNjcmlwdD4=) [c](file:///etc/passwd) [c](command:x)",
    "![secret](http://tracker.example/?secret)",
    "`a\nb` <script>alert(1)</script> `c`",
    "foo\n    ```\n    <script>alert(1)</script>",
    "- a\n\n   ```\n<script>alert(1)</script>\n   ```",
    "- ```\n  code\n  ```\n\n<script>alert(1)</script>",
    "| ` | <img src=x onerror=alert(1)> | ` |\n|-|-|-|\n",
    "$$\n<script>alert(1)</script>\n$$ and $<script>alert(1)</script>$",
    "$$![x](http://tracker.example)$$",
    r"$\href{javascript:alert(1)}{x}$ \[\bbox[background:url(http://tracker.example)]{x}\]",
    "\\begin{align}" + "x + " * 300 + r"\href{javascript:alert(1)}{x} \end{align}",
    r"\\begin{align} \\href{javascript:alert(1)}{x} \\end{align}",
    r"&#36;&#092;href{javascript:alert(1)}{x}&#36;",
    r"$&#92;href{javascript:alert(1)}{x}$ and &bsol;url{javascript:alert(1)}",
]
DRAWN = (
    '```mermaid\n%%{init: {"themeCSS": "* { background: url(http://tracker.example) }"}}%%\n'
    "flowchart TD\n  A-->B\n```"
)
DRAWINGS = [
    DRAWN,
    DRAWN.replace("```", "~~~"),
    DRAWN.replace("mermaid", " {mermaid} and more"),
    DRAWN.replace("mermaid", "MerMaid"),
    DRAWN.replace("mermaid", "&#109;ermaid"),
    "> " + DRAWN.replace("\n", "\n> "),
    "1. a\n   > " + DRAWN.replace("\n", "\n   > "),
    "- > " + DRAWN.replace("```", "~~~").replace("\n", "\n  > "),
    "text\n" + DRAWN.removesuffix("```"),
]
ACTIVE_TEX = re.compile(
    r"\\(href|url|style|class|cssId|bbox|require|html[A-Z]|csname|includegraphics)(?![a-zA-Z])"
)


class Tags(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.handlers, self.text = [], [], [], ""
        self.classes = []
        self.pieces = []  # of text in which a page looks for formulas
        self._open = []  # elements, and whether they keep formulas out
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("br", "hr", "img", "input"):
            names = (dict(attrs).get("class") or "").split()
            self._open.append((tag, tag in ("code", "pre") or "mathjax_ignore" in names))
        self.classes += [(value or "").lower() for name, value in attrs if name == "class"]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag):
        while self._open and tag in [open_tag for open_tag, _ in self._open]:
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data):
        self.text += data
        if not any(is_kept_out for _, is_kept_out in self._open):
            self.pieces.append(data)


def rendered(text: str) -> Tags:
    """Render as the laxest renderer would: raw HTML passes, every link target passes."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    renderer.validateLink = lambda url: True
    return Tags(renderer.render(safe_markdown(text)))


def assert_inert(page: Tags) -> None:
    assert not {"script", "img", "iframe", "style", "object", "embed", "form", "svg"} & set(page.tags)
    assert not page.handlers
    assert "language-mermaid" not in page.classes, "JupyterLab draws these, and fetches"
    assert all(link.split(":")[0] in ("http", "https", "mailto") for link in page.links if ":" in link)
    assert not any(ACTIVE_TEX.search(text) for text in page.pieces), "MathJax joins no text across elements"


# ---- markup ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", [*ATTACKS, *DRAWINGS])
def test_attacks_are_inert(attack):
    assert_inert(rendered(attack))


def test_code_keeps_its_language_and_drawings_are_shown_as_code():
    assert "language-python" in rendered("> ```Python\n> x\n> ```").classes
    assert code_blocks(DRAWN)[0].language == "mermaid"
    for drawing in DRAWINGS:
        assert "flowchart TD" in rendered(drawing).text


def test_attacks_are_shown_as_text():
    assert "<script>alert(1)</script>" in rendered(ATTACKS[0]).text
    assert "[click](javascript:alert(1))" in rendered(ATTACKS[3]).text


FRAGMENTS = st.one_of(
    st.sampled_from(
        ["\n", "\n\n", "\n  ", "\r", "\t", " ", "    ", "- ", "1. ", "14. ", "> ", "\n```\n", "\n    ```\n"]
    ),
    st.sampled_from(
        ["`", "``", "```", "~~~", "```html", "$", "$$", "\\", "\\(", "\\)", "\\[", "\\]", "|", "---", "# "]
    ),
    st.sampled_from(
        ["a", "א", "[a]", "[", "]", "](", "]:", "(", ")", "!", "<", "&lt;", "*", "<!--", "![i](http://e/x)"]
    ),
    st.sampled_from(["\\href{javascript:x}{y}", "\\href", "\\begin{align}", "\\end{align}", "&#92;", "url"]),
    st.sampled_from(["mermaid", "```mermaid\n", "\n> ```mermaid\n> x", "\n- > ~~~mermaid\n", "\n> "]),
    st.sampled_from(
        ["<https://e/x>", "<https://", "<script>", "<img src=x onerror=y>", "<a href=javascript:x>"]
    ),
    st.sampled_from(["[a](javascript:x)", "[a](&#106;avascript:x)", "[a]: javascript:x", "javascript:x"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14).map("".join))
@example("```html+ \n\n    ```\n\n```\n  foo<script>~~~1. \n   $")
@example("<a>```\r```html[a](&#106;avascript:x)javascript:x```[a]   ```html")
@example("\\[_![i](http://e/x)]-->([a]: javascript:x\\]\n")
@example("!<https://e/x>")
def test_no_text_is_active(text):
    assert_inert(rendered(text))


@pytest.mark.parametrize(
    "text", ["!<https://e/x>", "!【1†L1-L2】", "a!【1†L1】", "!!<https://e/x>", "\\\\!<https://e/x>"]
)
def test_a_link_that_is_made_here_is_no_picture(text):
    made = safe_markdown(text, lambda found: f"[{found[1:-1]}](https://e/x)")
    page = Tags(MarkdownIt("commonmark").render(made))
    assert page.tags in (["p", "a"], ["p", "br", "a"])


@pytest.mark.parametrize(
    "code",
    [
        "```html\n<b>bold</b> [a](javascript:x)\n```",
        "1. Do this:\n\n   ```html\n   <b>bold</b> [a](javascript:x)\n   ```",
        "1. Do this:\n    ```html\n    <b>bold</b> [a](javascript:x)\n    ```\n",
        "1. Do this:\n   ```html\n<b>bold</b> [a](javascript:x)\n```\n",
        "~~~\n<b>bold</b> [a](javascript:x)\n",
        "- ```\n  <b>bold</b> [a](javascript:x)\n  ```\n",
        "Inline `<b>bold</b> [a](javascript:x)` code",
        "Inline ``<b>bold</b> [a](javascript:x)`` code",
    ],
)
def test_code_is_shown_as_written(code):
    page = rendered(code)
    assert "code" in page.tags
    assert "<b>bold</b> [a](javascript:x)" in page.text
    assert_inert(page)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("List<int> x", "List<int> x"),
        ("\\<b>", "<b>"),
        ("costs $5 or $10", "costs $5 or $10"),
        ("costs \\$5 or \\$10", "costs $5 or $10"),
        ("AT&T &amp; co", "AT&T & co"),
        ("**bold** and `x = 1`", "bold and x = 1"),
        ("<https://example.org/a>", "https://example.org/a"),
        ("[site](https://example.org/a?b=c) <me@x.org>", "site <me@x.org>"),
        ("an open [bracket", "an open [bracket"),
        ("half a ``` fence", "half a ``` fence"),
        ("العربية 🙂 中文", "العربية 🙂 中文"),
    ],
)
def test_text_is_shown_as_meant(text, shown):
    assert rendered(text).text.strip() == shown


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"so \( a<b \) holds", r"so $a\lt b$ holds"),
        ("\\[\nE = mc^2\n\\]", "$$\nE = mc^2\n$$"),
        ("$x<y$ and $$x<y$$", r"$x\lt y$ and $$x\lt y$$"),
        (r"\begin{align} a &= b \\ c &= d \end{align}", r"\begin{align} a &= b \\ c &= d \end{align}"),
        ("pay $5 or $10", "pay <span>&#36;</span>5 or <span>&#36;</span>10"),
        (r"already \$5 and \$6", "already <span>&#36;</span>5 and <span>&#36;</span>6"),
    ],
)
def test_formulas_are_what_notebooks_typeset(tex, expected):
    assert safe_markdown(tex) == expected


def test_addresses_in_angle_brackets_are_links():
    address = "https://example.org/a_b_c/(d)?x=1&copy=2#é"
    page = rendered(f"see <{address}>, <http://x.org> or <ftp://x.org> and \\<https://x.org>")
    assert page.text.strip() == f"see {address}, http://x.org or <ftp://x.org> and <https://x.org>"
    assert page.links == ["https://example.org/a_b_c/%28d%29?x=1&copy=2#%C3%A9", "http://x.org"]
    assert rendered("<https://a](javascript:x)>").links == ["https://a%5D%28javascript:x%29"]


def test_links_to_the_web_stay():
    assert rendered("[a](https://example.org) [b](#here) [c](notes.md)").links == [
        "https://example.org",
        "#here",
        "notes.md",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["[", "](", "\\[", "$a", "`", "``` \n", "![", "<", "\\begin{a}", "[a](javascript:x)"]
)
def test_long_odd_answers_take_no_time(piece):
    began = time.process_time()
    safe_markdown((piece * 100_000)[:100_000])
    assert time.process_time() - began < 5


def test_terminal_text_cannot_drive_the_terminal():
    assert safe_terminal("a\x1b]0;title\x07\x9b2J\r\nb\tc") == "a␛]0;title␇�2J␍\nb\tc"


# ---- the rate ----------------------------------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(("n_chars", "most"), [(10, 21), (2_000, 21), (4_000, 11), (16_000, 3), (64_000, 1)])
def test_updates_a_second_fall_with_the_length(n_chars, most):
    clock = Clock()
    limiter = RateLimiter(clock)
    n_updates = 0
    for step in range(1000):
        clock.now = step / 1000
        n_updates += limiter.ready(n_chars)
    assert most - 1 <= n_updates <= most


# ---- a cell ------------------------------------------------------------------------------------------------


class Page:
    """A notebook cell: outputs by display id, in order, and how each was published."""

    def __init__(self, monkeypatch):
        self.outputs = {}
        self.n_messages = 0
        monkeypatch.setattr("IPython.display.publish_display_data", self.publish)

    def publish(self, data, metadata, transient, update):
        key = transient["display_id"]
        assert update == (key in self.outputs), "an output is displayed once and updated afterwards"
        self.outputs[key] = (data, metadata)
        self.n_messages += 1
        json.dumps([data, metadata])

    @property
    def shown(self):
        return list(self.outputs.values())


@pytest.fixture
def page(monkeypatch):
    return Page(monkeypatch)


def make_reply(**fields):
    defaults = {
        "text": "**42**",
        "reasoning": "17 + 25",
        "finish_reason": "stop",
        "stats": Stats(1260, 1204, 10, n_decode_steps=9, prefill_s=0.31, decode_s=0.5),
        "sampling": Sampling(temperature=0.5, seed=7),
        "effort": "low",
        "prompt_sha256": hashlib.sha256(b"1,2").hexdigest(),
        "model": "demo",
        "precision": "exact",
    }  # fmt: skip
    return Reply(**{**defaults, **fields})


def play(view, *events):
    for kind, text in events:
        view.on(Event(kind, text, token=1))


def test_reply_ends_as_three_outputs(page):
    view = CellView(Clock())
    play(view, ("reasoning", "17 "), ("reasoning", "+ 25"), ("answer", "**4"), ("answer", "2**"))
    view.finish(make_reply())
    (thinking, _), (answer, metadata), (figures, _) = page.shown
    assert "<details" in thinking["text/html"]
    assert "open" not in thinking["text/html"]
    assert "17 + 25" in thinking["text/html"]
    assert answer == {"text/markdown": "**42**", "text/plain": "**42**"}
    assert metadata["ossnb"]["seed"] == 7
    assert figures["text/plain"] == (
        "10 tokens · 18.0 tok/s · reused 1,204 of 1,260 tokens · prompt in 0.31 s · seed 7 · demo"
    )


def test_figures_say_one_token_and_a_seed_only_where_it_matters():
    stats = Stats(1, 0, 1, n_decode_steps=0, prefill_s=0.31)
    line = stats_line(make_reply(stats=stats, sampling=Sampling(temperature=0, seed=7)))
    assert line == "1 token · prompt 1 token in 0.31 s · temperature 0 · demo"


def test_metadata_tell_how_to_get_the_answer_again(page):
    for reply in (make_reply(), make_reply(sampling=Sampling(seed=2**63))):
        view = CellView(Clock())
        play(view, ("reasoning", "17 + 25"), ("answer", "42"))
        view.finish(reply, record={"chat": {"name": "tutor"}})
        (answer, metadata), _ = page.shown[-2:]
        assert metadata["ossnb"] == {**reply.to_dict(settings_only=True), "chat": {"name": "tutor"}}
    assert metadata["ossnb"]["seed"] == str(2**63), "a front end would round it"
    assert answer["text/plain"] == reply.text


def test_folded_reasoning_is_left_alone_while_the_answer_grows(page):
    clock = Clock()
    view = CellView(clock)
    play(view, ("reasoning", "hm"), ("answer", "a"))
    folded = page.shown[0]
    n_messages = page.n_messages
    for _ in range(10):
        clock.now += 1
        play(view, ("answer", "b"))
    assert page.n_messages == n_messages + 10
    assert page.shown[0] is folded


def test_reasoning_cannot_close_its_fold(page):
    view = CellView(Clock())
    attack = "</pre></details><script>alert(1)</script><img src=x onerror=y>"
    play(view, ("reasoning", attack), ("answer", attack))
    running = page.shown[0][0]["text/html"]
    view.finish(make_reply(reasoning=attack, text=attack, model="<b>x", notes=("<img src=x>",)))
    for bundle in [{"text/html": running}] + [data for data, _ in page.shown]:
        if "text/html" in bundle:
            assert set(Tags(bundle["text/html"]).tags) <= {"details", "summary", "pre", "div"}
    assert attack in Tags(page.shown[0][0]["text/html"]).text
    assert page.shown[1][0]["text/plain"] == attack


def test_few_updates_for_many_tokens(page):
    clock = Clock()
    view = CellView(clock)
    for _ in range(1000):
        clock.now += 0.001
        play(view, ("answer", "x"))
    assert page.n_messages <= 21


def test_progress_vanishes_when_the_text_begins(page):
    clock = Clock()
    view = CellView(clock)
    view.on(Event("progress", fraction=0.1))
    assert page.shown == [], "a prompt that is read at once needs no progress"
    clock.now = 1.0
    view.on(Event("progress", fraction=0.5))
    assert page.shown[0][0]["text/plain"] == "reading the prompt … 50%"
    clock.now = 2.0
    play(view, ("answer", "Hi"))
    ((shown, _),) = page.shown
    assert shown["text/plain"].startswith("Hi\n▍ not finished")


def test_how_long_a_prompt_takes_is_shown_at_once(page):
    view = CellView(Clock())
    view.on(Event("progress", "9,000 tokens, about 2 min", fraction=0.0))
    ((shown, _),) = page.shown
    assert shown["text/plain"] == "reading the prompt … 0% · 9,000 tokens, about 2 min"
    assert "about 2 min" in shown["text/html"]


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("interrupted", "stopped before"),
        ("length", "max_tokens"),
        ("context", "context"),
        ("stop", "empty answer"),
    ],
)
def test_empty_answer_says_why(page, reason, why):
    view = CellView(Clock())
    view.finish(make_reply(text="", reasoning="", finish_reason=reason))
    (answer, metadata), (figures, _) = page.shown
    assert why in answer["text/markdown"]
    assert answer["text/markdown"] == f"*{answer['text/plain']}*"
    assert metadata["ossnb"]["finish_reason"] == reason
    assert figures["text/plain"].startswith(("stopped", "cut off")) == (reason != "stop")


def test_tool_calls_are_shown_and_inert(page):
    call = ToolCall.parse("functions.get_<b>", '{"city": "</code><script>"}')
    view = CellView(Clock())
    view.on(Event("tool_call", call.raw, tool_call=call))
    view.finish(make_reply(text="", reasoning="", tool_calls=(call,), finish_reason="tool_calls"))
    shown = Tags(MarkdownIt("commonmark", {"html": True}).render(page.shown[0][0]["text/markdown"]))
    assert set(shown.tags) == {"p", "strong", "code"}
    assert call.raw in shown.text
    assert page.shown[0][0]["text/plain"] == 'calls get_<b> with {"city": "</code><script>"}'


def test_tool_call_is_not_swallowed_by_unclosed_code(page):
    call = ToolCall.parse("functions.weather", "{}")
    CellView(Clock()).finish(make_reply(text="- a\n  ```py\n  x = 1", reasoning="", tool_calls=(call,)))
    page = MarkdownIt("commonmark", {"html": True}).render(page.shown[0][0]["text/markdown"])
    assert "Calls <strong>weather</strong>" in page


def test_error_keeps_what_was_written(page):
    view = CellView(Clock())
    play(view, ("reasoning", "so"), ("answer", "half an "), ("answer", "answer"))
    view.abandon(make_reply(finish_reason="error"))
    data, metadata = page.shown[1]
    assert data["text/plain"] == "half an answer"
    assert metadata["ossnb"]["finish_reason"] == "error"


def test_what_a_formula_loses_is_seen():
    assert safe_markdown(r"$\href{a}{b} + \hrefs$") == r"$\mathtt{href}{a}{b} + \hrefs$"
    assert rendered(r"Write \href{a}{b}, or `\url{x}`.").text.strip() == r"Write \href{a}{b}, or \url{x}."


# ---- a download --------------------------------------------------------------------------------------------


def test_download_bar_is_one_output_without_widgets(page):
    clock = Clock()
    bar = NotebookProgress("<b>model</b>: 2.0 GB to download", 2_000_000_000, of_bytes(2_000_000_000), clock)
    for step in range(1000):
        clock.now = step / 1000
        bar.update(step * 1_000_000)
    bar.close()
    assert page.n_messages <= 23
    ((bundle, _),) = page.shown
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert Tags(bundle["text/html"]).tags == ["div", "br", "span"]
    assert bundle["text/plain"] == "<b>model</b>: 2.0 GB to download\n999 MB of 2.0 GB, 50%"


# ---- a terminal --------------------------------------------------------------------------------------------


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_terminal_gets_text():
    out = io.StringIO()
    view = TerminalView(out)
    play(view, ("reasoning", "hm "), ("reasoning", "so"), ("answer", "4"), ("answer", "2"))
    view.finish(make_reply(text="42!"))
    assert out.getvalue() == f"hm so\n\n42!\n{stats_line(make_reply())}\n"


def test_terminal_dims_the_thinking_and_clears_the_progress():
    out = Tty()
    view = TerminalView(out)
    view.on(Event("progress", fraction=0.5))
    play(view, ("reasoning", "hm\x1b[31m"), ("answer", "42"))
    progress = "\r\x1b[K\x1b[2mreading the prompt … 50%\x1b[0m"
    assert out.getvalue() == progress + "\r\x1b[K\x1b[2mhm␛[31m\x1b[0m\n\n42"


def on_screen(written):
    """What stays on a terminal's screen: the mark of an erased line takes what stands on it so far."""
    lines = [line.split("\r\x1b[K")[-1] for line in written.split("\n")]
    return re.sub(r"\x1b\[\d*m", "", "\n".join(lines))


@pytest.mark.parametrize("n_progress", [0, 1, 3])
def test_progress_erases_nothing_but_itself(n_progress):
    out = Tty()
    view, call = TerminalView(out), ToolCall.parse("functions.weather", "{}")

    def read():
        for n in range(n_progress):
            view.on(Event("progress", fraction=n / 4))

    read()
    play(view, ("reasoning", "hm"))
    view.on(Event("tool_call", "{}", token=1, tool_call=call))
    view.on(Event("tool_result", "sun", tool_call=call, step=Step(call, "sun", 0.1)))
    read()
    play(view, ("reasoning", "so"), ("answer", "Sunny."))
    read()
    view.finish(make_reply(text="Sunny."))
    assert on_screen(out.getvalue()) == (
        "hm\n\ncalls weather with {}\n\n[weather {} · 0.1 s] sun\nso\n\nSunny.\n"
        f"{stats_line(make_reply())}\n"
    )


def test_terminal_view_is_chosen_without_a_kernel():
    assert isinstance(display.view_for(None), TerminalView)
