"""What a tool is: how the model is told of it, and how a call of it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from ..harmony.messages import ToolCall
from ..harmony.prompt import call_names


class Tool:
    """A tool that is carried out here: a function, the model's own `python`, a server's.

    `definition` is plain JSON, and all that a prompt, a saved chat and a log know of the tool. It is a
    function in OpenAI's form, or a tool that the model was trained on, which the system message declares:

        {"type": "builtin", "name": "python", "description": "...", "functions": []}
    """

    name: str
    definition: dict[str, Any]
    asks: ClassVar[bool] = False  # each call needs the user's word, also where `approve` is None
    runs_here: ClassVar[bool] = False  # in the thread that reads the answer; others get one of their own

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a call may have, as a ToolCall has them: "weather", "python", "browser.search"."""
        return call_names(self.definition)

    def limit(self, most_chars: int) -> None:
        """Hear how many characters the result of the next call may have; a longer one is cut."""

    def bind(self, call: ToolCall) -> Callable[[], Any]:
        """Check the arguments of a call, whose name is one of `names`, and return what carries it out.

        That returns a Result, or any value, which becomes text (`as_text`). It may return a coroutine. What
        it raises is told to the model. One that can be ended from outside is `Stoppable`. Raises BadArguments
        where the arguments do not fit.
        """
        raise NotImplementedError

    def give(self, variables: Mapping[str, Any]) -> None:
        """Hand variables of the caller over; ValueError for a tool that takes none."""
        raise ValueError(f"{self.name} takes no variables: they can be given to python, in its own kernel")


class Toolbox:
    """Something that stands for several tools in `tools=[...]`, such as a server."""

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools, in an order that does not change: it is part of the prompt."""
        raise NotImplementedError


@runtime_checkable
class Stoppable(Protocol):
    """A call that can be ended from outside.

    An interrupt or a timeout ends such a call, and its result goes to the model; it does not end the answer.
    """

    def __call__(self) -> Any: ...

    def stop(self, why: str) -> None:
        """Make the call, which runs in another thread, return soon; its result tells `why`."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call, where that is more than a text.

    `text` is for the model, which gets the begin and the end of a long one. `note` and `pictures` are for the
    user; a picture is the bytes of a PNG file. `error` says what went wrong; `text` tells the model of it,
    too.
    """

    text: str
    note: str = ""
    pictures: tuple[bytes, ...] = ()
    error: str | None = None
    traceback: str = ""
