"""The panels in a real JupyterLab, as a reader meets them: mouse, keys, Stop, dark, a page with no kernel."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from lab import Lab, axe_script, find_serious, need_axe, need_browser

pytestmark = pytest.mark.xdist_group("lab")  # one JupyterLab for all

FIRST = Path(__file__).parent.parent / "notebooks" / "01_first_answer.ipynb"
PROMPT = "Tell me a story about a fox named Mia."
PANELS = [
    "import json, ossnb\nmodel = ossnb.load('demo')\n"
    f"reply = model.generate({PROMPT!r}, seed=3, max_tokens=80)",
    "view = reply.inspect()\nview",
    "view.experts()",
    f"panel = ossnb.sliders({PROMPT!r}, reply=reply)\npanel",
    "view.attention(layer=-1)",
    "reply.logit_lens()[:16]",
    f"ossnb.compare([reply, *(model.generate({PROMPT!r}, seed=seed) for seed in (1, 2))])",
    "scrubber = model.generate('What is 17 + 25?', temperature=0).answers_after()\nscrubber",
    "sources = reply.sources()\nsources",
]
INSPECT, EXPERTS, SLIDERS, ATTENTION, LENS, COMPARE, ANSWERS, LOOKED = range(1, 9)

EVIL = (
    "<script>window.hits=1</script><img src=x onerror='window.hits=1'><svg onload='window.hits=1'></svg> "
    "[a](javascript:window.hits=1) <a href='javascript:window.hits=1'>b</a> "
    r"$\href{javascript:window.hits=1}{c} \style{color:red}{d}$"
    "\n\n> ```mermaid\n> %%{init: {'themeCSS': '* { background: url(http://evil.test/a.png) }'}}%%\n"
    "> flowchart TD\n>   A-->B"
    "\n\n~~~mermaid\nflowchart TD\n  A@{ img: 'http://evil.test/b.png', w: 60, h: 60 }\n~~~\n"
)
UNTRUSTED = [
    "import numpy as np, ossnb\n"
    "from fakes import scripted_model, sources_view\n"
    "from ossnb.views.attention import Attention\n"
    "from ossnb.views.experts import Experts\n"
    "from ossnb.views.lens import LogitLens\n"
    f"evil = {EVIL!r}\n"
    "model = scripted_model('<|channel|>analysis<|message|>' + evil + '<|end|>'\n"
    "    '<|start|>assistant<|channel|>final<|message|>' + evil)\n"
    "ossnb.set_default_model(model)\n"
    "%load_ext ossnb",
    f"%%oss --out reply\n{EVIL}",
    "view = reply.inspect(n_top=2)\nview",
    "view.branch(len(reply.tokens) - 3, evil)",
    "tokens = np.array(reply.tokens, np.int32)\n"
    "T = len(tokens)\n"
    "Experts(tokens, np.zeros((2, T, 1), np.int32), np.ones((2, T, 1), np.float32), 4)",
    "Attention(tokens, np.full((T, T), 1 / T, np.float32), evil, T - 1)",
    "LogitLens(tokens, np.arange(2, dtype=np.int32), np.stack([tokens, tokens])[:, :, None],\n"
    "          np.zeros((2, T, 1), np.float32))",
    "sources_view(reply, evil)",
    "panel = ossnb.sliders(evil, reply=reply)\npanel",
]

ANSWER = 'Try:\n\n```python\nx = 1\nprint(f"{x} <b> &amp;")\n```\n\nor\n\n```bash\nls\n```\n'
CODE = [
    "import ossnb\nfrom fakes import scripted_model\n"
    f"ossnb.set_default_model(scripted_model('<|channel|>final<|message|>' + {ANSWER!r}))",
    "%%oss\nHow?",
    "# below",
]

FOLD = [
    "import time, ossnb\nfrom fakes import scripted_model\n"
    "model = scripted_model('<|channel|>analysis<|message|>' + 'well ' * 30 + '<|end|><|start|>assistant'\n"
    "                       '<|channel|>final<|message|>' + 'one two three ' * 80)\n"
    "model.engine.core.before_forward = lambda n: time.sleep(0.03)\n"
    "ossnb.set_default_model(model)",
    "%%oss\nHow?",
]

SLOW = [
    "import time, ossnb\n"
    "from fakes import scripted_model\n"
    "model = scripted_model('<|channel|>final<|message|>' + 'one two three ' * 400)\n"
    "model.engine.core.before_forward = lambda n: time.sleep(0.02)",
    "panel = ossnb.sliders('Count', model=model)\npanel",
    "other = ossnb.sliders('Count', model=model)\nother",
    "began = time.monotonic()\n"
    "while 'temperature' not in panel.settings and time.monotonic() < began + 60:\n"
    "    time.sleep(0.05)\n"
    "print('heard' if 'temperature' in panel.settings else 'deaf')",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    need_browser()
    with Lab.start(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture(scope="module")
def panels(lab):
    """A notebook with every panel; a test must not care what others did to it."""
    with lab.open("panels", PANELS) as notebook:
        notebook.run_all()
        wait_for_panels(notebook)
        yield notebook


def wait_for_panels(notebook):
    for index in (INSPECT, EXPERTS, ATTENTION, COMPARE, LOOKED):
        notebook.cell(index).locator("[role=group]").first.wait_for()
    button(notebook.cell(SLIDERS), "Generate").wait_for()


def button(cell, name):
    return cell.get_by_role("button", name=name, exact=True)


def wait_facts(notebook, index, text):
    """Wait until a view tells of what was chosen in it."""
    notebook.cell(index).locator("[aria-live=polite]").filter(has_text=text).wait_for()


def setting(notebook, name):
    return json.loads(notebook.kernel(f"print(json.dumps(panel.controls.sliders[{name!r}].value))"))


# ---- tokens, experts, attention ----------------------------------------------------------------------------


def test_a_token_is_chosen_by_mouse_or_keys_in_all_views_at_once(panels):
    tokens = panels.cell(INSPECT).locator("[role=group]").first
    tokens.locator("[data-at='4']").hover()
    wait_facts(panels, INSPECT, "token 4:")
    tokens.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        panels.page.keyboard.press(key)
    wait_facts(panels, INSPECT, "token 5:")
    wait_facts(panels, EXPERTS, "token 5 ")
    wait_facts(panels, ATTENTION, "token 5 ")


def test_enter_on_an_alternative_writes_a_branch_beside_the_reply(panels):
    cell = panels.cell(INSPECT)
    tokens = cell.locator("[role=group]").first
    tokens.locator("[data-at='3']").hover()
    wait_facts(panels, INSPECT, "token 3:")
    tokens.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        panels.page.keyboard.press(key)
    name = cell.get_by_text("Branch 1: ").first  # the other is in the picture
    name.wait_for()
    cell.get_by_text("writing a branch").wait_for(state="detached")
    is_it = (
        "branch = view.branches[0]; print(branch.tokens[:3] == reply.tokens[:3],"
        " branch.tokens[3] == view.steps.top_ids[3, 1], len(branch.tokens) > 4)"
    )
    assert panels.kernel(is_it) == "True True True"
    assert name.bounding_box()["x"] > tokens.bounding_box()["x"] + 100
    panels.picture("inspect", cell)


def test_the_heat_map_is_of_the_selected_token(panels):
    cell = panels.cell(EXPERTS)
    cell.locator("[role=group]").first.locator("[data-at='6']").hover()
    wait_facts(panels, EXPERTS, "token 6 ")
    lit = cell.locator(".ossnb-map tr").evaluate_all(
        """rows => rows.slice(1).map(row => [...row.querySelectorAll("td")]
          .map((cell, i) => cell.textContent && i).filter(i => i !== ""))"""
    )
    assert lit == json.loads(
        panels.kernel("print([sorted(row) for row in reply.experts().ids[:, 6].tolist()])")
    )
    named = {
        "experts": EXPERTS,
        "attention": ATTENTION,
        "logit_lens": LENS,
        "compare": COMPARE,
        "answers": ANSWERS,
        "sources": LOOKED,
    }
    for name, index in named.items():
        panels.picture(name, panels.cell(index))


def test_a_scrubber_goes_over_the_thought_by_keys_and_by_clicks(panels):
    """What the page shows is what the kernel has; the tokens that were not thought are struck through."""
    cell = panels.cell(ANSWERS)
    ask = "print([[n, a.text, a.text == scrubber.reply.text] for n, a in scrubber.answers.items()])"
    answers = ast.literal_eval(panels.kernel(ask))
    slider, shown = cell.get_by_role("slider"), cell.get_by_role("group", name="the answer")
    slider.focus()
    for key in ["ArrowLeft"] * (len(answers) - 1) + ["ArrowRight"]:
        slider.press(key)
    n, text, _ = answers[1]
    wait_facts(panels, ANSWERS, f"stopped after {n} token")
    assert shown.text_content() == text
    tokens = cell.locator(".ossnb-token")
    assert cell.locator(".ossnb-cut").count() == tokens.count() - n
    tokens.nth(0).click()
    n, text, own = answers[0]
    wait_facts(panels, ANSWERS, f"stopped after {n} token")
    assert shown.text_content() == text
    assert (("another answer (") in cell.locator("[aria-live]").text_content()) is not own


def test_the_sources_of_a_token_in_a_head_are_those_of_python(panels):
    """Nothing is chosen at first; then a token by keys, a layer and a head."""
    cell = panels.cell(LOOKED)
    ask = "print([round(float(x), 6) for x in {}])"
    assert_shares(cell, ast.literal_eval(panels.kernel(ask.format("sources.shares"))))
    strip = cell.get_by_role("group", name="tokens of the answer")
    strip.focus()
    for _ in range(3):
        panels.page.keyboard.press("ArrowRight")
    wait_facts(panels, LOOKED, "token 3 ")
    assert_shares(cell, ast.literal_eval(panels.kernel(ask.format("sources.by_token[3]"))))
    cell.get_by_label("layer").select_option("2")
    cell.get_by_label("head").select_option("5")
    head = "reply.attention(layer=2, head=5).weights[3]"
    one = f"[{head}[p.start:p.stop].sum() for p in sources.parts]"
    assert_shares(cell, ast.literal_eval(panels.kernel(ask.format(one))))
    button(cell, "Whole answer").click()
    wait_facts(panels, LOOKED, "the whole answer looked")
    assert_shares(cell, ast.literal_eval(panels.kernel(ask.format("sources.by_head[2, 5]"))))


def assert_shares(cell, shares):
    texts = cell.locator(".ossnb-view .ossnb-number").all_inner_texts()[:-1]
    assert [float(text.strip("<%").rstrip(" %")) / 100 for text in texts] == pytest.approx(
        shares, rel=0.01, abs=2e-5
    )


# ---- the sliders -------------------------------------------------------------------------------------------


def test_a_slider_moves_by_mouse(panels):
    handle = panels.cell(SLIDERS).locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    box, before = handle.bounding_box(), setting(panels, "temperature")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    panels.page.mouse.move(*middle)
    panels.page.mouse.down()
    panels.page.mouse.move(middle[0] + 30, middle[1], steps=3)
    panels.page.mouse.up()
    code = panels.cell(SLIDERS).locator("textarea").last
    for _ in range(100):
        panels.page.wait_for_timeout(100)
        after = setting(panels, "temperature")
        if after > before and f"temperature={after!r}" in code.input_value():
            return
    raise AssertionError(f"{before} became {after}; the code is {code.input_value()}")


# From the key to the frame that shows the new picture.
DRAWN_MS = """async handle => {
  const area = handle.closest(".jp-OutputArea");
  const host = area.querySelector(".jupyter-widgets table");
  const drawn = new Promise(done => {
    const watch = new MutationObserver(() => { watch.disconnect(); requestAnimationFrame(() => done()) });
    watch.observe(host, { childList: true, subtree: true, attributes: true });
  });
  handle.focus();
  const began = performance.now();
  handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
  await drawn;
  return performance.now() - began;
}"""


def test_keys_move_a_slider_and_the_pictures_follow(panels, record_property):
    panels.kernel("panel.set(temperature=1.6)")
    cell = panels.cell(SLIDERS)
    times = []
    for _ in range(12):
        times.append(round(cell.locator(".noUi-handle").first.evaluate(DRAWN_MS), 1))
        panels.page.wait_for_timeout(100)
    print(f"from key to picture, ms: {sorted(times)}")
    record_property("slider_ms", sorted(times))
    assert setting(panels, "temperature") == pytest.approx(1.0)
    unlikely = int(panels.kernel("print((panel.written_shares() < 0.05).sum())"))
    cell.get_by_text(f"{unlikely} of ").first.wait_for()
    assert cell.locator(".jupyter-widgets span[style*=underline]").count() == unlikely
    panels.kernel("panel.set(temperature=0.6, top_p=0.9)")
    cell.locator("textarea").last.scroll_into_view_if_needed()
    panels.page.wait_for_timeout(500)
    panels.picture("sliders", cell)


def test_apply_reaches_later_cells(panels):
    panels.kernel("panel.set(temperature=0.6, top_p=1.0)")
    button(panels.cell(SLIDERS), "Apply to %%oss cells").click()
    panels.cell(SLIDERS).get_by_text("later %%oss cells use temperature=0.6; ").wait_for()
    ask = "from ossnb.page.defaults import cell_defaults; print(cell_defaults()['temperature'])"
    assert panels.kernel(ask) == "0.6"


# ---- the page ----------------------------------------------------------------------------------------------

# The least contrast, as WCAG counts it, of any text with what lies behind it, shades included.
CONTRAST = """areas => {
  const parse = colour => (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return below.map((c, i) => alpha * top[i] + (1 - alpha) * c);
  };
  // What lies behind a text, and the text: each ancestor's paint, then its opacity over all within.
  const paint = ([e, ...inner], below) => {
    const style = getComputedStyle(e), ground = over(parse(style.backgroundColor), below);
    const pair = inner.length ? paint(inner, ground) : [ground, over(parse(style.color), ground)];
    return pair.map(colour => over([...colour, Number(style.opacity)], below));
  };
  const bright = rgb => {
    const [r, g, b] = rgb.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let least = [99, ""];
  for (const area of areas) for (const e of area.querySelectorAll("span, td, th, p, div, button")) {
    const hasText = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!hasText || !e.offsetParent || e.disabled) continue;
    const path = [];
    for (let p = e; p; p = p.parentElement) path.unshift(p);
    const [back, text] = paint(path, [255, 255, 255]).map(bright);
    const contrast = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
    if (contrast < least[0]) least = [contrast, e.outerHTML.slice(0, 300)];
  }
  return least;
}"""


OUTPUTS = ".jp-OutputArea-output"


def assert_readable(notebook, cell, picture):
    """Anybody can read a cell's outputs in both themes; the pictures have this name."""
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        notebook.picture(picture if theme == "Light" else f"{picture}_dark", cell)
        contrast, where = cell.locator(OUTPUTS).evaluate_all(CONTRAST)
        assert contrast > 3, (theme, where)
        if axe := axe_script():
            assert find_serious(notebook.page, axe, OUTPUTS)[0] == [], theme


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_everything_can_be_read_in_both_themes(panels, theme):
    panels.theme(theme)
    contrast, where = panels.page.locator(".jp-OutputArea-output").evaluate_all(CONTRAST)
    assert contrast > 3, where
    panels.cell(INSPECT).scroll_into_view_if_needed()
    if theme == "Dark":
        panels.picture("dark")
    panels.theme("Light")


