"""The live views in a real browser: keys, branches, the picture they hide, and nothing a model wrote runs.

The page that loads a view gives it a model of plain values, does what a reader would, and leaves what it saw
as JSON in the document, which headless Chromium prints.
"""

from __future__ import annotations

import functools
import html
import json
import re
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

import ossnb
from fakes import random_model, scripted_model
from lab import CHROMIUM, FLAGS, axe_script, find_serious, need_browser
from ossnb.engine import spread
from ossnb.harmony.messages import ToolCall
from ossnb.testing import write_random_checkpoint
from ossnb.tools.approval import Asked
from ossnb.views.approval import Approval
from ossnb.views.live import AnswerNowView, module
from ossnb.views.markup import marked, percent
from ossnb.views.sliders import Sliders

EVIL = "<script>hit()</script><img src=x onerror=hit()><svg onload=hit()> [a](javascript:hit())"

PAGE = """<!doctype html><meta charset="utf-8"><body>
<script>window.hits = 0; window.hit = () => { window.hits += 1 }</script>
<div class="PICTURE">the picture</div><div id="view"></div>
<script type="module">
import view from "./MODULE.js";
const values = VALUES, heard = {}, sent = [];
for (const [name, value] of Object.entries(values))
  if (value?.bytes) values[name] = new DataView(new Uint8Array(value.bytes).buffer);
const model = {
  get: (name) => values[name],
  set: (name, value) => { values[name] = value; (heard["change:" + name] ?? []).forEach((f) => f()) },
  save_changes() {},
  on: (name, f) => { (heard[name] ??= []).push(f) },
  off: (name, f) => { heard[name] = (heard[name] ?? []).filter((g) => g !== f) },
  send: (content) => sent.push(content),
};
const el = document.getElementById("view"), picture = document.querySelector(".PICTURE");
const leave = view.render({ model, el });
const key = (name) =>
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const seen = {};
SCRIPT
await new Promise((done) => setTimeout(done, 50));
seen.hits = window.hits;
seen.elements = [...new Set([...el.querySelectorAll("*")].map((e) => e.localName))];
seen.hidden = getComputedStyle(picture).display;
leave();
seen.shown = getComputedStyle(picture).display;
seen.left = el.childElementCount;
seen.listeners = Object.values(heard).flat().length;
const out = document.createElement("pre");
out.id = "seen";
out.textContent = JSON.stringify(seen);
document.body.replaceChildren(out);
</script>"""


@pytest.fixture
def browse(tmp_path):
    """Load a view with a widget's values, run a script, return what the page saw."""
    need_browser()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *args: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def look(name, widget, script):
        values = {name: getattr(widget, name) for name in widget.trait_names(sync=True) if name[0] != "_"}
        values = {
            name: value for name, value in values.items() if name not in ("layout", "tooltip", "tabbable")
        }
        embedded = json.dumps(values, default=lambda raw: {"bytes": list(raw)}).replace("<", "\\u003c")
        page = PAGE.replace("MODULE", name).replace("PICTURE", widget.twin)
        (tmp_path / "page.html").write_text(page.replace("VALUES", embedded).replace("SCRIPT", script))
        (tmp_path / f"{name}.js").write_text(module(name))
        url = f"http://127.0.0.1:{server.server_address[1]}/page.html"
        done = subprocess.run(
            [
                CHROMIUM,
                *FLAGS,
                f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=5000",
                "--dump-dom",
                url,
            ],
            capture_output=True,
            text=True,
            timeout=300,
        )
        found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
        assert found, done.stdout[-2000:] + done.stderr[-2000:]
        return json.loads(html.unescape(found[1]))

    yield look
    server.shutdown()


