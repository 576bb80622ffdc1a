"""The sampling panel: sliders to settings, settings to pictures and cells, an answer in a thread."""

from __future__ import annotations

import re
import sys
import threading

import numpy as np
import pytest

import ossnb
from fakes import random_model, scripted_model, wait_until
from ossnb.page.defaults import cell_defaults, set_cell_defaults
from ossnb.views.markup import percent
from ossnb.views.sliders import Sliders

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture
def model():
    return random_model()


@pytest.fixture
def panel(model):
    return Sliders(model, reply=model.complete([5, 9, 2], max_tokens=20, seed=1))


@pytest.fixture(autouse=True)
def _no_defaults():
    yield
    set_cell_defaults({})


def test_the_sliders_are_the_settings(panel):
    controls = panel.controls
    assert controls.code.value == panel.code == "ossnb.generate('', max_tokens=512, seed=1)"
    controls.sliders["temperature"].value = 0.7
    controls.sliders["top_k"].value = 5
    controls.sliders["top_p"].value = 0.9000000000000001
    assert panel.settings == {
        "temperature": 0.7,
        "top_k": 5,
        "top_p": 0.9,
        "max_tokens": 512,
        "seed": 1,
    }
    assert panel.sampling.top_k == 5
    assert "temperature=0.7" in panel.code
    assert panel.code == controls.code.value


def test_settings_given_before_the_sliders_are_shown_stay(panel):
    panel.set(temperature=0.3, effort="low")
    assert panel.widget is not None
    assert panel.controls.sliders["temperature"].value == 0.3
    assert panel.settings["effort"] == panel.controls.sliders["effort"].value == "low"


def test_set_moves_the_sliders_and_draws(panel):
    controls = panel.controls
    before = panel.html()
    panel.set(temperature=2.5, effort="high", seed=9)
    assert {name: controls.sliders[name].value for name in ("temperature", "effort", "seed")} == {
        "temperature": 2.5,
        "effort": "high",
        "seed": 9,
    }
    assert panel.html() != before
    assert "temperature=2.5" in controls.code.value


def test_what_generate_decides_by_itself_has_no_place_on_a_slider(panel):
    controls = panel.controls
    panel.set(max_tokens=None, seed=None)
    assert controls.sliders["max_tokens"].value == 512
    assert panel.settings == {}


def test_a_setting_without_a_slider_is_set_all_the_same(panel, model):
    panel.set(stop=".", end_loops=False)
    controls = panel.controls
    panel.set(max_reasoning_tokens=8, temperature=0.5)
    assert controls.sliders["temperature"].value == 0.5
    assert panel.settings == {
        "stop": ".",
        "end_loops": False,
        "max_reasoning_tokens": 8,
        "temperature": 0.5,
        "max_tokens": 512,
        "seed": 1,
    }
    assert "stop='.'" in controls.code.value
    asked = {}
    model.stream = lambda prompt, **settings: asked.update(settings) or model.stream_complete([5, 9], seed=1)
    panel.prompt = "x"
    panel.set(stop=None, end_loops=None, temperature=None, top_k=None, effort=None)
    panel.generate_in_thread()
    wait_until(lambda: asked)
    panel.stop()
    assert asked == {"max_reasoning_tokens": 8, "max_tokens": 512, "seed": 1}
    assert controls.sliders["temperature"].value == 1.0


@pytest.mark.parametrize(
    "settings", [{"presence_penalty": 0.5}, {"frequency_penalty": -1}, {"logit_bias": {5: 2}}], ids=str
)
def test_what_the_pictures_cannot_weigh_is_refused(panel, settings):
    ((name, value),) = settings.items()
    got = re.escape(repr(value))
    with pytest.raises(ValueError, match=rf"{name} must be .* got {got}; generate\(\) takes it"):
        panel.set(**settings)
    assert panel.settings == {}
    panel.set(presence_penalty=0, frequency_penalty=None, logit_bias={})
    assert panel.settings == {}


def test_the_switch_reaches_the_live_view(panel):
    view = panel.controls.view
    panel.hides_special = True
    assert view.hides_special
    view.hides_special = False
    assert not panel.hides_special


def test_the_saved_picture_follows_the_last_move(panel, monkeypatch):
    saved = []
    monkeypatch.setattr(panel, "refresh", lambda: saved.append(panel.code))
    controls = panel.controls
    for value in (0.9, 0.8, 0.7, 0.6):
        controls.sliders["temperature"].value = value
    wait_until(lambda: saved and "temperature=0.6" in saved[-1])