NARROW = 560


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_views_are_for_all_readers(panels, theme):
    axe = need_axe()
    panels.theme(theme)
    told, passed = find_serious(panels.page, axe, OUTPUTS)
    panels.theme("Light")
    assert told == []
    assert {"aria-input-field-name", "button-name", "color-contrast", "label", "select-name"} <= set(passed)


# What is wider than its place, except where it can be scrolled to; and what leaves the page.
CUT = """area => [...area.querySelectorAll("*")].filter(e => {
  if (!e.offsetParent || e.closest("svg, .noUi-target, [style*='overflow-x'], .ossnb-sideways")) return false;
  const place = area.getBoundingClientRect(), own = e.getBoundingClientRect();
  return own.width > 0 && own.right > place.right + 2;
}).map(e => e.outerHTML.slice(0, 200))"""


def test_nothing_is_cut_off_in_a_narrow_window(panels):
    wide = panels.page.viewport_size
    panels.page.set_viewport_size({"width": NARROW, "height": 1000})
    panels.page.wait_for_timeout(500)
    cut = [panels.cell(index).evaluate(CUT) for index in range(1, len(PANELS))]
    buttons = (
        panels.cell(SLIDERS)
        .locator("button")
        .evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)")
    )
    panels.page.set_viewport_size(wide)
    assert cut == [[]] * (len(PANELS) - 1)
    assert buttons == []


