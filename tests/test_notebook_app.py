"""The panels in Notebook 7: a module of its own, for one playwright at a time runs in a process."""

import pytest

from lab import Lab, need_browser
from test_lab import EXPERTS, INSPECT, PANELS, PICTURES, SLIDERS, setting, wait_facts, wait_for_panels


@pytest.fixture(scope="module")
def panels(tmp_path_factory):
    need_browser()
    folder = tmp_path_factory.mktemp("notebook")
    with Lab.start(folder, "notebook") as app, app.open("panels", PANELS) as notebook:
        notebook.run_all()
        wait_for_panels(notebook)
        yield notebook


def test_a_key_selects_a_token_in_every_view(panels):
    before = int(panels.kernel("print(view.widget.selected)"))
    panels.cell(INSPECT).locator("[role=group]").focus()
    panels.page.keyboard.press("ArrowLeft")
    wait_facts(panels, EXPERTS, f"token {before - 1} ")
    assert int(panels.kernel("print(view.widget.selected)")) == before - 1


def test_keys_move_a_slider_in_command_mode(panels):
    panels.command("notebook:enter-command-mode")
    panels.cell(SLIDERS).locator(".noUi-handle").first.focus()
    panels.page.keyboard.press("ArrowLeft")
    panels.cell(SLIDERS).locator(".noUi-handle[aria-valuetext='0.95']").wait_for()
    for _ in range(50):
        if setting(panels, "temperature") == 0.95:
            break
        panels.page.wait_for_timeout(100)
    assert setting(panels, "temperature") == 0.95


def test_live_views_stand_in_for_their_pictures(panels):
    assert panels.page.evaluate(PICTURES) == ["none"] * 4 + ["block", "none", "none", "none"]
    assert panels.external == []
