"""Views of a reply: arguments are checked before the work, and what one has read serves the next."""

from __future__ import annotations

import numpy as np
import pytest

import ossnb
from fakes import scripted_model
from ossnb.chat import Chat
from ossnb.engine.kept import Kept
from ossnb.testing import write_random_checkpoint

PROMPT = [5, 9, 2, 7]
READERS = ("logit_blocks", "trace_blocks", "trace")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = write_random_checkpoint(tmp_path_factory.mktemp("model") / "tiny", "tiny", seed=3)
    with ossnb.load(folder, threads=1, context=512) as loaded:
        yield loaded


@pytest.fixture
def reply(model):
    model.forget()
    return model.complete(PROMPT, max_tokens=80, seed=1)


@pytest.fixture
def readings(model, monkeypatch):
    """The names of the model's methods that read a text, one for each call."""
    called = []
    for name in READERS:
        read = getattr(model, name)

        def counted(*args, name=name, read=read, **options):
            called.append(name)
            return read(*args, **options)

        monkeypatch.setattr(model, name, counted)
    return called


# ---- kept -------------------------------------------------------------------------------------------------


def test_views_of_one_reply_read_it_once(reply, readings):
    reply.inspect()
    assert len(readings) == 1
    reply.spans(below=0.5)
    reply.spans(below=0.1)
    reply.inspect(n_top=3)
    reply.inspect().alternatives(3)
    assert len(readings) == 1
    reply.experts()
    assert len(readings) == 2
    reply.experts()
    reply.inspect(n_top=8)
    assert len(readings) == 2
    reply.inspect(n_top=20)
    assert len(readings) == 3
    reply.experts()
    reply.inspect(n_top=20)
    assert len(readings) == 3


def test_after_the_experts_the_tokens_are_known(reply, readings):
    reply.experts()
    reply.inspect()
    reply.spans()
    assert len(readings) == 1


def test_attention_in_other_layers_and_heads_reads_once(model, reply, readings):
    for layer in range(model.config.num_hidden_layers):
        reply.attention(layer)
    reply.attention(-1, head=0)
    assert len(readings) == 1


def test_a_lens_that_was_shown_is_kept(reply, readings):
    reply.logit_lens()
    reply.logit_lens()
    assert len(readings) == 1
    reply.logit_lens(layers=[0])
    assert len(readings) == 2


