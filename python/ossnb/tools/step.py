"""A step of an answer: one call of a tool, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..harmony.messages import ToolCall
from ..harmony.tokenizer import well_formed
from ..system.fields import Fields


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a tool, carried out or refused.

    >>> Step(ToolCall.parse("functions.add", '{"a": 1, "b": 2}'), "3", 0.01).arguments
    {'a': 1, 'b': 2}

    `result` is the text that the model was given. `error` says what went wrong, and is None where nothing
    did. `note` says what was put right on the way, such as a misspelt name or a result that was cut.
    `traceback` is for the author of a function that raised, and `pictures` are the bytes of PNG files for the
    user. The model does not see them, and files do not have them.
    """

    call: ToolCall
    result: str
    seconds: float = 0.0
    error: str | None = None
    note: str = ""
    traceback: str = field(default="", repr=False, compare=False)
    pictures: tuple[bytes, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("result", "error", "note"):
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, well_formed(text))

    @property
    def name(self) -> str:
        """The name of the tool, as the model wrote it."""
        return self.call.name

    @property
    def arguments(self) -> Any:
        """The arguments as the model wrote them; None where they are no JSON."""
        return self.call.arguments

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON."""
        return {
            "call": self.call.to_dict(),
            "result": self.result,
            "seconds": self.seconds,
            "error": self.error,
            "note": self.note,
        }

    @classmethod
    def read(cls, fields: Fields) -> Step:
        """Check and read what `to_dict` wrote."""
        call = fields.object("call")
        call.skip("name", "arguments")  # they follow from the rest
        return cls(
            ToolCall.parse(call.text("recipient"), call.text("raw")),
            fields.text("result"),
            fields.number("seconds"),
            fields.optional_text("error"),
            fields.text("note"),
        )