def test_nothing_moves_for_readers_who_want_reduced_motion(panels):
    longest = """area => Math.max(...[...area.querySelectorAll("*")].map(e => getComputedStyle(e))
      .flatMap(style => [style.transitionDuration, style.animationDuration])
      .flatMap(text => text.split(",").map(parseFloat)))"""
    panels.page.emulate_media(reduced_motion="reduce")
    assert panels.cell(SLIDERS).evaluate(longest) == 0
    panels.page.emulate_media(reduced_motion="no-preference")


def test_nothing_is_fetched_and_no_script_fails(panels):
    assert panels.external == []
    assert panels.errors == []


PICTURES = """() => [...document.querySelectorAll(".jp-RenderedHTMLCommon > div[class^='ossnb-']")]
  .map(e => getComputedStyle(e).display)"""


def test_a_page_without_a_kernel_has_every_picture(lab):
    with lab.open("saved", PANELS) as notebook:
        notebook.run_all()
        wait_for_panels(notebook)
        # A live view stands in for its picture; the lens has a picture alone.
        assert notebook.page.evaluate(PICTURES) == ["none"] * 4 + ["block", "none", "none", "none"]
        assert "widgets" not in notebook.save().metadata
        notebook.shut_down()
        notebook.load()
        notebook.cell(LENS).locator("table").wait_for()
        assert notebook.page.evaluate(PICTURES) == ["block"] * 8
        assert notebook.cell(INSPECT).locator("span[title*=entropy]").count() > 5
        assert notebook.cell(EXPERTS).locator("svg rect title").count() > 5
        assert notebook.cell(SLIDERS).get_by_text("would now be unlikely").is_visible()
        notebook.picture("reloaded")
        for theme in ("Dark", "Light"):
            notebook.theme(theme)
            contrast, where = notebook.page.locator(".jp-OutputArea-output").evaluate_all(CONTRAST)
            assert contrast > 3, (theme, where)
            if axe := axe_script():
                assert find_serious(notebook.page, axe, OUTPUTS)[0] == [], theme
        assert notebook.external == []