def test_the_code_runs(panel):
    panel.set(temperature=0.0, seed=3)
    panel.prompt = 'It\'s "quoted"\n'
    called = {}
    generate = lambda prompt, **settings: called.update(settings, prompt=prompt)  # noqa: E731
    eval(panel.code, {"ossnb": type("ossnb", (), {"generate": staticmethod(generate)})})
    assert called == {"prompt": panel.prompt, "temperature": 0.0, "seed": 3}


def test_a_slider_changes_the_picture_without_the_model(panel, model):
    controls = panel.controls
    ran, before, answer = len(model.engine.core.computed), panel.next_token_html(), panel.answer_html()
    controls.sliders["temperature"].value = 0.2
    assert panel.next_token_html() != before
    assert panel.answer_html() != answer
    assert len(model.engine.core.computed) == ran


def test_greedy_leaves_the_likeliest_alone(panel):
    panel.set(temperature=0)
    shares = panel.written_shares()
    likeliest = panel.distributions.ids[:, 0] == panel.reply.tokens
    assert (shares == likeliest).all()
    assert f"{int((~likeliest).sum())} of 20 tokens would now be unlikely" in panel.html()
    assert panel.answer_html().count("text-decoration:underline") == (~likeliest).sum()


def test_the_selected_token_is_the_one_whose_distribution_is_shown(panel):
    view = panel.controls.view
    assert panel.position == view.selected == panel.distributions.before()[:, 0].argmin()
    view.selected = 3
    first = panel.next_token_html()
    view.selected = 19
    assert panel.next_token_html() != first
    assert "token 19, " in panel.next_token_html()
    marked = [span for span in panel.answer_html().split("<span") if "outline" in span]
    assert len(marked) == 1
    assert 'title="19: ' in marked[0]
    panel.select(7)
    assert view.selected == 7


def test_the_written_token_always_has_a_bar_with_its_rank(panel):
    kept = panel.distributions
    found = [int(np.flatnonzero(row == token)[0]) for row, token in zip(kept.ids, kept.tokens, strict=True)]
    assert max(found) >= 12, "some are not among those that always have a bar"
    for at, place in enumerate(found):
        panel.select(at)
        (line,) = [row for row in panel.next_token_html().split("<tr") if "← written" in row]
        assert f">{place + 1}<" in line
        assert f">{percent(kept.before()[at, place])}<" in line


def test_a_written_token_below_all_that_are_kept_says_so():
    model = random_model(n_vocab=700)
    reply = model.complete([5, 9, 2], max_tokens=200, seed=1, temperature=6.0)
    panel = Sliders(model, reply=reply)
    kept = panel.distributions
    (lost, *_) = np.flatnonzero(~(kept.ids == kept.tokens[:, None]).any(axis=1))
    panel.select(int(lost))
    (line,) = [row for row in panel.next_token_html().split("<tr") if "← written" in row]
    assert ">&gt; 256<" in line
    assert f"&lt; {percent(kept.before()[lost, -1])}" in line


def test_the_live_view_has_what_it_weighs(panel):
    view = panel.controls.view
    kept, n = panel.distributions, len(panel.reply.tokens)
    assert np.frombuffer(view.logits, "<f4").reshape(n, -1).tolist() == kept.logits.tolist()
    assert len(view.seen) == kept.ids.size
    assert len(view.rest) == 4 * n * (2 + kept.counts.shape[1] + kept.means.shape[1] + kept.edges.shape[1])
    assert [int(kept.ids[t, i]) for t, i in enumerate(view.written)] == panel.reply.tokens
    assert [len(row) for row in view.labels] == [12] * n
    before = view.answer
    panel.controls.after_reply(panel.reply)
    assert view.answer == before + 1


def test_generate_in_a_thread_and_stop():
    model = random_model()
    panel = Sliders(model, prompt="x")
    model.stream = lambda prompt, **settings: model.stream_complete([5, 9], **settings)
    controls = panel.controls
    controls.sliders["max_tokens"].value = 3000
    controls.generate.click()
    assert (controls.generate.disabled, controls.stop.disabled) == (True, False)
    wait_until(lambda: len(model.engine.core.computed) > 5)
    controls.stop.click()
    wait_until(lambda: not controls.generate.disabled)
    assert panel.reply.finish_reason == "cancelled"
    assert 0 < len(panel.reply.tokens) < 3000
    assert len(controls.view.tokens) == len(controls.view.written) == len(panel.reply.tokens)
    assert controls.stop.disabled
    assert controls.status.value.startswith("stopped · ")
    assert len(panel.written_shares()) == len(panel.reply.tokens)


