"""The live views: one JavaScript module each; it gets texts and numbers, and nothing to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

_STATIC = Path(__file__).parent / "static"


def module(name: str) -> str:
    """Return the one ES module of a view: the code that all share, and its own."""
    return "".join((_STATIC / f"{part}.js").read_text(encoding="utf-8") for part in ("strip", name))


class LiveView(anywidget.AnyWidget):
    """Tokens; the reader has `selected` one. `special` are the positions of harmony's marks
    and headers.

    The state that a notebook saves has no module and no values `asked` for: a page asks the kernel for them
    (loader.js), and a page without one has the picture. `carry_all` puts them into the state.
    """

    _esm = (Path(__file__).parent / "loader.js").read_text(encoding="utf-8")
    script = ""  # the name of the view's module

    def __init__(self, **values: Any) -> None:
        self._carries_all = self._is_seen = False
        self._answered: set[str] = set()  # pages put a question again
        super().__init__(**values)
        self.on_msg(self._answer)
        self.observe(lambda change: self._tell([change["name"]]), self._asked())

    def carry_all(self) -> None:
        """Put everything into the state, for a page that takes no messages of its own kind."""
        self._carries_all = True
        self._esm = module(self.script)
        self.send_state()

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state without the values that a page asks for."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        left_out = () if self._carries_all else self._asked()
        return {name: value for name, value in state.items() if name not in left_out}

    def _asked(self) -> list[str]:
        return list(self.traits(asked=True))

    def _answer(self, widget: Any, content: Any, buffers: Any) -> None:
        if content.get("type") == "ask" and (number := str(content.get("id"))) not in self._answered:
            self._is_seen = True
            self._answered.add(number)
            self._tell(self._asked(), module=module(self.script))

    def _tell(self, names: list[str], **more: str) -> None:
        """Send values to the pages that show the view, if any does."""
        if not self._is_seen:
            return
        values = {name: getattr(self, name) for name in names}
        raw = [name for name, value in values.items() if isinstance(value, bytes)]
        plain = {name: value for name, value in values.items() if name not in raw}
        content = {"type": "values", "values": plain, "bytes": raw, **more}
        self.send(content, [values[name] for name in raw])

    twin = t.Unicode().tag(sync=True)  # the class of the picture this view stands in for
    tokens = t.List(t.Unicode()).tag(sync=True, asked=True)
    special = t.List(t.Int()).tag(sync=True, asked=True)
    n_left_out = t.Int(0).tag(sync=True)  # tokens after these
    selected = t.Int(0).tag(sync=True)
    hides_special = t.Bool(False).tag(sync=True)  # whether those positions are left out
    has_kernel = t.Bool(True).tag(sync=True)  # whether somebody hears what is sent


class TokensView(LiveView):
    """Tokens with their alternatives; `shade` follows the reader's choice."""

    script = "tokens"

    probabilities = t.List(t.Float()).tag(sync=True, asked=True)
    entropies = t.List(t.Float()).tag(sync=True, asked=True)
    ranks = t.List(t.Int()).tag(sync=True, asked=True)  # of the tokens written, from 1 on
    written = t.List(t.Int()).tag(sync=True, asked=True)  # where each is among its alternatives
    alternatives: t.List[Any] = t.List().tag(sync=True, asked=True)
    branches: t.List[Any] = t.List().tag(sync=True, asked=True)
    shade = t.Enum(["probability", "entropy"], default_value="probability").tag(sync=True)
    busy = t.Bool(False).tag(sync=True)
    error = t.Unicode().tag(sync=True)


class ExpertsView(LiveView):
    """The experts of the selected token."""

    script = "experts"

    n_experts = t.Int().tag(sync=True)
    ids: t.List[Any] = t.List().tag(sync=True, asked=True)
    weights: t.List[Any] = t.List().tag(sync=True, asked=True)