def test_keys_move_through_tokens_and_alternatives_and_write_a_branch(browse):
    model = random_model()
    view = model.complete([5, 9, 2], max_tokens=12, seed=1).inspect(n_top=3)
    seen = browse("tokens", view.widget, """
      model.set("selected", 0);
      el.querySelector("[role=group]").focus();
      key("ArrowLeft"); key("ArrowRight"); key("ArrowRight"); key("ArrowRight"); key("ArrowLeft");
      seen.selected = model.get("selected");
      seen.facts = el.querySelector("[aria-live]").textContent;
      key("ArrowDown"); key("ArrowDown");
      seen.focused = document.activeElement.textContent;
      document.activeElement.click();
      model.set("selected", 3);
      model.set("selected", 2);
      seen.kept = document.activeElement.textContent;
      const hover = (at, clientX) => el.querySelector(`[data-at="${at}"]`).dispatchEvent(
        new MouseEvent("mouseover", { bubbles: true, clientX, clientY: 5 }));
      hover(7, 10); hover(9, 10);
      seen.hovered = model.get("selected");
      const click = (at) => el.querySelector(`[data-at="${at}"]`).click();
      click(5); hover(8, 20); seen.held = [model.get("selected")];
      click(6); hover(8, 30); seen.held.push(model.get("selected"));
      click(6); hover(8, 40); seen.held.push(model.get("selected"));
      model.set("selected", 2);
      key("Escape");
      seen.back = document.activeElement.getAttribute("role");
      key("ArrowRight");
      seen.sent = sent;
      el.querySelector("select").value = "entropy";
      el.querySelector("select").dispatchEvent(new Event("change"));
      seen.shade = model.get("shade");
      model.set("branches", [{ at: 1, name: "n", tokens: ["a", "<b>", "c"], special: [], n_left_out: 1234 }]);
      model.set("busy", true);
      [...el.querySelectorAll("button")].at(-1).click();
      seen.text = el.textContent;
    """)  # fmt: skip
    text, p = view.alternatives(2)[1]
    assert seen["selected"] == 2
    assert seen["facts"].startswith("token 2: “")
    assert marked(text) in seen["focused"]
    assert f"{float(f'{100 * p:.3g}'):g} %" in seen["focused"]
    assert seen["sent"][0] == {"type": "branch", "at": 2, "token": int(view.steps.top_ids[2, 1])}
    assert seen["sent"][1] == {"type": "stop"}
    assert seen["kept"] == seen["focused"], "the focus stays in the list"
    assert seen["hovered"] == 7, "a page that moves under the pointer selects nothing"
    assert seen["held"] == [5, 6, 8], "a click holds a token until the next one on it"
    assert (seen["back"], seen["shade"]) == ("group", "entropy")
    assert "a<b>c … 1,234 further tokens are not shown" in seen["text"]
    assert (seen["hidden"], seen["shown"], seen["left"], seen["listeners"]) == ("none", "block", 0, 0)


def test_keys_do_not_move_the_selection_out_of_sight(browse):
    model = random_model()
    view = model.complete([5, 9, 2], max_tokens=900, seed=1).inspect(n_top=1)
    seen = browse("tokens", view.widget, """
      const group = el.querySelector("[role=group]"), frame = () => group.getBoundingClientRect();
      group.focus();
      seen.gaps = [];
      for (const at of [0, 899, 400, 401, 2]) {
        model.set("selected", at);
        const own = group.querySelector(`[data-at="${at}"]`).getBoundingClientRect();
        seen.gaps.push(Math.min(own.top - frame().top, frame().bottom - own.bottom));
      }
      seen.height = frame().height;
      seen.more = group.scrollHeight;
    """)  # fmt: skip
    assert min(seen["gaps"]) > -1
    assert seen["more"] > 1.5 * seen["height"], "it scrolls"


def test_a_branch_that_is_being_written_leaves_the_reader_where_they_are(browse):
    model = random_model()
    view = model.complete([5, 9, 2], max_tokens=900, seed=1).inspect(n_top=1)
    seen = browse("tokens", view.widget, """
      const written = { at: 0, special: [], n_left_out: 0 };
      const branch = (n) => ({ ...written, name: `n ${n}`, tokens: Array(n).fill("word ") });
      const rest = () => new Promise((done) => setTimeout(done, 50));
      const show = async (...lengths) => { model.set("branches", lengths.map(branch)); await rest(); };
      const areas = () => [...el.querySelectorAll("[role=group]")];
      const places = () => areas().map((area) => Math.round(area.scrollTop));
      const focused = () => areas().indexOf(document.activeElement);
      await show(2000, 2000);
      const strip = areas()[0];
      model.set("selected", 450);
      strip.scrollTop += 60;  // the selected token stays in sight, so nothing but a branch could move it
      areas()[1].scrollTop = 200; areas()[2].scrollTop = 100;
      strip.focus({ preventScroll: true });
      seen.before = places();
      await show(2000, 2001);
      seen.strip = [strip === areas()[0], strip.isConnected, focused()];
      areas()[2].focus({ preventScroll: true });
      await show(2000, 2002);
      seen.branch = focused();
      seen.after = places();
      seen.names = areas().slice(1).map((area) => area.previousElementSibling.textContent);
      await show(2000);
      seen.fewer = areas().length;
    """)  # fmt: skip
    assert min(seen["before"]) > 0, "all of them scroll"
    assert seen["before"][1:] == [200, 100]
    assert seen["strip"] == [True, True, 0]
    assert seen["branch"] == 2
    assert seen["after"] == seen["before"]
    assert seen["names"] == ["n 2000", "n 2002"]
    assert seen["fewer"] == 2