def test_stop_before_the_answer_begins_and_a_second_click():
    model = random_model()
    panel = Sliders(model, prompt="x")
    controls = panel.controls
    asked, go_on = threading.Event(), threading.Event()

    def stream(prompt, **settings):
        asked.set()
        assert go_on.wait(60)
        return model.stream_complete([5, 9], **settings)

    model.stream = stream
    first = panel.generate_in_thread()
    assert asked.wait(60)
    panel.generate_in_thread().join(60)
    assert "is writing an answer" in controls.status.value
    assert (controls.generate.disabled, controls.stop.disabled) == (True, False), "the first is busy"
    controls.stop.click()
    go_on.set()
    first.join(60)
    assert panel.reply is None
    assert controls.status.value.startswith("stopped · 0 tokens · ")
    assert (controls.generate.disabled, controls.stop.disabled) == (False, True)
    assert panel.generate().tokens, "the next answer is not stopped"


def test_an_answer_asked_for_in_a_cell_can_be_stopped_in_the_panel():
    model = random_model()
    panel = Sliders(model, prompt="x")
    controls = panel.controls
    model.stream = lambda prompt, **settings: model.stream_complete([5, 9], **settings)
    model.engine.core.before_forward = lambda n_calls: n_calls == 5 and controls.stop.click()
    panel.set(max_tokens=3000)
    assert panel.generate().finish_reason == "cancelled"
    assert controls.stop.disabled


def test_logits_kept_while_writing_are_those_read_again(model):
    panel = Sliders(model, prompt="x")
    model.stream = lambda prompt, **settings: model.stream_complete([5, 9], **settings)
    panel.set(max_tokens=12, seed=4)
    n_before = len(model.engine.core.computed)
    reply = panel.generate()
    assert len(model.engine.core.computed) - n_before == 12, "the answer is not read a second time"
    again = Sliders(model, reply=reply)
    for settings in ({"temperature": 0.6}, {"repetition_penalty": 1.5}, {"top_p": 0.7}):
        panel.set(**settings)
        again.set(**settings)
        np.testing.assert_allclose(panel.written_shares(), again.written_shares(), atol=1e-6)


def test_an_interrupted_answer_is_kept(model):
    panel = Sliders(model, prompt="x")
    model.stream = lambda prompt, **settings: model.stream_complete([5, 9], **settings)

    def interrupt(n_calls):
        if n_calls == 6:
            raise KeyboardInterrupt

    model.engine.core.before_forward = interrupt
    with pytest.raises(KeyboardInterrupt):
        panel.generate()
    assert panel.reply.finish_reason == "interrupted"
    assert len(panel.reply.tokens) == len(panel.written_shares()) == 6


THOUGHT = "<|channel|>analysis<|message|>I add the two<|end|><|start|>assistant<|channel|>final<|message|>42"


@pytest.mark.parametrize(("most", "n_given"), [(0, 3), (3, 6)])  # the answer's header, with an end before it
def test_an_answer_whose_thought_was_ended_has_all_its_distributions(most, n_given):
    model = scripted_model(THOUGHT)
    panel = Sliders(model, prompt="What is 17 + 25?")
    controls = panel.controls
    panel.set(max_reasoning_tokens=most, max_tokens=24)
    reply = panel.generate()
    assert model.engine.core.computed[-1][1] == n_given, "only tokens that nobody chose are read again"
    again = Sliders(model, reply=reply)
    for settings in ({}, {"temperature": 0.6}, {"repetition_penalty": 1.5}):
        panel.set(**settings)
        again.set(**settings)
        np.testing.assert_allclose(panel.written_shares(), again.written_shares(), atol=1e-6)
    assert len(panel.written_shares()) == len(controls.view.tokens) == len(reply.tokens)
    assert "24 tokens" in controls.status.value
    assert "unlikely" in panel.html()


def test_an_answer_is_shown_where_its_missing_distributions_cannot_be_read():
    model = scripted_model("<|channel|>final<|message|>The first")
    panel = Sliders(model, prompt="x")
    controls = panel.controls
    panel.generate()
    model = scripted_model(THOUGHT)
    panel.model = model

    def fail(token_ids, start=0):
        raise MemoryError("no room")

    model.logit_blocks = fail
    panel.set(max_reasoning_tokens=3, max_tokens=24)
    panel.generate_in_thread().join(60)
    assert panel.reply.text
    assert panel.reply.text in panel.html()
    assert "The first" not in panel.html()
    assert panel.reply.text in controls.running.value
    assert list(controls.view.tokens) == list(controls.view.written) == []
    assert controls.status.value == "MemoryError: no room"
    assert not controls.generate.disabled


def test_one_answer_at_a_time_and_a_second_panel_beside_it():
    model = random_model()
    model.stream = lambda prompt, **settings: model.stream_complete([5, 9], **settings)
    panel, other = Sliders(model, prompt="x"), Sliders(model, prompt="y")
    panel.set(max_tokens=4000)
    other.set(max_tokens=10)
    assert panel.widget is not other.widget
    thread = panel.generate_in_thread()
    wait_until(lambda: len(model.engine.core.computed) > 10)
    with pytest.raises(RuntimeError, match="is writing an answer"):
        panel.generate()
    assert len(other.generate().tokens) == 10
    assert thread.is_alive()
    panel.stop()
    thread.join(10)
    assert panel.reply.finish_reason == "cancelled"