def test_what_a_model_wrote_does_nothing_live_or_saved(lab):
    with lab.open("untrusted", UNTRUSTED) as notebook:
        notebook.run_all()
        button(notebook.cell(len(UNTRUSTED) - 1), "Generate").wait_for()
        notebook.cell(2).get_by_text("Branch 1: ").first.wait_for()
        assert_harmless(notebook)
        assert notebook.cell(2).locator("[role=group]").first.inner_text().count("<script>") == 2
        notebook.save()
        notebook.shut_down()
        notebook.load()
        notebook.cell(len(UNTRUSTED) - 1).get_by_text("would now be unlikely").wait_for()
        assert_harmless(notebook)


def assert_harmless(notebook):
    """Nothing ran, and there is nothing that would, such as a link to click."""
    notebook.page.wait_for_timeout(500)
    assert notebook.page.evaluate("() => window.hits ?? 0") == 0
    risky = notebook.page.locator(".jp-OutputArea-output *").evaluate_all(
        """all => all.filter(e => ["SCRIPT", "IMG", "IFRAME", "OBJECT"].includes(e.tagName) || e.onload ||
          e.onerror || /^\\s*javascript:/i.test(e.getAttribute("href") ?? "")).map(e => e.outerHTML)"""
    )
    assert risky == []
    assert notebook.external == []


