"""Live views: what they are given, what they send back, and that their code only ever makes text nodes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ossnb
from fakes import random_model, wait_until
from ossnb import views
from ossnb.testing import write_random_checkpoint
from ossnb.views.attention import Attention
from ossnb.views.experts import Experts
from ossnb.views.live import LiveView, module
from ossnb.views.sliders import Sliders
from ossnb.views.strip import MAX_TOKENS

STATIC = Path(views.__file__).parent / "static"
MODULES = sorted(path.stem for path in STATIC.glob("*.js") if path.stem != "strip")


@pytest.fixture
def model():
    return random_model()


@pytest.fixture
def view(model):
    return model.complete([5, 9, 2], max_tokens=12, seed=1).inspect(n_top=3)


def test_the_token_view_has_what_it_draws(view):
    widget = view.widget
    assert widget is view.widget
    n = len(view.reply.tokens)
    assert len(widget.tokens) == len(widget.probabilities) == len(widget.entropies) == n
    assert widget.probabilities == pytest.approx(view.probabilities.tolist(), abs=1e-5)
    first = widget.alternatives[0][0]
    assert (first["text"], first["p"]) == view.alternatives(0)[0]
    assert first["logit"] == pytest.approx(float(view.steps.top_logits[0, 0]))
    assert widget.twin in view.bundle()["text/html"]


def test_the_written_token_is_always_among_the_alternatives(view):
    steps, widget = view.steps, view.widget
    assert widget.ranks == (steps.ranks + 1).tolist()
    assert max(widget.ranks) > 3, "some are not among the first"
    for at, (place, rows) in enumerate(zip(widget.written, widget.alternatives, strict=True)):
        assert rows[place]["id"] == view.reply.tokens[at]
        assert rows[place]["p"] == pytest.approx(float(view.probabilities[at]), rel=1e-5)
        assert len(rows) == (3 if widget.ranks[at] <= 3 else 4)
        logits = [row["logit"] for row in rows]
        assert logits == sorted(logits, reverse=True)
        total = float(steps.top_logits[at, 0] - steps.top_logprobs[at, 0])
        assert logits[place] == pytest.approx(total + float(steps.logprobs[at]), abs=1e-4)


def test_a_message_from_the_page_writes_a_branch(view):
    token = view.widget.alternatives[4][2]["id"]
    view.receive({"type": "branch", "at": 4, "token": token})
    wait_until(lambda: view.widget.branches and not view.widget.busy)
    (branch,) = view.branches
    assert branch.tokens[:5] == [*view.reply.tokens[:4], token]
    assert view.widget.branches[0]["name"].startswith("Branch 1: ")
    assert view.widget.branches[0]["at"] == (4 if token != view.reply.tokens[4] else len(branch.tokens))
    assert len(view.widget.branches[0]["tokens"]) == len(branch.tokens)


@pytest.mark.parametrize("content", [{"at": 99, "token": 1}, {"at": 1, "token": 300}, {"at": "<b>"}, {}])
def test_a_message_that_makes_no_sense_is_answered(view, content):
    view.receive({"type": "branch", **content})
    wait_until(lambda: view.widget.error and not view.widget.busy)
    assert view.widget.error.startswith("ValueError")
    assert view.branches == []


def test_stop_ends_a_branch_that_is_being_written_and_keeps_it(model):
    reply = model.complete([5, 9, 2], max_tokens=2000, seed=1)
    view = reply.inspect(n_top=1)
    seen = len(model.engine.core.computed)
    view.receive({"type": "branch", "at": 0, "token": 7})
    wait_until(lambda: len(model.engine.core.computed) > seen + 5)
    view.receive({"type": "stop"})
    wait_until(lambda: not view.widget.busy)
    (branch,) = view.branches
    assert branch.finish_reason == "cancelled"
    assert 0 < len(branch.tokens) < 2000


def test_a_branch_is_seen_while_it_is_written(model):
    view = model.complete([5, 9, 2], max_tokens=1500, seed=1).inspect(n_top=1)
    lengths = []
    view.widget.observe(lambda change: lengths.append(len(change["new"][-1]["tokens"])), "branches")
    view.receive({"type": "branch", "at": 0, "token": 7})
    wait_until(lambda: view.branches and not view.widget.busy, 60)
    assert len(lengths) > 2
    assert lengths == sorted(lengths)
    assert lengths[-1] == len(view.branches[0].tokens)


def test_a_branch_that_an_error_ends_is_kept(model):
    view = model.complete([5, 9, 2], max_tokens=300, seed=1).inspect(n_top=1)

    def fail(n_calls):
        if n_calls > before + 20:
            raise RuntimeError("no more")

    before = len(model.engine.core.computed)
    model.engine.core.before_forward = fail
    view.receive({"type": "branch", "at": 0, "token": 7})
    wait_until(lambda: not view.widget.busy)
    assert view.widget.error.startswith("DeviceError: the device 'cpu' failed: no more")
    assert len(view.branches[0].tokens) > 10


def test_a_branch_that_never_began_is_not_kept(model):
    view = model.complete([5, 9, 2], max_tokens=12, seed=1).inspect(n_top=1)

    def refuse(n_calls):
        raise ossnb.Busy("the model is busy")

    model.engine.core.before_forward = refuse
    view.receive({"type": "branch", "at": 4, "token": 7})
    wait_until(lambda: view.widget.error and not view.widget.busy)
    assert view.branches == view.widget.branches == []
    assert "the same so far" not in view.html()


def test_a_long_answer_is_cut_in_the_page_and_whole_in_python():
    model = random_model(n_vocab=50)
    reply = model.complete([5, 9, 2], max_tokens=MAX_TOKENS + 50, seed=1)
    view, panel = reply.inspect(n_top=2), Sliders(model, reply=reply)
    for widget in (view.widget, panel.controls.view):
        assert len(widget.tokens) == MAX_TOKENS
        assert widget.n_left_out == 50
        assert 0 <= widget.selected < MAX_TOKENS
    assert len(view.widget.alternatives) == len(panel.controls.view.written) == MAX_TOKENS
    assert len(view.probabilities) == len(panel.written_shares()) == MAX_TOKENS + 50
    branch = view.branch(0, [1])
    assert view.widget.branches[0]["n_left_out"] == max(0, len(branch.tokens) - MAX_TOKENS)


def test_a_long_text_is_looked_at_from_its_end():
    tokens = np.zeros(MAX_TOKENS + 9, np.int32)
    weights = np.full((4, len(tokens)), 1e-4, np.float32)
    attention = Attention(tokens, weights, "layer 0", 3)
    assert attention.widget is None
    page = attention.html()
    assert page.count(' title="') == MAX_TOKENS
    assert "9 tokens before these, with 0.09 %, are not shown" in page
    assert f'title="{MAX_TOKENS + 8}: ' in page
    experts = Experts(tokens, np.zeros((2, len(tokens), 1), np.int32), np.ones((2, len(tokens), 1)), 4)
    assert len(experts.widget.ids) == len(experts.widget.weights) == MAX_TOKENS


def test_a_view_begins_at_the_least_sure_token(view):
    assert view.widget.selected == view.probabilities.argmin()


def test_views_of_one_reply_can_be_linked(tmp_path):
    folder = write_random_checkpoint(tmp_path / "model", "tiny", seed=3)
    with ossnb.load(folder, threads=1, context=64) as model:
        view = model.complete([5, 9, 2], max_tokens=6, seed=1).inspect()
        leading = view.attention(layer=0)
        attention = leading.at(2)
    assert (attention.widget.selected, attention.widget.n_prompt) == (2, 3)
    weights = np.frombuffer(attention.widget.weights, "<f4").reshape(attention.weights.shape)
    np.testing.assert_array_equal(weights, attention.weights)
    assert leading.leader is view
    assert attention.leader is None, "a token that was asked for stays"


def test_views_know_no_kernel():
    """As in marimo, where there is neither ipykernel nor a notebook of Jupyter's."""
    script = (
        "import sys, json; sys.path[:0] = json.loads(sys.argv[1])\n"
        "from fakes import random_model\n"
        "model = random_model()\n"
        "view = model.complete([5, 9, 2], max_tokens=12, seed=1).inspect(n_top=3)\n"
        "import anywidget; assert isinstance(view._display_(), anywidget.AnyWidget)\n"
        "view.widget.selected = 3; view.receive({'type': 'stop'})\n"
        "assert 'ipykernel' not in sys.modules\n"
        "print(len(view._display_()._esm))"
    )
    paths = json.dumps([str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run([sys.executable, "-c", script, paths], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000


def test_every_live_view_is_an_anywidget_with_one_module():
    for view in LiveView.__subclasses__():
        assert view._esm.count("export default") == 1
        assert "import " not in re.sub(r"^\s*(//|/?\*).*$", "", view._esm, flags=re.MULTILINE)


class PageOfAView:
    """What a page that shows a view gets of the kernel: (content, buffers) of its messages."""

    def __init__(self, widget, monkeypatch):
        self.widget, self.answers = widget, []
        monkeypatch.setattr(
            widget, "send", lambda content, buffers=None: self.answers.append((content, buffers))
        )

    def ask(self, number="1"):
        message = {"method": "custom", "content": {"type": "ask", "id": number}}
        self.widget.comm.handle_msg({"content": {"data": message}, "buffers": []})


def saved_size(widget):
    """How much a notebook saves for a widget and all that it has, as nbclient counts it."""
    models = {}

    def collect(one):
        models[one.model_id] = one.get_state()
        for name in ("layout", "style"):
            if hasattr(one, name):
                models[getattr(one, name).model_id] = getattr(one, name).get_state()
        for child in getattr(one, "children", ()):
            collect(child)

    collect(widget)
    return sum(
        len(json.dumps(state, default=lambda raw: "x" * (len(raw) * 4 // 3))) for state in models.values()
    )


@pytest.mark.parametrize("n_tokens", [75, 1000])
def test_a_saved_notebook_has_little_of_a_live_view(n_tokens):
    model = random_model()
    reply = model.complete([5, 9, 2], max_tokens=n_tokens, seed=1, stop=[])
    assert len(reply.tokens) == n_tokens
    view = reply.inspect()
    assert saved_size(view.widget) < 20_000
    assert saved_size(ossnb.sliders("Hi", model=model, reply=reply).widget) < 60_000
    assert view.widget.get_state(["alternatives"]) == {}
    assert len(view.widget.alternatives) > 70, "they are there for a page that asks"


def test_a_page_that_asks_gets_the_module_and_the_values_and_then_what_changes(view, monkeypatch):
    page = PageOfAView(view.widget, monkeypatch)
    view.branch(1, [7])
    assert page.answers == [], "nobody looks yet"
    page.ask()
    ((content, buffers),) = page.answers
    assert content["module"] == module("tokens")
    assert content["values"]["alternatives"] == view.widget.alternatives
    assert len(content["values"]["branches"]) == 1
    assert buffers == []
    view.branch(2, [7])
    content, _ = page.answers[-1]
    assert list(content["values"]) == ["branches"]
    assert "module" not in content


def test_a_question_that_is_put_again_is_answered_once(view, monkeypatch):
    page = PageOfAView(view.widget, monkeypatch)
    for number in ("1", "1", "2"):
        page.ask(number)
    assert len(page.answers) == 2, "one for each page"


def test_bytes_travel_as_bytes(view, monkeypatch):
    live = ossnb.sliders("Hi", model=view.reply.origin.model, reply=view.reply).controls.view
    page = PageOfAView(live, monkeypatch)
    page.ask()
    ((content, buffers),) = page.answers
    sent = dict(zip(content["bytes"], buffers, strict=True))
    assert sent == {name: getattr(live, name) for name in ("logits", "seen", "rest")}
    assert content["values"]["labels"] == live.labels


def test_one_branch_at_a_time(view):
    view.widget.busy = True
    view.receive({"type": "branch", "at": 1, "token": 1})
    assert view.branches == []


def test_the_code_makes_text_nodes_and_fetches_nothing():
    assert len(MODULES) == 9
    for name in MODULES:
        code = re.sub(r"^\s*(//|/?\*).*$", "", module(name), flags=re.MULTILINE)
        for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
            assert risky not in code
        assert not re.search(r"fetch\(|XMLHttp|import\(|^import|https?:|\.src\b|\.href\b", code, re.MULTILINE)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to parse the modules")
@pytest.mark.parametrize("name", MODULES)
def test_the_modules_are_valid(name, tmp_path):
    copy = tmp_path / f"{name}.mjs"
    copy.write_text(module(name))
    script = "import(process.argv[1]).then(m => { if (typeof m.default.render !== 'function') throw 1 })"
    subprocess.run(["node", "-e", script, copy.as_uri()], check=True, timeout=60)