def test_an_error_is_told_and_the_panel_stays_usable(model):
    panel = Sliders(model, prompt="too small a vocabulary for harmony")
    controls = panel.controls
    panel.generate_in_thread().join(10)
    assert "ValueError" in controls.status.value
    assert not controls.generate.disabled


def test_what_a_model_wrote_stays_text():
    model = scripted_model(f"<|channel|>final<|message|>{EVIL}")
    panel = Sliders(model, prompt=EVIL)
    controls = panel.controls
    controls.sliders["max_tokens"].value = 60
    panel.generate()
    assert panel.reply.text == EVIL
    controls.show_text(EVIL)
    for page in (controls.running.value, panel.bundle()["text/html"]):
        assert "<script" not in page
        assert "<img" not in page


def test_a_panel_begins_with_the_question_of_its_answer():
    model = scripted_model("<|channel|>final<|message|>Hi")
    chat = model.chat()
    first, second = chat.say("Who are you?\n🙂"), chat.say("And now?")
    assert ossnb.sliders(reply=first).prompt == "Who are you?\n🙂"
    assert ossnb.sliders(reply=second).prompt == "", "alone it would be another question"
    assert ossnb.sliders(reply=random_model().complete([5], max_tokens=2, seed=1)).prompt == ""


def test_without_a_prompt_nothing_is_written(panel):
    controls, before = panel.controls, panel.reply
    panel.generate_in_thread().join(10)
    assert controls.status.value == "ValueError: there is nothing to answer: write a prompt"
    assert panel.reply is before


def test_apply_leaves_out_what_nobody_set(panel):
    controls = panel.controls
    controls.sliders["temperature"].value = 0.6
    controls.apply.click()
    assert cell_defaults() == {"temperature": 0.6}
    assert "temperature=0.6; `%oss defaults reset` ends it" in controls.status.value
    with pytest.raises(ValueError, match="temperature"):
        panel.set(seed=1, temperature=-1)
    controls.apply.click()
    assert cell_defaults() == {"temperature": 0.6}, "what was refused set nothing"
    controls.sliders["seed"].value = 5
    controls.apply.click()
    assert cell_defaults() == {"temperature": 0.6, "seed": 5}


def test_apply_makes_the_settings_those_of_later_cells(panel):
    panel.set(temperature=0.4, effort="high")
    panel.apply()
    assert cell_defaults() == {"temperature": 0.4, "effort": "high"}
    assert cell_defaults(raw=True) == {"temperature": 0.4}


def test_cells_begin_with_the_applied_settings(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    from ossnb.notebook import load_ipython_extension, unload_ipython_extension

    model = scripted_model("<|channel|>final<|message|>Hi")
    ossnb.set_default_model(model)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell puts its own there
    shell = InteractiveShell.instance()
    load_ipython_extension(shell)
    try:
        set_cell_defaults({"temperature": 0.4, "effort": "low", "seed": 5})
        shell.run_cell("%%oss --seed 6\nHello").raise_error()
        reply = shell.user_ns["_oss"]
    finally:
        unload_ipython_extension(shell)
        InteractiveShell.clear_instance()
        ossnb.set_default_model(None)
    assert (reply.sampling.temperature, reply.effort, reply.seed) == (0.4, "low", 6)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"temperature": -1}, "temperature"),
        ({"effort": "max"}, "low, medium, high"),
        ({"top_k": 300}, r"0\.\.256"),
        ({"repetition_penalty": 0.9}, "at least 1 here"),
    ],
)
def test_settings_out_of_range_change_nothing(panel, values, told):
    with pytest.raises(ValueError, match=told):
        panel.set(**values)
    assert panel.settings == {}


def test_settings_that_do_not_exist_are_refused_with_the_name_that_is_meant(panel):
    with pytest.raises(TypeError, match="unknown setting 'max_new_tokens': here it is max_tokens"):
        panel.set(max_new_tokens=9)
    with pytest.raises(TypeError, match=r"unknown setting 'heat'\. The settings are max_tokens, temperature"):
        panel.set(heat=1)
    with pytest.raises(TypeError, match="set it on the panel"):
        ossnb.sliders("Hi", temperature=0.5)
    assert panel.settings == {}


def test_sliders_take_the_replys_model(model):
    reply = model.complete([5, 9, 2], max_tokens=3, seed=1)
    assert ossnb.sliders(reply=reply).model is model
    assert ossnb.sliders("Hi", model=model).prompt == "Hi"