def test_the_first_notebook_as_a_newcomer_sees_it(lab):
    with lab.open("first_answer", FIRST) as notebook:
        notebook.run_all()
        folds = notebook.page.locator("details")
        longest = max(folds.all(), key=lambda fold: len(fold.text_content()))
        longest.evaluate("fold => { fold.open = true }")
        assert longest.locator("pre").is_visible()
        notebook.page.set_viewport_size({"width": 980, "height": 1110})
        notebook.page.add_style_tag(content=".jp-cell-toolbar, .jp-Collapser { visibility: hidden }")
        notebook.page.evaluate("() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0 }")
        notebook.picture("first_answer", notebook.page.locator(".jp-WindowedPanel-outer").first)
        assert (notebook.external, notebook.errors) == ([], [])


def test_the_page_does_not_jump_when_the_thought_folds(lab):
    watch = """() => {
      const area = document.querySelectorAll(".jp-Notebook-cell")[1].querySelector(".jp-OutputArea");
      window.heights = [];
      const look = () => {
        const height = Math.round(area.getBoundingClientRect().height);
        const seen = [height, Boolean(area.querySelector("details"))];
        if (String(seen) !== String(window.heights.at(-1))) window.heights.push(seen);
        requestAnimationFrame(look);
      };
      look();
    }"""
    with lab.open("still", FOLD) as notebook:
        notebook.run(0)
        notebook.page.evaluate(watch)
        notebook.run(1)
        assert notebook.cell(1).locator("details").is_visible()
        heights = notebook.page.evaluate("() => window.heights")
        fold = next(i for i, (_, is_folded) in enumerate(heights) if is_folded)
        assert heights[fold - 1][0] > 10, "the thought was on the page"
        assert heights[fold][0] >= heights[fold - 1][0], heights


def test_a_reader_may_open_the_thinking_while_the_answer_is_written(lab):
    with lab.open("fold", FOLD) as notebook:
        notebook.run(0)
        notebook.run(1, wait=False)
        cell = notebook.cell(1)
        cell.locator("summary").click()
        written = cell.locator(".jp-RenderedMarkdown").inner_text()
        notebook.wait_ran(1)
        assert len(cell.locator(".jp-RenderedMarkdown").inner_text()) > len(written) + 100, "it went on"
        assert cell.locator("details").evaluate("fold => fold.open")
        assert cell.locator("details pre").is_visible()


GIVEN = [
    "import time, ossnb\nfrom pathlib import Path\nfrom fakes import scripted_model\n"
    "Path('notes').mkdir(exist_ok=True)\n"
    "n = Path('notes/sky.md').write_text('# Sky\\n\\nThe sky is <b>green</b>.\\n')\n"
    "text = '<script>alert(1)</script> ' * 20\n"
    "model = scripted_model('<|channel|>final<|message|>It is green【0†L2】, not red【7†L1】. '"
    " + 'one two three ' * 80)\n"
    "model.engine.core.before_forward = lambda n: time.sleep(0.03)\n"
    "ossnb.set_default_model(model)",
    "%%oss --doc notes/sky.md\nWhat color is it? Look at @text, too.",
]


def test_citations_are_links_and_what_was_given_is_folded(lab):
    with lab.open("given", GIVEN) as notebook:
        notebook.run(0)
        notebook.run(1, wait=False)
        cell = notebook.cell(1)
        cell.locator("summary").click()
        cell.locator(".jp-RenderedMarkdown").get_by_text("It is green").wait_for()
        notebook.wait_ran(1)
        assert cell.locator("details").evaluate("fold => fold.open"), "it stays open while the answer grows"
        assert cell.locator("summary").inner_text().startswith("given · text ")
        assert "<script>alert(1)</script>" in cell.locator("details pre").inner_text()
        shown = cell.locator(".jp-RenderedMarkdown")
        link = shown.get_by_role("link", name="notes/sky.md, line 3")
        assert link.get_attribute("title") == "The sky is <b>green</b>."
        assert "not red【7†L1】 (invented: there is no page 7)" in shown.inner_text()
        assert_harmless(notebook)
        for theme in ("Dark", "Light"):
            notebook.theme(theme)
            notebook.picture(f"given_{theme.lower()}", cell)
            contrast, where = cell.locator(".jp-OutputArea-output").evaluate_all(CONTRAST)
            assert contrast > 3, (theme, where)
        link.click()
        notebook.page.locator(".lm-TabBar-tabLabel", has_text="sky.md").wait_for()


