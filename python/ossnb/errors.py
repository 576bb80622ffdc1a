"""The errors, by who can put them right. ValueError is a caller's mistake, MemoryError too little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CheckpointError(OSError):
    """A model file is missing, damaged or not gpt-oss; the message names the file, the tensor and the cure.

    >>> try: ossnb.load("no-such-folder")
    ... except ossnb.CheckpointError as error: print(error)
    'no-such-folder': no such folder, nor a hub id (owner/name), nor one of 20b, 120b, demo
    """


class DeviceError(RuntimeError):
    """A device is not there, or failed within a call; the message has its own words, and says what is left.

    >>> try: model = ossnb.load("demo", device="cuda:7")
    ... except ossnb.DeviceError: model = ossnb.load("demo", device="cpu")

    Within a call the model is still usable, or the message asks to load it again: then the card was lost.
    """


class ContextFull(ValueError):
    """A prompt does not fit the context; the message says how to get more room.

    >>> try: chat.say(150_000 * "word ")
    ... except ossnb.ContextFull: chat.reset()
    """


class Unparsed(ValueError):
    """An answer is not in the form of its schema, as one that was cut; `text` is what there is of it.

    >>> try: answer = model.generate("Is 7 odd?", schema=["yes", "no"], max_tokens=3).parsed
    ... except ossnb.Unparsed: print("cut off")
    cut off
    """

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class Busy(RuntimeError):
    """The model computes for another caller, or the chat does; the message says where and what.

    >>> model.patience_s = None  # waits for its turn, however long that takes
    >>> reply = model.generate("Hi")
    """


class Interrupted(KeyboardInterrupt):
    """The user interrupted a generation; `reply`, a Reply, has the text written so far.

    >>> try: reply = model.generate("Tell me a story")
    ... except ossnb.Interrupted as stopped: print(stopped.reply.text)
    """

    def __init__(self, reply: Any, replies: Sequence[Any] = ()) -> None:
        super().__init__("generation interrupted; the partial reply is in .reply")
        self.reply = reply
        self.replies = list(replies) or [reply]  # of several samples
