"""A conversation that outgrew its context: its oldest turns are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .messages import Message

STEPS = 4  # the turns that go make up so many parts of the room, one after another


def drop_oldest(
    messages: Sequence[Message], count: Callable[[Sequence[Message]], int], most: int
) -> tuple[list[Message], int]:
    """Drop the oldest turns until the rest has at most `most` tokens; return it, and how many turns went.

    >>> talk = [Message("user", "1 2 3"), Message("assistant", "4"), Message("user", "5 6")]
    >>> [m.content for m in drop_oldest(talk, lambda ms: sum(len(m.content.split()) for m in ms), 3)[0]]
    ['5 6']

    A turn begins with a message of the user. Instructions before the first turn stay, and so does the last
    turn, however long. More goes than has to: each time a quarter of `most`. So the next turns of a chat
    begin alike, and their keys and values are found again.
    """
    begins = [i for i, message in enumerate(messages) if message.role == "user"]
    if len(begins) < 2 or (total := count(messages)) <= most:
        return list(messages), 0
    step = max(most // STEPS, 1)
    to_go = -(-(total - most) // step) * step
    empty, gone, n = count(()), 0, 0
    while n < len(begins) - 1 and gone < to_go:
        gone += count(messages[begins[n] : begins[n + 1]]) - empty
        n += 1
    while True:
        rest = [*messages[: begins[0]], *messages[begins[n] :]]
        if n == len(begins) - 1 or count(rest) <= most:
            return rest, n
        n += 1