STEPS = [
    "import ossnb\nfrom fakes import model_of_rounds\n"
    "def get_weather(city: str):\n    'Tell the weather.'\n"
    "    if city == 'Rome':\n        raise LookupError('the station is closed')\n"
    "    return {'weather': 'sunny', 'degrees': 21}\n"
    "call = ('<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>'\n"
    '  \'{{"city": "{}"}}<|call|>\')\n'
    "code = ('<|channel|>analysis to=python code<|message|>from PIL import Image, ImageDraw\\n'\n"
    '    \'image = Image.new("RGB", (300, 90), "white")\\npen = ImageDraw.Draw(image)\\n\'\n'
    "    'for n in range(10):\\n    pen.rectangle((30 * n, 85 - 8 * n, 30 * n + 20, 85), \"steelblue\")\\n'\n"
    "    'print(f\"{21:>8} degrees\")\\nimage<|call|>')\n"
    "ossnb.set_default_model(model_of_rounds(\n"
    "    '<|channel|>analysis<|message|>I look.<|end|><|start|>assistant' + call.format('Paris'),\n"
    "    call.format('Rome'), code, '<|channel|>final<|message|>It is **sunny** in Paris.'))",
    "%%oss --tool get_weather,python:here --yes --seed 1\nWhat is the weather?",
]


def test_steps_can_be_read_folded_and_open_in_both_themes(lab):
    with lab.open("steps", STEPS) as notebook:
        notebook.run(0, 1)
        cell = notebook.cell(1)
        notebook.page.wait_for_timeout(500)
        assert cell.locator("details > summary").count() == 4
        assert cell.locator("details[open] img").is_visible()
        notebook.picture("steps", cell)
        cell.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
        for theme in ("Dark", "Light"):
            notebook.theme(theme)
            contrast, where = cell.locator(".jp-OutputArea-output").evaluate_all(CONTRAST)
            assert contrast > 3, (theme, where)
            notebook.picture(f"steps_{theme.lower()}", cell)
        notebook.page.set_viewport_size({"width": NARROW, "height": 1000})
        notebook.page.wait_for_timeout(500)
        assert cell.evaluate(CUT) == []


SOURCES = "() => jupyterapp.shell.currentWidget.content.widgets.map(w => w.model.sharedModel.getSource())"
RAN = (
    "() => jupyterapp.shell.currentWidget.content.widgets.filter(w => w.model.executionCount !== null).length"
)


def test_a_click_or_a_key_puts_code_into_a_cell_below_and_runs_nothing(lab):
    python, bash = 'x = 1\nprint(f"{x} <b> &amp;")', "%%bash\nls"
    with lab.open("code", CODE) as notebook:

        def wait_below(*sources):
            notebook.page.wait_for_function(
                f"n => ({SOURCES})().length === n && ({SOURCES})()[2]", arg=2 + len(sources)
            )
            assert notebook.page.evaluate(SOURCES)[2:] == list(sources)

        notebook.run(0, 1)
        buttons = notebook.page.locator("button[data-commandlinker-command]")
        buttons.nth(0).click()
        wait_below(python, "# below")
        buttons.nth(1).focus()
        notebook.page.keyboard.press("Enter")
        wait_below(bash, python, "# below")
        assert notebook.page.evaluate(RAN) == 2
        notebook.picture("code", notebook.cell(1))
        assert notebook.errors == []


# ---- bad moments -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slow(lab):
    """Two panels on one model that takes its time."""
    with lab.open("slow", SLOW) as notebook:
        notebook.run(0, 1, 2)
        for index in (1, 2):
            button(notebook.cell(index), "Generate").wait_for()
        yield notebook


def test_stop_works_while_two_panels_write_with_one_model(slow):
    for index in (1, 2):
        button(slow.cell(index), "Generate").click()
        slow.cell(index).get_by_text("one two three").first.wait_for()
    slow.picture("stop", slow.cell(1))
    for index, name in ((1, "panel"), (2, "other")):
        button(slow.cell(index), "Stop").click()
        slow.cell(index).get_by_text("stopped · ").wait_for()
        reason, n_tokens = slow.kernel(f"print({name}.reply.finish_reason, len({name}.reply.tokens))").split()
        assert reason == "cancelled"
        assert 0 < int(n_tokens) < 1200


def test_sliders_and_stop_are_heard_while_a_cell_runs(slow):
    panel = slow.cell(1)
    slow.kernel("panel.set(temperature=1.0)")
    button(panel, "Generate").click()
    panel.get_by_text("stopped · ").wait_for(state="detached")
    slow.run(3, wait=False)
    slow.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"
    )
    button(panel, "Stop").click()
    panel.get_by_text("stopped · ").wait_for()
    panel.locator(".noUi-handle").first.focus()
    slow.page.keyboard.press("ArrowLeft")
    slow.wait_ran(3)
    assert slow.cell(3).inner_text().strip() == "heard"


