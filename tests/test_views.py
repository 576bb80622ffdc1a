"""Views of a reply: the numbers are the model's, and nothing a model wrote becomes markup."""

from __future__ import annotations

import copy
import gc
import pickle
from html.parser import HTMLParser

import numpy as np
import pytest

import ossnb
from fakes import random_model, scripted_model, sources_view
from ossnb.generation.record import Reply
from ossnb.testing import write_random_checkpoint
from ossnb.views.attention import Attention
from ossnb.views.drawing import heat_map
from ossnb.views.experts import Experts
from ossnb.views.inspection import Inspection
from ossnb.views.lens import LogitLens
from ossnb.views.markup import Html, percent, quoted, visible
from ossnb.views.steps import Steps
from ossnb.views.strip import marks, token_strip

PROMPT = [5, 9, 2, 7]
EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)"> & \'"` [a](javascript:alert(3))'


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = write_random_checkpoint(tmp_path_factory.mktemp("model") / "tiny", "tiny", seed=3)
    with ossnb.load(folder, threads=1, context=512) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def reply(model):
    return model.complete(PROMPT, max_tokens=80, seed=1, logprobs=4)


INERT = {"br", "div", "i", "rect", "span", "svg", "table", "td", "text", "th", "title", "tr", "wbr"}


class Tags(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def assert_inert(page):
    tags = Tags(page)
    assert {tag for tag, _ in tags.elements} <= INERT
    names = {name for _, attributes in tags.elements for name in attributes}
    assert not any(name.startswith("on") or name in ("href", "src") for name in names)
    return tags


# ---- the numbers -------------------------------------------------------------------------------------------


def test_probabilities_are_those_recorded_while_writing(reply):
    view = reply.inspect(n_top=4)
    np.testing.assert_allclose(view.steps.logprobs, [p.logprob for p in reply.logprobs], atol=1e-5)
    for at, step in enumerate(reply.logprobs):
        assert view.steps.top_ids[at].tolist() == [top.token for top in step.top]
    np.testing.assert_array_equal(view.steps.tokens, reply.tokens)


def test_entropy_and_rank_follow_from_the_logits(model, reply):
    logits = model.logits([*PROMPT, *reply.tokens])[len(PROMPT) - 1 : -1].astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    view = reply.inspect()
    np.testing.assert_allclose(view.entropies, -(p * np.log(p)).sum(-1), atol=1e-4)
    own = p[np.arange(len(p)), reply.tokens]
    np.testing.assert_array_equal(view.steps.ranks, (p > own[:, None]).sum(-1))


def test_spans_are_the_stretches_below(reply):
    steps = reply.inspect().steps
    logprobs = np.log(np.array([0.9, 0.1, 0.2, 0.9, 0.05] + [0.9] * (len(steps) - 5), np.float32))
    fields = {name: getattr(steps, name) for name in Steps.__slots__} | {"logprobs": logprobs}
    spans = Inspection(reply, Steps(**fields)).spans(below=0.3)
    assert [(span.start, span.stop) for span in spans] == [(1, 3), (4, 5)]
    assert spans[0].probability == pytest.approx(0.1)
    with pytest.raises(ValueError, match="below must be"):
        reply.spans(below=0)


def test_experts_are_the_trace_of_the_replys_tokens(model, reply):
    experts = reply.experts()
    traced = model.trace([*PROMPT, *reply.tokens], what="router")
    np.testing.assert_array_equal(experts.ids, traced["experts"][:, len(PROMPT) :])
    np.testing.assert_array_equal(experts.weights, traced["expert_weights"][:, len(PROMPT) :])
    np.testing.assert_allclose(experts.usage.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(experts.by_expert.sum(axis=2), 1, atol=1e-5)


def test_the_table_has_a_row_for_each_layer_token_and_expert(reply):
    experts = reply.experts()[:3]
    rows = experts.table()
    assert len(rows) == experts.ids.size
    last = rows[-1]
    assert (last["layer"], last["position"]) == (experts.ids.shape[0] - 1, 2)
    assert last["expert"] == experts.ids[-1, 2, -1]
    assert last["weight"] == pytest.approx(float(experts.weights[-1, 2, -1]))


def test_the_difference_of_two_replies(model, reply):
    other = model.complete(PROMPT, max_tokens=20, seed=2)
    difference = reply.experts().difference(other.experts())
    np.testing.assert_allclose(difference.values, reply.experts().usage - other.experts().usage)
    np.testing.assert_allclose(difference.values.sum(axis=1), 0, atol=1e-5)
    assert reply.experts().difference(reply.experts()).distance.max() == 0
    assert 0 < difference.distance.max() <= 1
    assert_inert(difference.bundle()["text/html"])


def test_experts_of_different_models_cannot_be_compared(reply):
    tokens, ids, weights = (
        np.zeros(1, np.int32),
        np.zeros((1, 1, 1), np.int32),
        np.ones((1, 1, 1), np.float32),
    )
    with pytest.raises(ValueError, match="one model"):
        reply.experts().difference(Experts(tokens, ids, weights, n_experts=3))


def test_attention_is_the_traces(model, reply):
    tokens = [*PROMPT, *reply.tokens]
    traced = model.trace(tokens, what="attention", layers=[1])["attention"][0]
    one, mean = reply.attention(1, head=2), reply.attention(-1)
    np.testing.assert_allclose(one.weights, traced[2, len(PROMPT) :], atol=1e-6)
    assert one.weights.shape == mean.weights.shape == (len(reply.tokens), len(tokens))
    np.testing.assert_allclose(one.sinks, 1 - one.weights.sum(axis=1), atol=1e-6)
    text, share = one.strongest(10, n=3)[0][1:]
    assert share == pytest.approx(float(one.weights[10].max()))
    tags = assert_inert(one.at(10).bundle()["text/html"])
    assert sum("title" in attributes for _, attributes in tags.elements) == len(PROMPT) + 11
    assert f"{percent(share)}" in repr(one.at(10))
    assert text in repr(one.at(10))
    for mistake, told in (({"head": 99}, "head must be"), ({"layer": 99}, "layer must be")):
        with pytest.raises(ValueError, match=told):
            reply.attention(**{"layer": 0, **mistake})
    with pytest.raises(ValueError, match="at must be in"):
        one.at(80)


# ---- branches ----------------------------------------------------------------------------------------------


def test_a_branch_with_its_own_token_is_the_same_reply(reply):
    assert reply.branch(17, [reply.tokens[17]]).tokens == reply.tokens


def test_a_branch_keeps_the_beginning_and_goes_on_from_the_new_token(model, reply):
    token = (reply.tokens[17] + 1) % 100
    branch = reply.branch(17, [token])
    assert branch.tokens[:18] == [*reply.tokens[:17], token]
    assert len(branch.tokens) == len(reply.tokens)
    anew = model.complete([*PROMPT, *branch.tokens[:18]], max_tokens=80 - 18, seed=1)
    assert branch.tokens[18:] == anew.tokens
    assert branch.prompt_tokens == reply.prompt_tokens
    assert branch.stats.n_cached_tokens == len(PROMPT)


def test_penalties_count_the_beginning_of_a_branch(model):
    reply = model.complete(PROMPT, max_tokens=30, seed=4, presence_penalty=2.0, repetition_penalty=1.5)
    assert reply.branch(10, [reply.tokens[10]]).tokens == reply.tokens


def test_a_branch_takes_other_settings(reply):
    branch = reply.branch(5, [3], max_tokens=9, temperature=0)
    assert (len(branch.tokens), branch.sampling.temperature, branch.seed) == (9, 0, reply.seed)


def test_a_branch_that_ends_the_turn_ends_it():
    model = scripted_model(
        "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>No"
    )
    reply = model.generate("Is it?", seed=1)
    assert (reply.text, reply.reasoning) == ("No", "Hm")
    at = len(reply.tokens) - 2
    branch = reply.branch(at, "Yes!")
    assert branch.text.startswith("Yes!")
    assert branch.reasoning.startswith("Hm")
    cut = reply.branch(at, [200002])
    assert (cut.text, cut.finish_reason) == ("", "stop")
    assert cut.tokens == [*reply.tokens[:at], 200002]


@pytest.mark.parametrize("at", [-1, 81, True, 1.5])
def test_a_branch_must_begin_at_a_token(reply, at):
    with pytest.raises(ValueError, match=r"at must be in 0\.\.80"):
        reply.branch(at, [3])


# ---- replies without a model -------------------------------------------------------------------------------


def test_a_closed_model_is_told(tmp_path):
    folder = write_random_checkpoint(tmp_path / "m", "tiny", seed=3)
    with ossnb.load(folder, threads=1, context=64) as model:
        reply = model.complete(PROMPT, max_tokens=3)
    for look in (reply.inspect, reply.experts, reply.spans, lambda: reply.branch(1, [2])):
        with pytest.raises(RuntimeError, match="was closed"):
            look()


def test_a_reply_does_not_keep_its_model_and_says_when_it_is_gone():
    model = random_model()
    reply = model.complete(PROMPT, max_tokens=3)
    del model
    gc.collect()
    with pytest.raises(RuntimeError, match="not there any more"):
        reply.inspect()


def test_a_copy_in_a_file_knows_no_model(reply):
    loaded = pickle.loads(pickle.dumps(reply))
    assert loaded == reply
    assert copy.deepcopy(reply) == reply
    with pytest.raises(RuntimeError, match="loaded from a file"):
        loaded.experts()
    with pytest.raises(RuntimeError, match="loaded from a file"):
        Reply("4", tokens=[1]).inspect()


def test_a_reply_without_tokens_has_nothing_to_look_at():
    for look in (Reply("").inspect, Reply("").experts):
        with pytest.raises(ValueError, match="no tokens"):
            look()


# ---- the pictures ------------------------------------------------------------------------------------------


def test_what_a_model_wrote_stays_text():
    model = scripted_model(f"<|channel|>final<|message|>{EVIL}")
    reply = model.generate("Hi", seed=1)
    assert reply.text == EVIL
    view = reply.inspect()
    tags = assert_inert(view.bundle()["text/html"])
    assert EVIL in tags.text
    assert any("<" in attributes.get("title", "") for _, attributes in tags.elements)


def test_a_branch_in_the_picture_stays_text_too(reply):
    model = scripted_model("<|channel|>final<|message|>Yes")
    reply = model.generate("Hi", seed=1)
    view = reply.inspect()
    branch = view.branch(3, EVIL)
    assert view.branches == [branch]
    assert EVIL in assert_inert(view.bundle()["text/html"]).text


def test_every_token_tells_its_alternatives(reply):
    view = reply.inspect()
    tags = Tags(view.bundle()["text/html"])
    titles = [attributes["title"] for _, attributes in tags.elements if "title" in attributes]
    assert len(titles) == len(reply.tokens)
    _, p = view.alternatives(3)[0]
    assert f"{percent(p)} “" in titles[3]
    assert f"rank {view.steps.ranks[3] + 1}" in titles[3]
    assert repr(view).startswith("80 tokens")


def test_the_heat_map_has_a_cell_for_every_expert_that_worked(reply):
    experts = reply.experts()
    tags = assert_inert(experts.bundle()["text/html"])
    assert sum(tag == "rect" for tag, _ in tags.elements) == 1 + np.count_nonzero(experts.usage)
    assert f"layer 0, expert {experts.usage[0].argmax()}: {percent(experts.usage[0].max())}" in tags.text
    assert "layer   0" in repr(experts)


def test_one_huge_answer_makes_a_bounded_picture():
    strip = token_strip([1] * 100_000, np.zeros(100_000, np.float32), str)
    assert "97,000 further tokens" in strip
    assert len(strip) < 1_000_000


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("né".encode(), "né"),
        (b"\xf0\x9f\x98", "⟨f0 9f 98⟩"),
        ("a\u202eb".encode(), "a⟨U+202E⟩b"),
        (b"\x00\x1b", "␀␛"),
        ("שלום".encode(), "שלום"),
        (b"\x7f", "⟨U+007F⟩"),
    ],
)
def test_what_cannot_be_seen_is_named(raw, shown):
    assert visible(raw) == shown


def test_html_escapes_all_but_html():
    assert Html.of("p", "<b>", title='"<\n') == '<p title="&quot;&lt;&#10;">&lt;b&gt;</p>'
    assert Html.of("p", Html.of("b", "&")) == "<p><b>&amp;</b></p>"


def test_a_blank_is_seen_wherever_a_token_stands_alone():
    assert (quoted(" Zoe"), quoted("a b "), quoted("  \n\t"), visible(b" ")) == (
        "“␣Zoe”",
        "“a b␣”",
        "“␣␣⏎⇥”",
        " ",
    )
    model = scripted_model("<|channel|>final<|message|>Hello my dear friend")
    reply = model.generate("Hi", seed=1)
    view, panel = reply.inspect(), ossnb.sliders(reply=reply)
    at = 4  # after <|channel|>, final, <|message|>, Hello
    panel.select(at)
    view.branch(at, " your")
    for one in (view, panel):
        assert "␣my" in one.html()
        assert "“ " not in one.html() + one.plain()
    assert "Branch 1: “␣your” in place of “␣my”, token 4" in view.html()
    tokens = np.array(reply.tokens, np.int32)
    lens = LogitLens(tokens, np.zeros(1, np.int32), tokens[None, :, None], np.zeros((1, len(tokens), 1)))
    assert lens.html().count(">␣my<") == 2
    assert "“␣my”" in lens.plain()


def test_the_shade_of_a_word_leaves_out_the_blank_before_it():
    strip = token_strip([40617, 200008, 40617], np.ones(3, np.float32), str)
    assert strip.count("> hello") == 0
    assert strip.count(">hello<") == 2


def test_marks_are_what_is_no_text():
    tokens = [200005, 1, 200008, 2, 200007, 200006, 3, 200003, 4, 200008, 5, 200002]
    assert marks(tokens) == [0, 1, 2, 4, 5, 6, 7, 8, 9, 11]
    assert marks([1, 200008, 2]) == [0, 1], "a reply begins within a header"
    assert marks([1, 2, 199999]) == [2]
    assert marks([]) == []


def test_no_page_looks_for_formulas_in_what_a_model_wrote():
    formula = "$x$ and \\(y\\)"
    thought = f"<|channel|>analysis<|message|>{formula}<|end|>"
    model = scripted_model(f"{thought}<|start|>assistant<|channel|>final<|message|>{formula}")
    reply = model.generate("Hi", seed=1)
    tokens = np.array(reply.tokens, np.int32)
    n = len(tokens)
    panels = [
        reply.inspect(),
        reply.answers_after([1]),
        ossnb.compare([reply, reply]),
        ossnb.sliders(reply=reply),
        sources_view(reply, formula),
        Attention(tokens, np.full((1, n), 0.1, np.float32), formula, 0),
        LogitLens(tokens, np.zeros(1, np.int32), tokens[None, :, None], np.zeros((1, n, 1))),
    ]
    for panel in panels:
        tag, attributes = Tags(panel.bundle()["text/html"]).elements[0]
        assert tag == "div"
        # MathJax 2 and 3 leave out what is within such an element.
        assert {"tex2jax_ignore", "mathjax_ignore"} < set(attributes["class"].split())


def test_special_tokens_are_hidden_with_one_switch():
    text = "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>No"
    model = scripted_model(text)
    reply = model.generate("Is it?", seed=1)
    view = reply.inspect()
    tokens = np.array(reply.tokens, np.int32)
    lens = LogitLens(tokens, np.zeros(1, np.int32), tokens[None, :, None], np.zeros((1, len(tokens), 1)))
    attention = Attention(tokens, np.full((1, len(tokens)), 0.1, np.float32), "layer 0", 0)
    for panel in (view, attention, lens, ossnb.sliders(reply=reply)):
        shown = Tags(panel.html()).text
        panel.hides_special = True
        hidden = Tags(panel.html()).text
        assert "<|message|>" in shown
        assert "<|message|>" not in hidden
        assert "analysis" not in hidden
        assert all(word in hidden for word in ("Hm", "No"))
    attention.hides_special = False
    attention.follow(view)
    assert attention.hides_special, "views of one reply share the switch"
    view.widget.hides_special = False
    assert not view.hides_special
    view.hides_special = True
    assert view.widget.hides_special


def test_special_tokens_never_break_inside(reply):
    strip = token_strip([200006, 200008], np.zeros(2, np.float32), str)
    assert strip.count("white-space:nowrap") == 2


def test_every_picture_says_what_its_colours_mean(reply):
    experts = reply.experts()
    pictures = {
        reply.inspect(): ("likely", "unlikely"),
        experts: ("0 %", percent(experts.usage.max()), "of a layer's work"),
        experts.difference(experts[:5]): ("first +", "second +", "points"),
        reply.attention(0): ("0 %", percent(reply.attention(0).weights[-1].max()), "of the attention"),
        reply.logit_lens(): ("100 % sure", "another token than the one written"),
        ossnb.sliders(reply=reply): (
            "likely now",
            "unlikely now",
            "the model's own share",
            "with the settings",
        ),
    }
    for panel, words in pictures.items():
        tags = Tags(panel.html())
        assert all(word in tags.text for word in words)
        assert any("linear-gradient" in attributes.get("style", "") for _, attributes in tags.elements)


def test_the_heat_map_names_layers_and_experts_and_can_be_scrolled_by_keys(reply):
    tags = Tags(reply.experts().html())
    assert all(f"layer {layer}" in tags.text for layer in range(4))
    (area,) = [attributes for _, attributes in tags.elements if attributes.get("role") == "group"]
    assert (area["tabindex"], area["aria-label"]) == ("0", "map of experts")
    for n in (8, 32, 128):
        names = Tags(heat_map(np.ones((3, n)), lambda row, column: "", ("expert", "layer"))).text
        assert "layer 2" in names


def test_a_heat_map_of_nothing_is_an_empty_frame():
    assert heat_map(np.zeros((2, 3)), lambda row, column: "", ("a", "b")).count("<rect") == 1


# ---- the logit lens ----------------------------------------------------------------------------------------


def test_the_lens_is_the_traces_in_place_of_each_token(model, reply):
    lens = reply.logit_lens(n_top=4)
    start = len(PROMPT) - 1
    traced = model.trace([*PROMPT, *reply.tokens[:-1]], what=("logit_lens", "logits"), start=start, n_top=4)
    np.testing.assert_array_equal(lens.ids, traced["lens_tokens"])
    np.testing.assert_array_equal(lens.tokens, reply.tokens)
    likeliest = traced["logits"].argmax(axis=1)
    assert (lens.ids[-1, :, 0] == likeliest).mean() > 0.95, (
        "after the last layer it is the model's own choice"
    )
    np.testing.assert_array_equal(reply.logit_lens(layers=[-1], n_top=4).ids, lens.ids[-1:])


def test_a_token_is_decided_where_no_later_layer_says_another():
    ids = np.array([[7, 7, 1, 7], [7, 1, 7, 1], [7, 7, 7, 1]], np.int32)[:, :, None]
    lens = LogitLens(
        np.full(4, 7, np.int32), np.array([0, 5, 9], np.int32), ids, np.zeros(ids.shape, np.float32)
    )
    assert lens.decided.tolist() == [0, 9, 5, -1]
    assert lens[1:3].decided.tolist() == [9, 5]
    assert lens.table()[4]["position"] == 0
    assert lens[2:].table()[0] | {"text": "", "written": ""} == {
        "layer": 0, "position": 2, "text": "", "written": "", "probability": 1.0
    }  # fmt: skip
    assert "from layer 9 on" in repr(lens)
    with pytest.raises(ValueError, match="a part of 4 tokens"):
        lens[9:]


def test_the_lens_frames_what_disagrees_and_scrolls_by_keys():
    ids = np.array([[7, 1], [7, 7]], np.int32)[:, :, None]
    lens = LogitLens(
        np.full(2, 7, np.int32), np.arange(2, dtype=np.int32), ids, np.zeros(ids.shape, np.float32)
    )
    tags = Tags(lens.html())
    cells = [attributes["style"] for tag, attributes in tags.elements if tag == "td"]
    assert ["inset" in style for style in cells] == [False, True, False, False]
    (area,) = [attributes for _, attributes in tags.elements if attributes.get("role") == "group"]
    assert "overflow-x:scroll" in area["style"]
    assert area["tabindex"] == "0"


def test_the_lens_says_where_it_is_cut_with_the_marks_hidden_too():
    tokens = np.array([200005, 7, 200008, *[7] * 150], np.int32)
    ids = np.stack([tokens] * 24)[:, :, None]
    lens = LogitLens(tokens, np.arange(24, dtype=np.int32), ids, np.zeros(ids.shape, np.float32))
    lens.hides_special = True
    assert "Tokens 3 to 102 are in the picture; slice for others" in lens.html()
    assert "Tokens 63 to 152" not in lens[60:].html(), "all of them are there"
    assert "slice for others" not in lens[60:].html()
    assert "slice for others" not in lens[:3].html()


@pytest.mark.slow
def test_the_lens_picture_has_a_cell_a_layer_and_token_and_a_bound(reply):
    lens = reply.logit_lens()
    tags = assert_inert(lens.bundle()["text/html"])
    assert sum(tag == "td" for tag, _ in tags.elements) == lens.ids.shape[0] * len(reply.tokens)
    n = 40_000
    ids = np.zeros((2, n, 1), np.int32)
    huge = LogitLens(
        np.zeros(n, np.int32), np.arange(2, dtype=np.int32), ids, np.zeros(ids.shape, np.float32)
    )
    assert "Tokens 0 to 1199 are in the picture" in huge.html()
    assert len(huge.html()) < 500_000