def test_what_a_model_wrote_is_text_in_every_view(browse):
    model = scripted_model(f"<|channel|>final<|message|>{EVIL}")
    view = model.generate("Hi", seed=1).inspect(n_top=2)
    seen = browse("tokens", view.widget, 'seen.text = el.querySelector("[role=group]").textContent;')
    assert EVIL in seen["text"]
    assert seen["hits"] == 0
    assert set(seen["elements"]) <= {"button", "div", "option", "select", "span", "style", "wbr"}


def test_the_heat_map_follows_the_token(browse, tmp_path):
    folder = write_random_checkpoint(tmp_path / "model", "tiny", seed=3)
    with ossnb.load(folder, threads=1, context=64) as model:
        experts = model.complete([5, 9, 2], max_tokens=6, seed=1).experts()
    seen = browse("experts", experts.widget, """
      el.querySelector("[role=group]").focus();
      key("ArrowRight"); key("ArrowRight");
      seen.selected = model.get("selected");
      const lines = [...el.querySelectorAll("table tr")].slice(1);
      const rows = lines.map((line) => [...line.querySelectorAll("td")]);
      seen.lit = rows.map((row) => [...row.keys()].filter((i) => row[i].textContent));
      seen.names = rows.map((row) => row[0].parentElement.firstChild.textContent);
      el.querySelectorAll("[role=group]")[1].focus();
      key("ArrowDown"); key("ArrowRight"); key("ArrowDown"); key("ArrowLeft"); key("ArrowLeft");
      seen.facts = el.querySelector("[aria-live]").textContent;
      seen.title = rows[0][experts[0]].title;
    """.replace("experts[0]", str(experts.ids[0, 2, 0])))  # fmt: skip
    assert seen["selected"] == 2
    assert seen["lit"] == [sorted(row) for row in experts.ids[:, 2].tolist()]
    assert seen["names"] == [f"layer {layer}" for layer in range(len(seen["lit"]))]
    assert "; layer 1, expert 0: " in seen["facts"], "keys go from cell to cell"
    assert seen["title"].endswith(f": {percent(round(float(experts.weights[0, 2, 0]), 4))}")
    assert (seen["hidden"], seen["shown"], seen["listeners"]) == ("none", "block", 0)


def test_the_written_token_has_a_row_with_its_rank(browse):
    model = random_model()
    view = model.complete([5, 9, 2], max_tokens=12, seed=1).inspect(n_top=3)
    at = int(view.steps.ranks.argmax())
    seen = browse("tokens", view.widget, f"""
      model.set("selected", {at});
      seen.rows = [...el.querySelectorAll("button.ossnb-row")].map((row) => row.textContent);
    """)  # fmt: skip
    assert len(seen["rows"]) == 4
    (row,) = [row for row in seen["rows"] if "← written" in row]
    assert row.startswith(str(view.steps.ranks[at] + 1))
    assert percent(view.probabilities[at]) in row


def test_special_tokens_go_and_come_by_one_switch_and_keys_pass_over_them(browse):
    model = scripted_model(
        "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>No"
    )
    view = model.generate("Hi", seed=1).inspect(n_top=2)
    seen = browse("tokens", view.widget, """
      const group = el.querySelector("[role=group]"), button = el.querySelector("button.ossnb-switch");
      seen.names = [button.textContent];
      seen.texts = [group.innerText];
      model.set("selected", 3);
      button.click();
      seen.names.push(button.textContent);
      seen.texts.push(group.innerText);
      group.focus(); key("ArrowRight");
      seen.selected = model.get("selected");
      button.click();
      seen.texts.push(group.innerText);
    """)  # fmt: skip
    assert seen["names"] == ["Hide special tokens", "Show special tokens"]
    assert [text.split() for text in seen["texts"]][1] == ["Hm", "No"]
    assert seen["texts"][0] == seen["texts"][2]
    assert "<|channel|>analysis" in seen["texts"][0]
    assert view.reply.tokens[seen["selected"]] == view.reply.tokens[-2], "from the thought to the answer"