# ---- the user's word ---------------------------------------------------------------------------------------

ASKS = [
    "import ossnb\nfrom fakes import model_of_rounds\nfrom ossnb.views import approval\n"
    "approval.SEEN_S = 200  # however busy the machine is\n"
    "call = '<|channel|>analysis to=python code<|message|>{}<|call|>'.format\n"
    "ossnb.set_default_model(model_of_rounds(call('x += 1\\nprint(\"<b>\", x)'), call('x = 100'),\n"
    "                                        '<|channel|>final<|message|>Done.'))\n"
    "x = 1",
    "%%oss --tool python:here --seed 1\nGo.",
]


def test_a_call_runs_after_a_click_and_is_refused_by_a_key(lab):
    with lab.open("asks", ASKS) as notebook:
        notebook.run(0)
        notebook.run(1, wait=False)
        cell = notebook.cell(1)
        button(cell, "Run").wait_for()
        assert cell.locator("[role=group] pre").inner_text() == 'x += 1\nprint("<b>", x)'
        notebook.page.wait_for_timeout(700)
        assert_readable(notebook, cell, "approval")
        button(cell, "Run").click()
        live = cell.locator(".ossnb-view")
        live.get_by_text("You said yes").first.wait_for()
        button(cell, "Don't run").wait_for()
        notebook.page.wait_for_timeout(700)
        button(cell, "Don't run").focus()
        notebook.page.keyboard.press("n")
        notebook.wait_ran(1)
        assert notebook.page.evaluate("() => document.activeElement.textContent") == (
            "✗ You said no: it did not run"
        )
        assert notebook.kernel("print(x, [step.error for step in _oss.steps])") == (
            "2 [None, 'the user declined this call']"
        )
        assert_harmless(notebook)
        notebook.save()
        notebook.shut_down()
        notebook.load()
        for words in ("You said yes: it ran", "You said no: it did not run"):
            notebook.cell(1).locator("summary", has_text=words).wait_for()
        assert notebook.errors == []


def test_a_page_loaded_again_does_not_hang_the_kernel_that_asks(lab):
    """The buttons are gone with the page that ran the cell; what it saved says what to do."""
    with lab.open("asks_again", ASKS) as notebook:
        notebook.run(0)
        notebook.run(1, wait=False)
        button(notebook.cell(1), "Run").wait_for()
        notebook.save()
        notebook.load()
        notebook.cell(1).get_by_text("An interrupt of the kernel means no.").wait_for()
        notebook.page.wait_for_function(CONNECTED)
        notebook.command("notebook:interrupt-kernel")
        notebook.wait_ready()
        assert notebook.kernel("print(x, _oss.finish_reason, _oss.steps[0].error)") == (
            "1 interrupted the user declined this call, by an interrupt, and it did not begin"
        )


CONNECTED = """() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.connectionStatus ===
  'connected'"""


# ---- a thought that takes long -----------------------------------------------------------------------------

THINKS = [
    "import time, ossnb\nfrom fakes import thinking_model\nmodel = thinking_model('It is 42.')\n"
    "model.engine.core.before_forward = lambda n: time.sleep(0.05)\nossnb.set_default_model(model)",
    "%%oss\nHow?",
    "panel = ossnb.sliders('How?', model=model)\npanel.set(max_tokens=4096)\npanel",
]
# Of a thought that is longer than its line.
SHOWS_ITS_END = """() => {
  const line = document.querySelectorAll(".jp-Notebook-cell")[1].querySelector(".jp-OutputArea pre");
  const [own, place] = [line, line.parentElement].map(e => e.getBoundingClientRect());
  return own.left < place.left && Math.abs(own.right - place.right) < 1;
}"""
IS_ENDED = "print({}.notes[0].startswith('the thought was ended after'), {}.text, {}.finish_reason)"


def test_a_long_thought_is_ended_by_a_key_while_its_cell_runs(lab):
    """The button is there beside the thought, the answer takes its place, and nothing of it is saved."""
    with lab.open("thinks", THINKS) as notebook:
        notebook.run(0)
        notebook.run(1, wait=False)
        cell = notebook.cell(1)
        now = button(cell, "Answer now")
        now.wait_for()
        notebook.page.wait_for_function(SHOWS_ITS_END)
        assert_readable(notebook, cell, "answer_now")
        now.focus()
        notebook.page.keyboard.press("Enter")
        cell.locator(".jp-RenderedMarkdown", has_text="It is 42.").wait_for()
        notebook.wait_ran(1)
        assert now.count() == 0
        assert notebook.kernel(IS_ENDED.replace("{}", "_oss")) == "True It is 42. stop"
        notebook.picture("answered_now", cell)
        saved = notebook.save()
        assert "widgets" not in saved.metadata
        kinds = [kind for output in saved.cells[1].outputs for kind in output.data]
        assert kinds == ["text/html", "text/plain", "text/markdown", "text/plain", "text/html", "text/plain"]
        assert_harmless(notebook)
        notebook.shut_down()
        notebook.load()
        notebook.wait_ready()
        cell.locator(".jp-RenderedMarkdown", has_text="It is 42.").wait_for()
        assert now.count() == 0
        assert "widget" not in cell.inner_text(), "JupyterLab misses none"
        assert notebook.errors == []