class AttentionView(LiveView):
    """The places where the reply's selected token looked; `tokens` begin with the prompt's `n_prompt`."""

    script = "attention"

    label = t.Unicode().tag(sync=True)
    n_prompt = t.Int().tag(sync=True)
    weights = t.Bytes().tag(sync=True, asked=True)  # float32 [T, S], row after row


class CompareView(LiveView):
    """Replies side by side; `selected` is one of their differences, which `replies` have in `parts`."""

    script = "compare"

    label = t.Unicode().tag(sync=True)
    replies: t.List[Any] = t.List().tag(sync=True, asked=True)


class AnswersView(LiveView):
    """A thought, and the answers after parts of it; `selected` is one of them."""

    script = "answers"

    label = t.Unicode().tag(sync=True)
    answers: t.List[Any] = t.List().tag(sync=True, asked=True)


class SourcesView(LiveView):
    """The shares of attention of an answer's T tokens for the N names of its prompt's parts.

    Bytes are float32: `shares` [T, N] is the mean of all layers and heads, `each` [layers, n_heads, T, N] is
    none; `layers` is empty where `each` would be too large. `heat` is the mean for each token of `prompt`;
    `places` says which name it has.
    """

    script = "sources"

    label = t.Unicode().tag(sync=True)
    caveat = t.Unicode().tag(sync=True)
    prompt = t.List(t.Unicode()).tag(sync=True, asked=True)
    prompt_special = t.List(t.Int()).tag(sync=True, asked=True)
    n_before = t.Int(0).tag(sync=True)  # tokens of the prompt before these
    places = t.List(t.Int()).tag(sync=True, asked=True)
    heat = t.Bytes().tag(sync=True, asked=True)
    names = t.List(t.Unicode()).tag(sync=True)
    sizes = t.List(t.Int()).tag(sync=True)  # in tokens
    layers = t.List(t.Int()).tag(sync=True)
    n_heads = t.Int().tag(sync=True)
    shares = t.Bytes().tag(sync=True, asked=True)
    each = t.Bytes().tag(sync=True, asked=True)


class ApprovalView(LiveView):
    """A question with two buttons; once it is decided, `words` say how."""

    script = "approval"

    question = t.Unicode().tag(sync=True)
    text = t.Unicode().tag(sync=True)
    is_code = t.Bool().tag(sync=True)
    state = t.Unicode("open").tag(sync=True)  # or how it ended; nothing is shown of a "typed" one
    words = t.Unicode().tag(sync=True)


class AnswerNowView(LiveView):
    """A button that ends a thought."""

    script = "answer_now"


class DistributionView(LiveView):
    """The distributions that an answer's T tokens were drawn from, as the settings make them.

    The page weighs them itself. `answer` is a number, another one for every answer. Bytes are rows of T:
    `logits` float32 [T, K], `seen` uint8 [T, K], `rest` float32 [T, 3 + 3 bins]: the log of the total, how
    many of the other tokens count for the repetition penalty, and counts, means and edges of their histogram.
    """

    script = "distribution"

    answer = t.Int().tag(sync=True)
    labels: t.List[Any] = t.List().tag(sync=True, asked=True)  # of the likeliest tokens, [T][bars]
    logits = t.Bytes().tag(sync=True, asked=True)
    seen = t.Bytes().tag(sync=True, asked=True)
    rest = t.Bytes().tag(sync=True, asked=True)
    written = t.List(t.Int()).tag(sync=True, asked=True)  # where each token is among its K; K where it is not
    written_labels = t.List(t.Unicode()).tag(sync=True, asked=True)  # those of the tokens written
    threshold = t.Float().tag(sync=True)  # of the shares that are called unlikely
    temperature = t.Float(1.0).tag(sync=True)
    top_k = t.Int(0).tag(sync=True)
    top_p = t.Float(1.0).tag(sync=True)
    min_p = t.Float(0.0).tag(sync=True)
    repetition_penalty = t.Float(1.0).tag(sync=True)