def test_what_is_kept_is_what_is_read(model, reply):
    def arrays():
        view, experts, lens = reply.inspect(n_top=5), reply.experts(), reply.logit_lens()
        attention = [
            reply.attention(i, head) for i in range(model.config.num_hidden_layers) for head in (0, None)
        ]
        steps = view.steps
        return [
            *(getattr(steps, name) for name in ("tokens", "logprobs", "ranks", "entropies", "top_ids")),
            *(steps.top_logits, steps.top_logprobs, experts.tokens, experts.ids, experts.weights),
            *(lens.ids, lens.logprobs, *(one.weights for one in attention)),
        ]

    kept = [arrays(), arrays()][1]
    model.forget()
    traced = model.trace([*reply.prompt_tokens, *reply.tokens], what="router", start=len(PROMPT))
    np.testing.assert_array_equal(reply.experts().ids, traced["experts"])
    np.testing.assert_array_equal(reply.experts().weights, traced["expert_weights"])
    model.forget()
    reply.experts()  # so that the tokens' numbers come from the same pass
    for one, other in zip(kept, arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_reply_with_the_same_tokens_elsewhere_is_another(model):
    model.forget()
    first = model.complete([5, 9, 2, 7], max_tokens=4, seed=1)
    second = model.complete([5, 9, 2, 7, first.tokens[0]], max_tokens=3, seed=1, temperature=0)
    assert len(first.inspect().steps) == 4
    assert len(second.inspect().steps) == 3


def test_forgetting_and_closing_free_what_is_kept(tmp_path):
    folder = write_random_checkpoint(tmp_path / "tiny", "tiny", seed=3)
    with ossnb.load(folder, threads=1, context=512) as model:
        reply = model.complete(PROMPT, max_tokens=8, seed=1)
        reply.inspect()
        assert model.kept.n_bytes > 0
        model.forget()
        assert model.kept.n_bytes == 0
        reply.inspect()
    assert model.kept.n_bytes == 0


def test_kept_arrays_are_within_a_limit_and_the_oldest_go_first():
    kept = Kept(max_bytes=1000)
    for i in range(5):
        kept.put((i,), {"x": np.full(40, i, np.float64)})  # 320 bytes each
        kept.get((1,))
    assert kept.n_bytes <= 1000
    assert [kept.get((i,)) is not None for i in range(5)] == [False, True, False, True, True]
    big = kept.put(("big",), {"x": np.zeros(1000)})
    assert big["x"].shape == (1000,)
    assert kept.get(("big",)) is None


# ---- arguments --------------------------------------------------------------------------------------------

VIEWS = [
    *(("inspect", (n_top,)) for n_top in ("a", 0, -1, 1.5, True, None, 10**9, [3])),
    *(("spans", (below,)) for below in (2, 0, -0.5, "a", None, True, float("nan"), float("inf"), 10**400)),
    *(("attention", (layer,)) for layer in ("a", 99, -99, 1.0, None, True, [0], 10**5000)),
    *(("attention", (0, head)) for head in ("a", 99, -1, 1.0, True, [0])),
    *(("logit_lens", (layers,)) for layers in (5, "01", [99], [1.5], [], [True], ["a"], [None])),
    *(("logit_lens", (None, n_top)) for n_top in ("a", 0, 1.5, None, 10**9)),
    *(("branch", (at, "x")) for at in ("a", -1, 81, 1.5, None, True)),
    *(("branch", (1, text)) for text in (3, None, "", [], [1.5], ["a"], b"x", [10**9], [-1])),
]


@pytest.mark.parametrize(("view", "arguments"), VIEWS)
def test_a_wrong_argument_of_a_view_is_told_before_the_reply_is_read(reply, readings, view, arguments):
    before = reply.origin.model.kept.n_bytes
    with pytest.raises(ValueError, match=r"must be|must name|at least one token"):
        getattr(reply, view)(*arguments)
    assert readings == []
    assert reply.origin.model.kept.n_bytes == before


@pytest.mark.parametrize(
    "options",
    [
        {"what": 5},
        {"what": "nothing"},
        {"what": [["router"]]},
        {"what": [None]},
        {"what": []},
        {"layers": 5},
        {"layers": ["a"]},
        {"layers": "0"},
        {"start": "a"},
        {"start": 1.5},
        {"start": None},
        {"start": True},
        {"start": 99},
        {"start": -1},
        {"n_top": "a"},
        {"n_top": 0},
        {"n_top": 1.5},
        {"n_top": True},
    ],
    ids=str,
)
def test_a_wrong_argument_of_a_trace_is_told(model, options):
    with pytest.raises(ValueError, match="must"):
        model.trace(PROMPT, **options)


@pytest.mark.parametrize("start", ["a", -1, 5, 1.5, None, True])
def test_a_wrong_start_is_told_at_the_call(model, start):
    for read in (model.logit_blocks, model.trace_blocks):
        with pytest.raises(ValueError, match=r"start must be .*in 0\.\.4"):
            read(PROMPT, start=start)


def test_numbers_of_numpy_are_numbers(model, reply):
    assert reply.inspect(n_top=np.int64(2)).steps.top_ids.shape[1] == 2
    assert reply.spans(below=np.float32(0.5)) == reply.spans(below=0.5)
    assert reply.attention(np.int32(-1), np.int64(0)).weights.shape[0] == len(reply.tokens)
    assert reply.logit_lens(np.arange(2)).layers.tolist() == [0, 1]
    assert model.trace(PROMPT, layers=np.array([0]), start=np.int64(1))["experts"].shape[:2] == (1, 3)


def test_places_within_a_view_are_checked(reply):
    view, attention, experts = reply.inspect(), reply.attention(0), reply.experts()
    for look in (view.alternatives, attention.at, attention.strongest):
        for at in ("a", 80, -1, 1.5, None):
            with pytest.raises(ValueError, match=r"at must be .*in 0\.\.79"):
                look(at)
    for part in (3, "a", None, slice(5, 5)):
        with pytest.raises(ValueError, match="a non-empty slice"):
            experts[part]


@pytest.mark.parametrize("model", ["demo", "20b", 3, object(), ossnb.load], ids=lambda value: str(value)[:12])
def test_what_is_no_model_is_refused_at_once(model, tmp_path):
    with pytest.raises(
        TypeError, match=r"set_default_model takes a Model, got .*; ossnb.load\(...\) makes one"
    ):
        ossnb.set_default_model(model)
    with pytest.raises(TypeError, match="sliders takes a Model"):
        ossnb.sliders("Hi", model=model)
    with pytest.raises(TypeError, match="Chat takes a Model"):
        Chat(model)
    scripted_model("").chat().save(tmp_path / "chat.json")
    with pytest.raises(TypeError, match="Chat takes a Model"):
        Chat.load(tmp_path / "chat.json", model)


def test_a_closed_model_is_no_default(tmp_path):
    model = scripted_model("")
    model.close()
    with pytest.raises(RuntimeError, match="was closed; load it again"):
        ossnb.set_default_model(model)
