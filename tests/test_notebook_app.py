"""The panels in Notebook 7: a module of its own, for one playwright at a time runs in a process."""

from lab import Lab, need_browser
from test_lab import (
    EXPERTS,
    INSPECT,
    PANELS,
    PICTURES,
    wait_facts,
    wait_for_panels,
)


def test_the_panels_live_in_notebook_too(tmp_path):
    need_browser()
    with Lab.start(tmp_path, "notebook") as app, app.open("panels", PANELS) as notebook:
        notebook.run_all()
        wait_for_panels(notebook)
        notebook.cell(INSPECT).locator("[role=group]").focus()
        notebook.page.keyboard.press("ArrowRight")
        at = notebook.kernel("print(view.widget.selected)")
        wait_facts(notebook, EXPERTS, f"token {at};")
        assert notebook.page.evaluate(PICTURES) == ["none"] * 4 + ["block"]
        notebook.picture("notebook", notebook.cell(INSPECT))
        assert (notebook.external, notebook.errors) == ([], [])