def test_a_long_thought_is_ended_in_the_panel(lab):
    with lab.open("panel_thinks", THINKS) as notebook:
        notebook.run(0, 2)
        panel = notebook.cell(2)
        assert button(panel, "Answer now").is_disabled()
        button(panel, "Generate").click()
        panel.locator("button:not([disabled])", has_text="Answer now").focus()
        notebook.page.keyboard.press("Enter")
        panel.get_by_text("the thought was ended after").first.wait_for()
        assert button(panel, "Answer now").is_disabled()
        assert notebook.kernel(IS_ENDED.replace("{}", "panel.reply")) == "True It is 42. stop"
        assert notebook.errors == []


# ---- many rows ---------------------------------------------------------------------------------------------

COLOUR = "It is <b>red</b> & costs $5 or $6."
MAPS = [
    "import time, ossnb, pandas as pd\nfrom fakes import scripted_model\n"
    f"model = scripted_model('<|channel|>final<|message|>' + {COLOUR!r} + '<|return|>')\n"
    "model.engine.core.before_forward = lambda n: time.sleep(0.05)\nossnb.set_default_model(model)\n"
    "df = pd.DataFrame({'fruit': [f'fruit {n}' for n in range(40)]})",
    "%%oss colours << --map df --temperature 0\nWhat colour has {fruit}?",
]


def test_a_map_says_how_far_it_is_and_ends_in_a_table(lab):
    with lab.open("map", MAPS) as notebook:
        notebook.run(0)
        notebook.run(1, wait=False)
        cell = notebook.cell(1)
        cell.get_by_text(re.compile(r"\d+ of 40 rows, [\d.]+ tok/s, about .+ left")).wait_for()
        notebook.picture("map_at_work", cell)
        notebook.wait_ran(1)
        cell.get_by_text("40 of 40 rows · ").wait_for()
        assert "left" not in cell.inner_text(), "the line of progress tells the end"
        assert_table_of_colours(cell)
        assert_readable(notebook, cell, "map")
        assert_harmless(notebook)
        assert notebook.kernel("print(len(colours), colours[39].text)") == f"40 {COLOUR}"
        notebook.save()
        notebook.shut_down()
        notebook.load()
        notebook.wait_ready()
        assert_table_of_colours(cell)
        assert notebook.errors == []


def assert_table_of_colours(cell):
    rows = cell.locator("tbody tr")
    rows.nth(39).wait_for()
    assert rows.count() == 40
    for n in (0, 39):
        assert f"fruit {n}" in rows.nth(n).inner_text()
        assert COLOUR in rows.nth(n).inner_text(), "as it was written"


# ---- answers in an Output ----------------------------------------------------------------------------------

IN_WIDGET = [
    FOLD[0],
    "import ipywidgets as W\nbutton, out = W.Button(description='Ask'), W.Output()\n"
    "@out.capture()\ndef ask(_):\n    print('asked')\n    get_ipython().run_cell_magic('oss', '', 'How?')\n"
    "button.on_click(ask)\ndisplay(button, out)",
]


def test_an_answer_in_a_widgets_callback_is_seen_to_grow_and_stays(lab):
    with lab.open("in_widget", IN_WIDGET) as notebook:
        notebook.run(0, 1)
        cell = notebook.cell(1)
        for n_asked in (1, 2):
            button(cell, "Ask").click()
            cell.get_by_text("not finished").first.wait_for()
            cell.locator("details").nth(n_asked - 1).wait_for(state="attached")
            cell.get_by_text("one two three").last.wait_for()
            cell.get_by_text("tok/s").nth(n_asked - 1).wait_for()
            text = cell.inner_text()
            assert text.count("one two three") == 80 * n_asked, "once, complete"
            assert text.count("asked") == n_asked, "what else the callback shows stays"
            assert "not finished" not in text
        notebook.picture("answer_in_output", cell)
        assert not notebook.errors


def test_right_to_left_paragraphs_stand_right(lab):
    hebrew = "שלום, עולם! " * 12 + "\n\n- אחת\n\n- שתיים\n\nHello."
    model = f"scripted_model('<|channel|>final<|message|>' + {hebrew!r})"
    cells = [f"import ossnb\nfrom fakes import scripted_model\nossnb.set_default_model({model})", "%%oss\nHi"]
    with lab.open("hebrew", cells) as notebook:
        notebook.run_all()
        spans = notebook.cell(1).locator("div[dir=rtl] span")
        spans.first.wait_for()
        aligned = spans.evaluate_all("all => all.map(one => getComputedStyle(one).textAlign)")
        assert aligned == ["right"] * 3
        notebook.picture("right_to_left", notebook.cell(1))
