"""The answers after parts of a thought: each the single one, all at once, and none of them becomes markup."""

from __future__ import annotations

import pytest

import ossnb
from fakes import scripted_model
from ossnb.harmony.parser import places_of_thought
from ossnb.views.answers import AnswersAfter
from test_views import EVIL, assert_inert


@pytest.fixture(scope="module")
def model():
    with ossnb.load("demo") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def reply(model):
    return model.generate("What is 64 - 27?", temperature=0)


@pytest.fixture(scope="module")
def view(reply):
    return reply.answers_after()


def test_each_is_the_single_answer(reply, view):
    n_thought = len(places_of_thought(reply.tokens))
    ns = list(view.answers)
    assert (ns[0], ns[-1], len(ns)) == (0, n_thought, 9)
    for n in (ns[0], ns[3], ns[-1]):
        assert view.answers[n].tokens == reply.answer_after(n).tokens
    sampled = reply.origin.model.generate("What is 17 + 25?", seed=5)
    for n, answer in sampled.answers_after([0, 7]).answers.items():
        assert answer.tokens == sampled.answer_after(n).tokens


def test_the_thoughts_keys_are_used_again(view):
    for n, answer in view.answers.items():
        stats = answer.stats
        assert stats.n_prompt_tokens - stats.n_cached_tokens <= 33 or n == 0


def test_where_the_answer_settles(reply, view):
    own = [answer.text == reply.text for answer in view.answers.values()]
    assert own[-1]
    first = len(own) - next((i for i, same in enumerate(reversed(own)) if not same), len(own))
    assert view.settled == list(view.answers)[first]
    other = AnswersAfter(reply, {0: reply.answer_after(0)})
    assert (other.settled, other.answers[0].text) == (None, "64 - 27 = 47.")
    assert "not yet the reply's own" in other.plain()
    assert ("only after all of it" in view.plain()) == (view.settled == len(view.thought))


def test_the_picture_has_every_answer_and_tells_the_others(view):
    page = view.html()
    assert_inert(page)
    for answer in view.answers.values():
        assert answer.text in page
    assert "another answer than the reply" in page
    assert view.plain().count("(another answer)") == sum(
        a.text != view.reply.text for a in view.answers.values()
    )
    widget = view.widget
    assert [answer["n"] for answer in widget.answers] == list(view.answers)
    assert widget.selected == len(view.answers) - 1


def test_what_a_model_wrote_stays_text(tmp_path):
    model = scripted_model(
        "<|channel|>analysis<|message|>"
        + EVIL
        + "<|end|><|start|>assistant<|channel|>final<|message|>"
        + EVIL
    )
    view = model.generate("Hi", max_tokens=400).answers_after([1])
    assert_inert(view.html())
    view.to_html(tmp_path / "page.html")
    assert "<script>alert" not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("ns", "message"),
    [([-1], r"ns must be in 0\.\."), ([10**6], r"ns must be in 0\.\."), (["a"], "ns must be an integer"),
     ([], "ns must be 1 to 65 numbers"), (range(66), r"ns must be")],
)  # fmt: skip
def test_places_that_are_none_are_errors(reply, ns, message):
    with pytest.raises(ValueError, match=message):
        reply.answers_after(ns)


def test_a_reply_without_a_thought_has_one_place(model):
    reply = model.generate("What is 2 + 2?", temperature=0, effort="low")
    if places_of_thought(reply.tokens):
        reply = reply.answer_after(0)
    view = reply.answers_after()
    assert list(view.answers) == [0]
    assert "A thought of 0 tokens" in view.plain()


def test_a_reply_from_a_file_has_no_model(reply):
    with pytest.raises(RuntimeError, match="model"):
        ossnb.Reply.from_dict(reply.to_dict()).answers_after()
