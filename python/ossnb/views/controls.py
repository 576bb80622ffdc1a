"""The sliders as stock widgets, and the effect of their changes on a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import ipywidgets as w

from ..generation.record import Reply
from ..harmony.prompt import EFFORTS
from ..page.defaults import cell_defaults, settings_text
from ..page.figures import stats_line
from ..page.output import RUNNING_TEXT
from .distribution import N_KEPT
from .live import DistributionView
from .markup import Html

LINKED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")  # what the live view weighs with
_WIDE = {"description_width": "9em"}


class Controlled(Protocol):
    """The panel as the widgets read and change it; see Sliders."""

    prompt: str
    reply: Reply | None

    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def code(self) -> str: ...
    def begin_with(self, values: Mapping[str, Any]) -> None: ...
    def set(self, **values: Any) -> None: ...
    def select(self, position: int) -> None: ...
    def apply(self) -> None: ...
    def generate_in_thread(self) -> object: ...
    def stop(self) -> None: ...
    def stop_thinking(self) -> None: ...
    def live_traits(self) -> Mapping[str, Any]: ...


class Controls:
    """The widgets of one panel; `box` holds them all.

    Stock sliders bring keyboard and screen readers along. The page itself links them to the live view, with
    no kernel in between. The HTML widget shows only text that markup.py escaped.
    """

    def __init__(self, panel: Controlled, twin: str, threshold: float) -> None:
        self._panel = panel
        self.prompt = w.Textarea(
            panel.prompt, description="prompt", style=_WIDE, layout=w.Layout(width="98%")
        )
        self.sliders: dict[str, Any] = {
            "temperature": _float("temperature", 1.0, 0, 2, 0.05),
            "top_p": _float("top p", 1.0, 0.05, 1, 0.05),
            "top_k": _int("top k (0: all)", 0, 0, N_KEPT),
            "min_p": _float("min p", 0.0, 0, 0.5, 0.01),
            "repetition_penalty": _float("repetition penalty", 1.0, 1, 2, 0.05),
            "max_tokens": _int("max tokens", 512, 1, 4096),
            "seed": w.BoundedIntText(
                value=1, min=0, max=2**53 - 1, description="seed", style=_WIDE, layout=w.Layout(width="98%")
            ),
            "effort": w.ToggleButtons(
                options=list(EFFORTS),
                value="medium",
                description="effort",
                style={"button_width": "auto", **_WIDE},
                layout=w.Layout(width="98%"),
            ),
        }
        self.generate = w.Button(description="Generate", button_style="primary")
        self.stop = w.Button(description="Stop", disabled=True)
        self.answer_now = w.Button(
            description="Answer now", disabled=True, tooltip="End the thought, and go on with the answer"
        )
        self.apply = w.Button(description="Apply to %%oss cells", layout=w.Layout(width="auto"))
        self.code = w.Textarea(rows=4, description="as Python", style=_WIDE, layout=w.Layout(width="98%"))
        self.status = w.Label(layout=w.Layout(width="98%"))
        self.running = w.HTML()
        self.view = DistributionView(twin=twin, threshold=threshold)
        left = w.VBox(
            [*self.sliders.values(), self.code],
            layout=w.Layout(flex="1 1 27em", max_width="31em", min_width="0"),
        )
        right = w.VBox([self.running, self.view], layout=w.Layout(flex="2 1 24em", min_width="0"))
        self.box = w.VBox(
            [
                self.prompt,
                w.HBox(
                    [self.generate, self.answer_now, self.stop, self.apply],
                    layout=w.Layout(flex_flow="row wrap"),
                ),
                self.status,
                w.HBox([left, right], layout=w.Layout(flex_flow="row wrap")),
            ]
        )
        self._is_following = False
        # The panel's own settings win; what it does not say is as the sliders begin.
        self.show_settings(panel.settings)
        panel.begin_with({name: slider.value for name, slider in self.sliders.items()})
        self.code.value = panel.code
        self._connect()
        self.after_reply(panel.reply)

    def show_settings(self, values: Mapping[str, Any]) -> None:
        """Move the sliders without a message back, and show the same settings as code."""
        self._is_following = True
        try:
            for name, value in values.items():
                slider = self.sliders.get(name)
                # None is as generate() has it by itself; there is no place for that on a slider.
                if slider is None or value is None:
                    continue
                if hasattr(slider, "max"):  # one who writes code may leave the range that is usual
                    slider.min, slider.max = min(slider.min, value), max(slider.max, value)
                if isinstance(value, str) or abs(slider.value - value) > 1e-9:
                    slider.value = value
        finally:
            self._is_following = False
        self.code.value = self._panel.code

    def _connect(self) -> None:
        for name, slider in self.sliders.items():
            slider.observe(lambda change, name=name: self._on_setting(name, change["new"]), "value")
            if name in LINKED:
                setattr(self.view, name, slider.value)
                w.jsdlink((slider, "value"), (self.view, name))
        self.view.observe(self._on_selected, "selected")
        self.prompt.observe(self._on_prompt, "value")
        self.generate.on_click(lambda button: self._panel.generate_in_thread())
        self.stop.on_click(lambda button: self._panel.stop())
        self.answer_now.on_click(lambda button: self._panel.stop_thinking())
        self.apply.on_click(self._on_apply)

    def _on_setting(self, name: str, value: Any) -> None:
        if not self._is_following:
            # A page adds steps up: 0.9 comes as 0.9000000000000001.
            self._panel.set(**{name: round(value, 9) if isinstance(value, float) else value})

    def _on_selected(self, change: Any) -> None:
        self._panel.select(change["new"])

    def _on_prompt(self, change: Any) -> None:
        self._panel.prompt = change["new"]
        self.code.value = self._panel.code

    def _on_apply(self, button: Any) -> None:
        self._panel.apply()
        told = settings_text(cell_defaults())
        self.status.value = f"later %%oss cells use {told or 'the usual settings'}" + (
            "; `%oss defaults reset` ends it" if told else ""
        )

    def after_reply(self, reply: Reply | None) -> None:
        """Take in the panel's answer and say how the last one, `reply`, ended."""
        self.running.value = ""
        traits = self._panel.live_traits()
        with self.view.hold_sync():
            for name, value in traits.items():
                setattr(self.view, name, value)
            self.view.answer += 1
        if reply is not None:
            self.status.value = stats_line(reply)
            if not traits["tokens"]:  # the view has nothing of it
                self.show_text(reply.text)

    def show_text(self, text: str) -> None:
        """Show an answer while it is written."""
        self.running.value = Html.of("pre", text, style=f"{RUNNING_TEXT};margin:0", dir="auto")

    def show_error(self, text: str) -> None:
        """Show an error's text; a Label shows it as it stands."""
        self.status.value = text

    def set_busy(self, busy: bool) -> None:
        """Switch between Generate and Stop."""
        self.generate.disabled, self.stop.disabled = busy, not busy
        self.set_thinking(False)
        if busy:
            self.status.value = ""

    def set_thinking(self, thinking: bool) -> None:
        """Offer the end of a thought while one is being written."""
        self.answer_now.disabled = not thinking


def _float(label: str, value: float, low: float, high: float, step: float) -> Any:
    return w.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=step,
        description=label,
        style=_WIDE,
        layout=w.Layout(width="98%"),
    )


def _int(label: str, value: int, low: int, high: int) -> Any:
    return w.IntSlider(
        value=value, min=low, max=high, description=label, style=_WIDE, layout=w.Layout(width="98%")
    )