def test_keys_and_buttons_go_from_difference_to_difference(browse):
    model = random_model(n_vocab=60)
    view = ossnb.compare([model.complete([5, 9, 2], max_tokens=40, seed=seed) for seed in (1, 2)])
    seen = browse("compare", view.widget, """
      const facts = () => el.querySelector("[aria-live]").textContent;
      const chosen = () => [...el.querySelectorAll("[role=group]")].map((group) =>
        [...group.querySelectorAll(".ossnb-chosen")].map((span) => Number(span.dataset.at)));
      seen.facts = [facts()];
      seen.chosen = [chosen()];
      el.querySelector("[role=group]").focus();
      key("ArrowLeft"); key("ArrowRight");
      seen.facts.push(facts());
      seen.chosen.push(chosen());
      [...el.querySelectorAll("button")].find((button) => button.textContent.startsWith("Previous")).click();
      seen.facts.push(facts());
    """)  # fmt: skip
    n = len(view.differences)
    assert n > 1
    starts = [difference[0][0] for difference in view.differences]
    assert seen["facts"] == [f"difference {k + 1} of {n}, from token {starts[k]} on" for k in (0, 1, 0)]
    assert seen["chosen"] == [[list(range(*part)) for part in view.differences[k]] for k in (0, 1)]
    assert (seen["hidden"], seen["shown"], seen["left"], seen["listeners"]) == ("none", "block", 0, 0)


def test_attention_shades_what_the_selected_token_looked_at(browse, tmp_path):
    folder = write_random_checkpoint(tmp_path / "model", "tiny", seed=3)
    with ossnb.load(folder, threads=1, context=64) as model:
        attention = model.complete([5, 9, 2], max_tokens=6, seed=1).attention(layer=1)
    seen = browse("attention", attention.widget, """
      seen.first = model.get("selected");
      el.querySelector("[role=group]").focus();
      key("ArrowRight"); key("ArrowLeft"); key("ArrowLeft");
      seen.selected = model.get("selected");
      seen.facts = el.querySelector("[aria-live]").textContent;
      seen.titles = [...el.querySelectorAll("[data-at]")].map((span) => span.title);
    """)  # fmt: skip
    assert (seen["first"], seen["selected"]) == (5, 3)
    assert "token 3 " in seen["facts"]
    assert seen["titles"] == [f"{i}: {percent(share)}" for i, share in enumerate(attention.weights[3])]
    assert (seen["hidden"], seen["shown"], seen["listeners"]) == ("none", "block", 0)


SETTINGS = [
    {},
    {"temperature": 0.35},
    {"temperature": 0.0},
    {"temperature": 1.7, "top_k": 4},
    {"top_p": 0.6},
    {"top_p": 0.05},
    {"temperature": 1.8, "top_p": 0.95, "min_p": 0.02},
    {"repetition_penalty": 1.6},
    {"repetition_penalty": 1.3, "temperature": 0.5, "top_k": 40, "top_p": 0.8, "min_p": 0.3},
    {"repetition_penalty": 2.0, "top_k": 250},
    {"repetition_penalty": 2.0, "top_p": 0.98},
    {"repetition_penalty": 2.0, "min_p": 0.001},
    {"repetition_penalty": 2.0, "temperature": 0.0},
]


