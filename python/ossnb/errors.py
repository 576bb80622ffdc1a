"""What can go wrong, by who can put it right. A caller's mistake is ValueError, too little memory
MemoryError."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reply import Reply


class CheckpointError(OSError):
    """A model file is missing, damaged or not gpt-oss; the message names file, tensor and what to do."""


class DeviceError(RuntimeError):
    """A device failed; the model is still usable."""


class ContextFull(ValueError):
    """A prompt or a reply does not fit the context; the message says how to get more room."""


class Busy(RuntimeError):
    """The model computes for somebody else; the message says where, what, and since when."""


class Interrupted(KeyboardInterrupt):
    """The user interrupted a generation; `reply` holds everything that had been written until then."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("generation interrupted; the partial reply is in .reply")
        self.reply = reply
