"""The sampling settings as sliders, and their effect on the next token at once: `ossnb.sliders()`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..generation.keywords import check_keywords
from ..generation.record import Author, Reply, Writing
from ..generation.sampling import SAMPLING_DEFAULTS, Sampling
from ..harmony.prompt import EFFORTS
from ..harmony.tokenizer import token_bytes
from ..page.defaults import set_cell_defaults
from ..page.limiter import RateLimiter
from ..page.output import RUNNING_TEXT
from ..system.forks import renew_in_children
from ..system.text import shown_value
from .distribution import N_KEPT, Distributions, Reduced, reduced
from .drawing import OWN, SHARE, UNLIKELY, BarRow, bar_table, legend, note, ramp, swatch
from .markup import Html, marked, percent, token_name, visible
from .panel import Panel, hear_at_once
from .strip import MAX_TOKENS, token_strip, token_traits

if TYPE_CHECKING:
    from .controls import Controls

THRESHOLD = 0.05  # a written token with less than this share would now probably be another
N_BARS = 12
REFRESH_S = 0.3  # the saved picture need not follow every move of a slider

UNWEIGHED = ("presence_penalty", "frequency_penalty", "logit_bias")  # settings that Distributions leave out

_DEFAULTS: dict[str, Any] = SAMPLING_DEFAULTS | {"effort": "medium"}


class Sliders(Panel):
    """The sampling settings as sliders, with the distribution of the next token before and after them.

    >>> panel = ossnb.sliders(prompt="Tell me a joke")
    >>> panel.settings
    {}

    A moved slider weighs the logits of the last answer anew, without running the model, and marks the tokens
    that would now be unlikely. The page does this by itself, so it follows at once. Hovering and the arrow
    keys select a token and show its alternatives; `position` is its place. Generate writes an answer in a
    thread of its own, Answer now ends its thought, and Stop ends it all. `reply` is the last answer, and
    `code` has the settings as Python. `apply()` makes them the settings of later `%%oss` cells. In a notebook
    every slider counts as set. That includes max_tokens, 512 at first, and the seed, 1: so a slider and not
    chance makes the difference between two answers. `distributions` are those that the tokens of `reply` were
    drawn from. `controls` holds the sliders themselves.
    """

    title = "Sampling settings"

    def __init__(self, model: Author, prompt: str = "", reply: Reply | None = None) -> None:
        super().__init__()
        self.model = model
        self.prompt = prompt
        self.position = 0
        self._values: dict[str, Any] = {}
        self.renew()
        renew_in_children(self)
        self._stream: Writing | None = None
        self._is_stopped = False
        self._as_shown: set[str] = set()  # settings that nobody gave: the sliders' first values
        self._controls: Controls | None = None  # made when they are first shown
        self.reply: Reply | None = None
        self.distributions: Distributions | None = None
        if reply is not None and reply.tokens:
            self._look_at(reply, Distributions.read(reply))

    def renew(self) -> None:
        """Begin without the threads of earlier answers and pictures, as in a forked child."""
        self._writing = threading.Lock()  # held while an answer is written
        self._timer: threading.Timer | None = None

    # ---- settings ----------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that differ from the defaults, as keyword arguments of `generate`."""
        return {name: value for name, value in self._values.items() if value != _DEFAULTS[name]}

    def set(self, **values: Any) -> None:
        """Change settings, and the sliders with them; None stands for the default. Settings without a slider
        are those of the next answer.

        Raises ValueError for a setting out of range, or one that the pictures cannot weigh: presence_penalty,
        frequency_penalty, logit_bias. Raises TypeError for a setting that does not exist.
        """
        check_keywords("set", values, _DEFAULTS)
        given = {name: _DEFAULTS[name] if value is None else value for name, value in values.items()}
        changed = {**self._values, **given}
        checked = Sampling(**{name: value for name, value in changed.items() if name != "effort"})
        for name in UNWEIGHED:
            if getattr(checked, name):
                raise ValueError(
                    f"{name} must be {_DEFAULTS[name]!r} here (the pictures cannot weigh it), "
                    f"got {shown_value(changed[name])}; generate() takes it"
                )
            changed.pop(name, None)
        if "temperature" in changed:  # one without a finite inverse is 0, for the page too
            changed["temperature"] = checked.temperature
        if changed.get("effort", "medium") not in EFFORTS:
            raise ValueError(f"effort must be one of {', '.join(EFFORTS)}, got {changed['effort']!r}")
        if checked.top_k > N_KEPT:
            raise ValueError(f"top_k must be in 0..{N_KEPT} (the logits that are kept), got {checked.top_k}")
        if checked.repetition_penalty < 1:
            raise ValueError(
                "repetition_penalty must be at least 1 here (below, tokens that were not kept would come "
                f"up), got {checked.repetition_penalty}; generate() takes any above 0"
            )
        self._values = changed
        self._as_shown -= set(values)
        if self._controls is not None:
            self._controls.show_settings({name: changed[name] for name in given if name in changed})
        self._refresh_soon()

    def begin_with(self, values: Mapping[str, Any]) -> None:
        """Take the sliders' first values for the settings that have none."""
        self._as_shown = set(values) - set(self._values)
        self._values = {**values, **self._values}

    def select(self, position: int) -> None:
        """Select the token whose alternatives are shown."""
        self.position = position
        if self._controls is not None:
            self._controls.view.selected = position
        self._refresh_soon()

    @property
    def code(self) -> str:
        """Python that generates with these settings."""
        arguments = "".join(f", {name}={value!r}" for name, value in self.settings.items())
        return f"ossnb.generate({self.prompt!r}{arguments})"

    def apply(self) -> None:
        """Make the settings those of later `%%oss` cells that do not give their own, except a slider's first
        value; `%oss defaults reset` undoes this."""
        given = {name: value for name, value in self.settings.items() if name not in self._as_shown}
        set_cell_defaults(given)

    @property
    def sampling(self) -> Sampling:
        """The settings, checked."""
        return Sampling(**{name: value for name, value in self.settings.items() if name != "effort"})

    # ---- answers -----------------------------------------------------------------------------------------

    def generate(self) -> Reply:
        """Write an answer to `prompt` with the settings and keep it in `reply`, also if it was stopped.

        Raises RuntimeError while the panel writes another answer, ValueError without a prompt.
        """
        if not self.prompt.strip():
            raise ValueError("there is nothing to answer: write a prompt")
        writing = self._writing
        if not writing.acquire(blocking=False):
            raise RuntimeError("this panel is writing an answer; wait for it or end it with stop()")
        self._is_stopped = False
        self._show_busy(True)
        try:
            stream = self.model.stream(self.prompt, **self.settings)
            self._stream = stream
            if self._is_stopped:  # meanwhile
                stream.cancel()
            steps: dict[int, Reduced] = {}  # by the number of the token that was chosen

            def keep_step(logits: NDArray[np.float32]) -> None:
                steps[len(stream.reply.tokens)] = reduced(logits)

            stream.on_logits = keep_step
            try:
                self._show_running(stream)
            finally:
                stream.close("interrupted")
                self._stream = None
                self._keep(stream.reply, steps)
        finally:
            self._show_busy(False)
            writing.release()
        return stream.reply

    def stop(self) -> None:
        """End the answer that is being written, from any thread; the text so far stays."""
        self._is_stopped = True
        if (stream := self._stream) is not None:
            stream.cancel()

    def stop_thinking(self) -> None:
        """End the thought that is being written and go on with the answer, from any thread."""
        if (stream := self._stream) is not None:
            stream.stop_thinking()

    def _show_busy(self, busy: bool) -> None:
        if self._controls is not None:
            self._controls.set_busy(busy)

    def _show_running(self, stream: Writing) -> None:
        limiter = RateLimiter()
        tokens: list[int] = []
        for event in stream:
            if event.token is not None:
                tokens.append(event.token)
            if self._controls is None:
                continue
            self._controls.set_thinking(event.kind == "reasoning")
            if limiter.ready(80 * len(tokens)):
                self._controls.show_text("".join(visible(token_bytes(t)) for t in tokens))

    def _look_at(self, reply: Reply, distributions: Distributions | None) -> None:
        """Take in a reply, at the token where the model was least sure."""
        self.reply, self.distributions = reply, distributions
        if distributions is not None:
            self.position = int(distributions.before()[:MAX_TOKENS, 0].argmin())

    def _keep(self, reply: Reply, steps: Mapping[int, Reduced]) -> None:
        found = None
        try:
            if reply.tokens:
                found = Distributions.read(reply, steps)
        finally:  # the answer is shown, also where the model could not read what is missing
            if reply.tokens:
                self._look_at(reply, found)
                self.refresh()
            if self._controls is not None:
                self._controls.after_reply(reply)

    # ---- the pictures ------------------------------------------------------------------------------------

    def written_shares(self) -> NDArray[np.float64]:
        """The share that each token of the answer would have with the present settings, [T]."""
        kept = self.distributions
        return np.zeros(0) if kept is None else kept.written(kept.under(self.sampling).kept)

    def answer_html(self) -> Html:
        """The answer: a token is darker the less likely the settings make it, and underlined if unlikely."""
        kept = self.distributions
        if kept is None and self.reply is not None:
            return Html.of("pre", self.reply.text, style=RUNNING_TEXT)
        if kept is None:
            return note("No answer yet.")
        shares = kept.written(kept.under(self.sampling).kept)
        unlikely = np.flatnonzero(shares < THRESHOLD)
        strip = token_strip(
            kept.tokens.tolist(),
            np.asarray(1 - shares, np.float32),
            lambda t: f"{t}: {percent(shares[t])} now",
            outlined=self.position,
            underlined=set(unlikely.tolist()),
            hides_special=self.hides_special,
        )
        below = f"underlined: below {percent(THRESHOLD)}"
        words = f"{len(unlikely)} of {len(shares)} tokens would now be unlikely"
        scale = ramp((UNLIKELY, UNLIKELY), "likely now", "unlikely now")
        return Html.joined([strip, legend(scale, below), note(words)])

    def next_token_html(self) -> Html:
        """The distribution at `position`, before and after the settings."""
        kept = self.distributions
        if kept is None:
            return Html("")
        at = min(max(self.position, 0), len(kept.ids) - 1)
        shares, before = kept.under(self.sampling), kept.before()[at]
        after, labels = shares.kept[at], _labels(kept.ids[at])
        rows = [(str(i + 1), label, float(before[i]), float(after[i])) for i, label in enumerate(labels)]
        found = np.flatnonzero(kept.ids[at] == kept.tokens[at])
        own = int(found[0]) if len(found) else len(before)  # where the written token is among those kept
        if own >= len(rows):  # it always has a row
            name = marked(visible(token_bytes(int(kept.tokens[at]))))
            known = own < len(before)
            rank = str(own + 1) if known else f"> {len(before)}"
            old, new = (float(before[own]), float(after[own])) if known else (0.0, 0.0)
            rows.append((rank, name, old, new))
        shown = [sum(row[2] for row in rows), sum(row[3] for row in rows)]
        rows.append(("", "all others", max(0.0, 1 - shown[0]), max(0.0, 1 - shown[1])))
        marked_row = min(own, len(labels))
        picture = bar_table(
            ("model", "settings"),
            [
                BarRow(rank, label, _bars(rank, old, new, float(before[-1])), i == marked_row)
                for i, (rank, label, old, new) in enumerate(rows)
            ],
        )
        colours = legend(swatch(OWN, "the model's own share"), swatch(SHARE, "the share with the settings"))
        words = f"token {at}, {token_name(int(kept.tokens[at]))}; right to within {percent(shares.error[at])}"
        return Html.joined([note(words), picture, colours])

    def live_traits(self) -> dict[str, Any]:
        """The present answer as the live view draws it; see DistributionView. Without distributions there is
        nothing to draw, and nothing of an earlier answer stays."""
        if self.distributions is None:
            return {"tokens": [], "written": []}
        tokens = token_traits(self.distributions.tokens.tolist())
        kept = self.distributions[: len(tokens["tokens"])]
        rest = np.column_stack([kept.log_total, kept.n_seen_others, kept.counts, kept.means, kept.edges])
        is_written = np.column_stack([kept.ids == kept.tokens[:, None], np.ones(len(kept.ids), np.bool_)])
        return {
            **tokens,
            "selected": self.position,
            "labels": [_labels(row) for row in kept.ids],
            "logits": kept.logits.astype("<f4").tobytes(),
            "seen": kept.is_seen.astype(np.uint8).tobytes(),
            "rest": rest.astype("<f4").tobytes(),
            "written": is_written.argmax(axis=1).tolist(),
            "written_labels": [marked(text) for text in tokens["tokens"]],
        }

    def _refresh_soon(self) -> None:
        """Let the saved picture follow; many moves of a slider make one new picture."""
        if self._timer is None:
            self._timer = threading.Timer(REFRESH_S, self._refresh_now)
            self._timer.daemon = True
            self._timer.start()

    def _refresh_now(self) -> None:
        self._timer = None  # before the picture: a move from here on makes another
        self.refresh()

    def plain(self) -> str:
        """The settings and the answer as text."""
        return "\n".join([self.code, *([self.reply.text] if self.reply is not None else [])])

    def html(self) -> Html:
        """The settings, the answer and the distribution at the position."""
        code = Html.of("code", self.code, style="white-space:pre-wrap;overflow-wrap:anywhere")
        return Html.joined([code, self.answer_html(), self.next_token_html()])

    def make_widget(self) -> Any:
        """Make the sliders."""
        return self.controls.box

    def _switched(self) -> Any:
        return None if self._controls is None else self._controls.view

    def _live(self) -> Any:
        """There is no live view without ipywidgets, whose sliders it has."""
        return None

    @property
    def controls(self) -> Controls:
        """The widgets inside `widget`; you can read them, set them, or place them in a layout of your own."""
        if self._controls is None:
            from .controls import Controls  # ipywidgets takes its time to import

            self._controls = Controls(self, self._id, THRESHOLD)
            self._share_switch(self._controls.view)
            hear_at_once(self._controls.box)
        return self._controls

    def generate_in_thread(self) -> threading.Thread:
        """Write an answer while the page stays alive; the panel shows errors."""

        def run() -> None:
            try:
                self.generate()
            except Exception as error:  # a thread has nobody else to tell
                self.controls.show_error(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=run, daemon=True, name="of a sliders panel")
        thread.start()
        return thread


def _labels(ids: NDArray[np.int32]) -> list[str]:
    """The likeliest tokens, which get a bar."""
    return [marked(visible(token_bytes(token))) for token in ids[:N_BARS].tolist()]


def _bars(rank: str, old: float, new: float, least: float) -> list[tuple[float, str, str]]:
    """The bars of a row. A token that was not kept is less likely than the `least` of those that were."""
    if rank.startswith(">"):
        return [(0.0, f"< {percent(least)}", OWN), (0.0, "–", SHARE)]
    return [(old, percent(old), OWN), (new, percent(new), SHARE)]