def test_the_page_weighs_logits_as_the_kernel_does(browse):
    model = random_model(n_vocab=700)
    reply = model.complete([5, 9, 2, *range(400)], max_tokens=30, seed=1)
    panel = Sliders(model, reply=reply)
    first = dict.fromkeys(("temperature", "top_p", "repetition_penalty"), 1.0) | {"top_k": 0, "min_p": 0.0}
    seen = browse("distribution", panel.controls.view, """
      seen.told = [];
      for (const settings of SETTINGS) {
        for (const [name, value] of Object.entries(settings)) model.set(name, value);
        for (const at of [0, 17, 29]) {
          model.set("selected", at);
          await new Promise((done) => setTimeout(done, 5));
          const told = [...el.querySelectorAll("th, td, [aria-live]")].map((e) => e.textContent);
          seen.told.push(told.filter((text) => text));
        }
        seen.titles = (seen.titles ?? []).concat([[...el.querySelectorAll("[data-at]")].map((e) => e.title)]);
        seen.underlined = (seen.underlined ?? []).concat(el.querySelectorAll("[style*=underline]").length);
      }
    """.replace("SETTINGS", json.dumps([first | settings for settings in SETTINGS])))  # fmt: skip
    told = iter(seen["told"])
    for settings, titles, underlined in zip(SETTINGS, seen["titles"], seen["underlined"], strict=True):
        panel.set(**first | settings)
        shares = panel.written_shares()
        assert underlined == (shares < 0.05).sum()
        for t, title in enumerate(titles):
            assert same(title, f"{t}: {percent(shares[t])} now"), settings
        for at in (0, 17, 29):
            panel.select(at)
            *saved_texts, _, _ = texts(panel.next_token_html())  # the legend comes last
            for live, saved in zip(next(told), saved_texts, strict=True):
                assert same(live, saved), settings


def texts(page):
    """The texts of a piece of HTML."""
    return [html.unescape(text) for text in re.findall(r">([^<]+)<", page)]


def same(one, other):
    """Equal but for the last digit of a percentage."""
    number = re.compile(r"[\d.]+(?= %)")
    if number.sub("", one) != number.sub("", other):
        return False
    pairs = zip(number.findall(one), number.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= 0.011 * float(b) + 1e-3 for a, b in pairs)


def test_a_page_of_its_own_is_live_fetches_nothing_and_runs_nothing_else(tmp_path):
    need_browser()
    from playwright.sync_api import sync_playwright

    model = scripted_model(f"<|channel|>final<|message|>{EVIL}</script>{EVIL}")
    reply = model.generate("Hi", seed=1)
    pages = {"tokens": reply.inspect(n_top=3), "compare": ossnb.compare([reply, reply.branch(4, " a b")])}
    for name, view in pages.items():
        view.to_html(tmp_path / f"{name}.html")
    axe = axe_script()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, view in pages.items():
            for scheme in ("light", "dark"):
                # The policy of the page would keep out the script of axe, too.
                page = browser.new_page(color_scheme=scheme, bypass_csp=True)
                told, fetched = [], []
                page.on("console", lambda message, told=told: told.append(message.text))
                page.on("pageerror", lambda error, told=told: told.append(str(error)))
                page.on("request", lambda request, fetched=fetched: fetched.append(request.url))
                page.goto((tmp_path / f"{name}.html").as_uri())
                page.locator("[role=group]").first.focus()
                page.keyboard.press("ArrowRight")
                page.keyboard.press("ArrowLeft")
                assert page.locator("[aria-live]").inner_text()
                assert not page.locator(f".{view.widget.twin}").is_visible(), (
                    "the view stands in for its picture"
                )
                assert page.locator("[role=group]").first.inner_text().count("<script>") == 2
                assert page.locator("button.ossnb-row").count() == 0, "there is nobody to write a branch"
                assert page.evaluate("() => typeof window.hits") == "undefined"
                if axe:
                    serious, passed = find_serious(page, axe, "body")
                    assert serious == [], (name, scheme)
                    assert "color-contrast" in passed
                assert told == []
                assert [url for url in fetched if not url.startswith("file:")] == []
                page.close()
        page = browser.new_page()  # with its policy
        told = []
        page.on("console", lambda message: told.append(message.text))
        page.goto((tmp_path / "tokens.html").as_uri())
        page.locator("[role=group]").first.wait_for()
        assert told == []
        browser.close()


