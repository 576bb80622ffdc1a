"""The buttons of the sliders' panel: what each does, and when it can be pressed."""

from __future__ import annotations

import pytest

from fakes import scripted_model, thinking_model
from ossnb.views.sliders import Sliders


@pytest.fixture
def panel():
    panel = Sliders(thinking_model("It is 42."), prompt="How?")
    panel.set(max_tokens=3000)
    return panel


def pressable(button):
    """A list that grows with each change of whether a button can be pressed."""
    seen = []
    button.observe(lambda change: seen.append(not change["new"]), "disabled")
    return seen


def test_answer_now_ends_the_thought_and_the_answer_follows(panel):
    controls, core = panel.controls, panel.model.engine.core
    seen = pressable(controls.answer_now)
    core.before_forward = lambda n_calls: n_calls == 30 and controls.answer_now.click()
    reply = panel.generate()
    assert (reply.text, reply.finish_reason) == ("It is 42.", "stop")
    (note,) = reply.notes
    assert note.startswith("the thought was ended after ")
    assert note in controls.status.value
    assert seen == [True, False], "while the thought is written, and no longer"


def test_answer_now_can_be_pressed_only_in_a_thought(panel):
    controls, core = panel.controls, panel.model.engine.core
    core.before_forward = lambda n_calls: n_calls == 30 and controls.stop.click()
    seen = pressable(controls.answer_now)
    assert controls.answer_now.disabled
    assert panel.generate().finish_reason == "cancelled"
    assert seen == [True, False], "Stop ends it, too"
    controls.answer_now.click()
    panel.stop_thinking()
    core.before_forward = lambda n_calls: None
    panel.set(max_tokens=60)
    assert panel.generate().notes == (), "the next thought has its time"
    assert seen == [True, False] * 2

    answers = Sliders(scripted_model("<|channel|>final<|message|>Hi"), prompt="How?")
    seen = pressable(answers.controls.answer_now)
    assert answers.generate().text == "Hi"
    assert seen == []


def test_the_buttons_have_names(panel):
    controls = panel.controls
    buttons = controls.generate, controls.answer_now, controls.stop, controls.apply
    assert [button.description for button in buttons] == [
        "Generate",
        "Answer now",
        "Stop",
        "Apply to %%oss cells",
    ]
    assert controls.answer_now.tooltip == "End the thought, and go on with the answer"