def test_sources_without_single_heads_go_from_token_to_token(browse, monkeypatch):
    monkeypatch.setattr(spread, "MOST_EACH", 0)
    model = ossnb.load("demo")
    reply = model.generate(EVIL, seed=1, max_tokens=12)
    sources = reply.sources()
    seen = browse(
        "sources",
        sources.widget,
        """
      const facts = () => el.querySelector("[aria-live]").textContent;
      seen.selects = el.querySelectorAll("select").length;
      seen.whole = [facts(), el.querySelector("button").getAttribute("aria-pressed")];
      el.querySelector("[aria-label^='tokens of the answer']").focus();
      key("ArrowRight"); key("ArrowRight");
      seen.one = [facts(), el.querySelector("button").getAttribute("aria-pressed")];
      el.querySelector("button").click();
      seen.again = facts();
    """,
    )
    name, share = max(sources.rows(), key=lambda row: row[2])[::2]
    assert seen["selects"] == 0
    assert seen["whole"] == [f"the whole answer looked most at {name}: {percent(share)}", "true"]
    assert seen["one"][0].startswith("token 2 ")
    assert (seen["one"][1], seen["again"]) == ("false", seen["whole"][0])
    assert (seen["hits"], seen["hidden"], seen["left"], seen["listeners"]) == (0, "none", 0, 0)
    assert not {"script", "img", "svg", "a"} & set(seen["elements"])


# ---- the question whether a call may run -------------------------------------------------------------------


def test_a_question_is_decided_by_its_keys_and_not_at_once(browse):
    panel = Approval(Asked.about(ToolCall.parse("python", EVIL)))
    seen = browse(
        "approval",
        panel.widget,
        """
      const code = el.querySelector("pre"), group = el.querySelector("[role=group]");
      const [run, not] = el.querySelectorAll("button");
      seen.begin = [group.getAttribute("aria-label"), run.textContent, not.textContent, code.textContent];
      run.click(); run.focus(); key("y");
      seen.early = sent.length;
      const wait = (ms) => new Promise((done) => setTimeout(done, ms));
      await wait(700);
      seen.told = el.querySelector("[role=status]").textContent;
      for (const element of [run, not, code]) for (const name of ["y", "n", "Escape", "Enter", "x"]) {
        element.focus(); key(name);
      }
      run.click(); not.click();
      run.dispatchEvent(new KeyboardEvent("keydown", { key: "y", repeat: true, bubbles: true }));
      run.dispatchEvent(new KeyboardEvent("keydown", { key: "y", ctrlKey: true, bubbles: true }));
      seen.sent = sent.map(({ runs }) => runs);
      run.focus();
      values.words = "You said yes";
      model.set("state", "runs");
      run.click();
      seen.late = sent.length;
      seen.focus = document.activeElement.localName;
      seen.folded = !el.querySelector("details").open;
      await wait(200);
      seen.end = [el.querySelector("summary").textContent, el.querySelector("[role=status]").textContent];
      model.set("state", "typed");
      seen.typed = el.querySelectorAll("pre, button, summary").length;
    """,
    )
    assert seen["begin"] == ["Run this code?", "Run", "Don't run", EVIL]
    assert seen["early"] == 0
    assert seen["told"] == "A call waits for your word. Run this code?"
    # Enter on a button is the button's own.
    assert seen["sent"] == [True, False, False] * 2 + [True, False, False, True] + [True, False]
    assert seen["late"] == len(seen["sent"])
    assert (seen["focus"], seen["folded"]) == ("summary", True)
    assert seen["end"] == ["You said yes", "You said yes"]
    assert (seen["typed"], seen["hits"], seen["left"], seen["listeners"]) == (0, 0, 0, 0)
    assert not {"script", "img", "svg", "a"} & set(seen["elements"])


# ---- the button that ends a thought ------------------------------------------------------------------------


def test_answer_now_tells_that_it_was_heard_and_not_at_once(browse):
    """Whoever clicks twice asks twice, which does no harm."""
    seen = browse(
        "answer_now",
        AnswerNowView(twin="picture"),
        """
      const button = el.querySelector("button"), told = el.querySelector("[role=status]");
      seen.begin = [button.textContent, button.title, told.textContent];
      button.click();
      seen.early = [sent.length, told.textContent];
      await new Promise((done) => setTimeout(done, 700));
      button.click();
      button.click();
      seen.sent = sent;
      seen.told = told.textContent;
    """,
    )
    assert seen["begin"] == ["Answer now", "End the thought, and go on with the answer", ""]
    assert seen["early"] == [0, ""]
    assert seen["sent"] == [{"type": "answer"}] * 2
    assert seen["told"] == "The thought ends; the answer follows."
    assert (seen["hits"], seen["left"], seen["listeners"]) == (0, 0, 0)
