"""Many generations, one engine: their next tokens go through it together, in one ragged pass.

A generation asks (`Feed`) and gets its answer (`Ride.choices`). Each thread that waits for an answer may
drive: the first of them makes one pass for all, and each takes its own part away. So the engine runs only
while somebody waits, and a slow reader stops only itself.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import CheckpointError, DeviceError
from ..system import machine
from ..system.progress import size_text
from .feed import Feed
from .prefix import PrefixTree
from .shared import SharedEngine, Use, device_errors

IN_FLIGHT = 16  # answers that are written at a time: with more, arithmetic and not memory sets the speed
PASS_ROWS = 512  # tokens of a prompt in one pass
ROWS_BESIDE = 64  # the same, where answers are written in the pass: their readers wait for all of it
WRITTEN_ROWS = 33  # most rows of an answer in a pass: a token, and the longest draft behind it
CHOSEN_ROWS = 128  # of texts that are scored in one pass: the head writes all logits of each, V * 4 bytes
TOGETHER = 32  # tokens that a prompt must share with another in the queue to wait until that has read them
LEAST_SPEED = 0.5  # of an answer's own speed: what it keeps beside prompts that are read
GRACE = 0.1  # of the last pass's time: how long a pass waits for those who took part in the last one
MOST_GRACE_S = 0.005
SPARE_BYTES = 256 << 20  # of memory that new keys and values leave: a system without any ends the process
ENGINE_ERRORS = (ValueError, MemoryError, DeviceError, CheckpointError)  # others come from a signal's handler


class Progress(NamedTuple):
    """How far a long feed has been read: positions, and the seconds so far."""

    first: int
    done: int
    last: int
    seconds: float


class Scheduler:
    """The passes of one engine.

    >>> ride = Scheduler(model.engine, PrefixTree(model.engine.core, 0)).ride("reading a text")
    >>> [progress.done for progress in ride.read(Feed(0, [200006, 1428])) if progress.done]
    []
    >>> ride.sequence.length
    2
    """

    def __init__(self, engine: SharedEngine, tree: PrefixTree) -> None:
        self.engine = engine
        self.tree = tree
        self.last: list[weakref.ref[Ride]] = []  # who took part in the last pass
        self._last_s = 0.0  # how long it took
        self._last_end = 0.0
        self._writing_s = 0.0  # how long the last pass of answers alone took
        self._owed_s = 0.0  # to answers, for the time in which prompts were read beside them

    def ride(self, doing: str) -> Ride:
        """Begin a way through the engine; `doing` tells others its purpose."""
        return Ride(self, doing)

    def drive(self, driver: Ride) -> None:
        """Make one pass for all waiting rides; call it only when it is the driver's turn. The driver has no
        part in it while answers are owed time that its prompt took, or while another reads what its prompt
        begins with."""
        self._wait_for_companions()
        waiting = [use for use in self.engine.turns.waiting() if isinstance(use, Ride) and use.wants_a_pass]
        others = [ride for ride in waiting if ride is not driver]
        try:
            for ride in (driver, *others):
                ride.is_aboard = (
                    True  # from here on it leaves its sequence to the driver, or has left already
                )
            rides = [driver, *(ride for ride in others if not ride.has_left)]
            for ride in rides:
                ride.catch_up()
            followers = _followers(rides)
            parts = self._shares([ride for ride in rides if ride not in followers])
            try:
                self._pass(parts, driver)
            except _core.Cancelled:
                raise
            except ENGINE_ERRORS:
                if [part.ride for part in parts] == [driver]:
                    raise
                self._pass(_shares([driver]), driver)  # whose fault it was shows when each goes alone
        except MemoryError:
            driver.has_left = True  # the others, who go on at once, may have what it held
            raise
        finally:
            for ride in (driver, *others):
                ride.is_aboard = False
                if ride.has_left:
                    ride.leave()

    def _shares(self, rides: Sequence[Ride]) -> list[Part]:
        """Share out the next pass: among all, or among answers alone while they are owed time."""
        writing = [ride for ride in rides if ride.is_writing]
        return _shares(writing if self._owed_s > 0 and writing else rides)

    def _account(self, n_writing: int, n_reading: int, seconds: float) -> None:
        """Note what a pass cost answers. In the time of this pass and of those that it owes them, they write
        LEAST_SPEED of the tokens that they would have written without it."""
        if n_writing and n_reading:
            self._owed_s += max(0.0, (LEAST_SPEED * seconds - self._writing_s) / (1 - LEAST_SPEED))
            return
        self._owed_s = max(0.0, self._owed_s - seconds)
        if n_writing:
            self._writing_s = seconds

    def _wait_for_companions(self) -> None:
        """Wait a moment for the rides of the last pass whose readers still take its results away."""
        deadline = self._last_end + min(GRACE * self._last_s, MOST_GRACE_S)
        while time.perf_counter() < deadline:
            away = [ride for ref in self.last if (ride := ref()) is not None and ride.will_be_back]
            if not away:
                return
            time.sleep(0.0001)

    def _pass(self, parts: Sequence[Part], driver: Ride) -> None:
        n_new = sum(part.ride.n_new_blocks(len(part.tokens)) for part in parts)
        n_writing = sum(part.ride.is_writing for part in parts)
        self.tree.make_room(n_new * self.engine.core.kv.block_bytes)
        began = time.perf_counter()
        try:
            step = self._step(parts, driver)
        except MemoryError:  # others took what was free: what is only kept gives way
            n_used = self.engine.core.kv.used_bytes
            self.tree.clear()
            if self.engine.core.kv.used_bytes == n_used:
                raise
            step = self._step(parts, driver)
        self.engine.check_files()
        seconds, at = time.perf_counter() - began, 0
        self._lend(parts)  # before any ride has its choices, and goes on in its own thread
        for part in parts:
            n = len(part.choosers)
            part.ride.arrive(part, step.choices[at : at + n], seconds, step.n_bytes)
            at += n
        self._account(n_writing, len(parts) - n_writing, seconds)
        self.last = [weakref.ref(part.ride) for part in parts]
        self._last_s, self._last_end = seconds, time.perf_counter()

    def _lend(self, parts: Sequence[Part]) -> None:
        """Keep what is read of prompts, for those that begin alike: what somebody waits for, and whole
        prompts. Where nobody waits, it is whole blocks: one that is shared in part is copied by who writes
        on."""
        aboard = {part.ride for part in parts}
        waiting = [use for use in self.engine.turns.waiting() if isinstance(use, Ride) and use not in aboard]
        wanted = {ride.wanted for ride in waiting}  # also by those that came during the pass
        for part in parts:
            is_wanted = any(part.ride.brings(beginning) for beginning in wanted)
            if is_wanted or part.ride.ends_prompt(part):
                part.ride.lend(part, in_whole_blocks=not is_wanted)

    def _require_memory(self, parts: Sequence[Part]) -> None:
        """Raise MemoryError where new keys and values would take the last memory of the host. A card's driver
        tells by itself; this system would promise the memory, and then end the process."""
        core = self.engine.core
        n_new = sum(part.ride.n_new_blocks(len(part.tokens)) - 1 for part in parts)
        needed = core.kv.host_bytes(max(0, n_new))
        if needed and needed + SPARE_BYTES > (free := machine.available_memory()):
            raise MemoryError(
                f"the next keys and values need {size_text(needed)}, and of {size_text(free)} of free memory "
                f"{size_text(SPARE_BYTES)} are left alone; write fewer answers at a time (in_flight=), keep "
                'smaller keys and values (load(kv="int8")), or close other programs'
            )

    def _step(self, parts: Sequence[Part], driver: Ride) -> _core.Step:
        core = self.engine.core
        self._require_memory(parts)
        for part in parts:
            part.ride.undo_unheard()
        with device_errors(core.device, core):
            return core.step(
                [(part.sequence, part.tokens, len(part.choosers)) for part in parts],
                [chooser for part in parts for chooser in part.choosers],
                driver.cancel,
            )


class Ride(Use):
    """One generation's way through the engine: its sequence, its open wishes, and the choices made for it."""

    is_shared = True

    def __init__(self, scheduler: Scheduler, doing: str) -> None:
        super().__init__(scheduler.engine, doing)
        self.scheduler = scheduler
        self.sequence: _core.Sequence | None = None  # before the first feed, and after the end
        self.tokens: list[int] = []  # whose keys and values the sequence holds
        self.n_cached = 0  # of them, taken from earlier prompts and replies
        self.choices: list[_core.Choice] = []  # the answer to the last feed
        self.seconds = 0.0  # of passes for the last feed
        self.n_bytes = 0  # that they had to read
        self.is_aboard = False  # a pass is writing into the sequence
        self.has_left = False
        self._n_kept: int | None = None  # tokens that are kept when it leaves; None keeps all
        self._prompt = b""  # the tokens of its first feed, int32, until the second one
        self._first = 0  # position of the first token that is read for the last feed
        self._looked_at = 0  # the state of the tree that its beginning was last looked up in
        self._unread: NDArray[np.int32] = np.empty(0, np.int32)
        self._choosers: tuple[_core.Chooser, ...] = ()
        self._has_news = False

    def read(self, feed: Feed) -> Iterator[Progress]:
        """Have a feed read; yield before the first pass and after each pass but the last.

        After the last one, too, where others have read its beginning meanwhile. In the end `choices` has the
        tokens chosen. Raises _core.Cancelled once `cancel` is set, Busy, and whatever else the engine raises;
        a further call then goes on with another feed.
        """
        self._board(feed)
        last = len(feed.tokens) + feed.at
        self.seconds, self.n_bytes, self.choices = 0.0, 0, []
        first = self._first
        yield Progress(first, first, last, 0.0)
        while len(self._unread):
            self._wait_for_news()
            if len(self._unread):
                yield Progress(self._first, len(self.tokens), last, self.seconds)
            elif first != self._first:  # others have read its beginning meanwhile
                yield Progress(self._first, self._first, last, self.seconds)

    def leave(self, n_tokens: int | None = None) -> None:
        """End the ride, and keep the content of the sequence for later prompts, or its first `n_tokens`. It
        ends at once; if a pass for others is writing into the sequence, it ends after this pass."""
        self._n_kept = n_tokens if n_tokens is not None else self._n_kept
        self.has_left = True
        sequence = self.sequence
        if not self.is_aboard and sequence is not None and self.engine.is_whole:
            self.undo_unheard()
            self.sequence = None
            if self._n_kept is not None and self._n_kept < sequence.length:
                sequence.rewind(self._n_kept)
            self.scheduler.tree.keep(self.tokens, sequence)
            del sequence  # or its blocks could not be given up
            self.scheduler.tree.make_room(0)

    def _board(self, feed: Feed) -> None:
        """Make the sequence ready for a feed."""
        tokens, self._prompt = np.asarray(feed.tokens, np.int32), b""
        if self.sequence is None:
            may_be_known = tokens[: len(tokens) - len(feed.choosers)]  # rows with a choice are computed
            self._looked_at = self.scheduler.tree.n_changes
            known = self.scheduler.tree.longest(may_be_known)
            self.sequence, self.n_cached = known or (self.core.sequence(), 0)
            self._prompt, self.tokens = tokens.tobytes(), tokens[: self.n_cached].tolist()
            tokens = tokens[self.n_cached :]
        elif feed.at < len(self.tokens):
            self.sequence.rewind(feed.at)
            del self.tokens[feed.at :]
        self._unread, self._choosers, self._first = tokens, feed.choosers, len(self.tokens)

    def _wait_for_news(self) -> None:
        self._has_news = False
        while not self._is_over():  # a pass may be one that others were owed
            with self.held:
                self.engine.check_usable()
                if self.wait(self._is_over):
                    self.scheduler.drive(self)
            self.pass_on()
        if not self._has_news:
            raise _core.Cancelled("cancelled while it waited for its turn")

    def _is_over(self) -> bool:
        return self._has_news or self.cancel.is_set()

    # ---- for the one who drives ----------------------------------------------------------------------------

    @property
    def n_aboard(self) -> int:
        """How many rides took part in the last pass; at least this one."""
        return max(len(self.scheduler.last), 1)

    @property
    def wants_a_pass(self) -> bool:
        """Whether this ride waits for a pass, so that a pass may take it along."""
        return len(self._unread) > 0 and not self._is_over()

    @property
    def will_be_back(self) -> bool:
        """Whether its reader is busy with the results of the last pass."""
        return not self.has_left and not self.held.locked()

    def n_new_blocks(self, n_tokens: int) -> int:
        """How many blocks a pass of so many tokens needs at most."""
        assert self.sequence is not None
        n_blocks = -(-(len(self.tokens) + n_tokens) // self.core.kv.block_tokens)
        return n_blocks - len(self.sequence.blocks) + 1  # one to copy, where the last is shared

    @property
    def is_writing(self) -> bool:
        """Whether it writes an answer: each of its rows has a choice to make, and they are few."""
        return len(self._unread) <= min(max(len(self._choosers), 1), WRITTEN_ROWS)

    def share(self, most_rows: int, *, at_least: bool = False) -> Part | None:
        """Return what a pass with room for so many rows reads; None where there is no room. Rows with a
        choice to make stay together. `at_least` makes room for these."""
        assert self.sequence is not None, "a ride with an unread feed has its sequence"
        n, n_chosen = len(self._unread), len(self._choosers)
        if n <= (max(most_rows, n_chosen) if at_least else most_rows):
            return Part(self, self._unread, self._choosers)
        n_read = min(most_rows, n - n_chosen)
        return Part(self, self._unread[:n_read], ()) if n_read > 0 else None

    # ---- prompts that begin alike --------------------------------------------------------------------------

    @property
    def wanted(self) -> bytes:
        """Its prompt up to the TOGETHER tokens that it would read next; empty where it reads fewer."""
        end = len(self.tokens) + TOGETHER
        return self._prompt[: end * 4] if end <= len(self._prompt) // 4 - len(self._choosers) else b""

    def brings(self, wanted: bytes) -> bool:
        """Whether it reads, or has read, a beginning that another one wants."""
        return len(wanted) > 0 and self._prompt.startswith(wanted)

    def ends_prompt(self, part: Part) -> bool:
        """Whether a part is the end of a prompt of which more than a little was not known."""
        n_read = len(self._prompt) // 4 - self.n_cached
        return n_read >= TOGETHER and len(part.tokens) == len(self._unread)

    def lend(self, part: Part, *, in_whole_blocks: bool) -> None:
        """Keep what is read so far, with the part of a pass, for prompts that begin alike."""
        assert self.sequence is not None
        lent = self.sequence.fork()
        if in_whole_blocks:
            lent.rewind(lent.length - lent.length % self.core.kv.block_tokens)
        self.scheduler.tree.keep([*self.tokens, *part.tokens.tolist()], lent)

    def catch_up(self) -> None:
        """Go on with what is known by now of its prompt, where that is more than it has read."""
        tree = self.scheduler.tree
        if not self._prompt or tree.n_changes == self._looked_at:
            return
        self._looked_at = tree.n_changes
        prompt = np.frombuffer(self._prompt, np.int32)
        known = tree.longest(prompt[: len(prompt) - len(self._choosers)])
        if known is None or known[1] <= len(self.tokens):
            return
        sequence, n = known
        n_spared = n - len(self.tokens)
        begins = self.n_cached + n_spared, self._first + n_spared
        tokens, unread = prompt[:n].tolist(), self._unread[n_spared:]
        self.sequence = sequence  # an interrupt here leaves it longer than the tokens, which is undone
        self.tokens, self._unread, (self.n_cached, self._first) = tokens, unread, begins

    def undo_unheard(self) -> None:
        """Cut the sequence to what this ride knows of: an interrupt, or an error, may come between a pass,
        which lengthens it, and `arrive`."""
        if self.sequence is not None and self.sequence.length > len(self.tokens):
            self.sequence.rewind(len(self.tokens))

    def arrive(self, part: Part, choices: list[_core.Choice], seconds: float, n_bytes: int) -> None:
        """Take the results of a pass."""
        read, left = part.tokens.tolist(), self._unread[len(part.tokens) :]
        # From here to `_has_news` nothing is called, so no interrupt comes between.
        self.tokens += read
        self._unread = left
        self.choices = choices
        self.seconds += seconds
        self.n_bytes += n_bytes
        self._has_news = True
        self.had_one()
        self.bell.ring()


class Part(NamedTuple):
    """One ride's part in a pass. The frames of an error keep parts, so these hold no keys and values."""

    ride: Ride
    tokens: NDArray[np.int32]
    choosers: tuple[_core.Chooser, ...]

    @property
    def sequence(self) -> _core.Sequence:
        """The sequence that it goes on with."""
        assert self.ride.sequence is not None, "a ride that takes part has its sequence"
        return self.ride.sequence


def _followers(rides: Sequence[Ride]) -> set[Ride]:
    """Find the rides that another one spares the reading of what they want. They have no part in the pass,
    and go on from what that one has read."""
    found: set[Ride] = set()
    leaders: list[Ride] = []
    for ride in sorted(rides, key=lambda ride: -len(ride.tokens)):  # who has read most leads
        wanted = ride.wanted
        if any(leader.brings(wanted) for leader in leaders):
            found.add(ride)
        else:
            leaders.append(ride)
    return found


def _shares(rides: Sequence[Ride]) -> list[Part]:
    """Share out a pass's rows: first to rides that write, then to prompts; among equals in their order."""
    writing = [ride for ride in rides if ride.is_writing]
    reading = [ride for ride in rides if not ride.is_writing]
    room = ROWS_BESIDE if writing else PASS_ROWS
    return [*_filled(writing, PASS_ROWS, PASS_ROWS), *_filled(reading, room, CHOSEN_ROWS)]


def _filled(rides: Sequence[Ride], room: int, most_chosen: int) -> list[Part]:
    """Give the rows of a pass to rides, and something to the first in any case."""
    parts: list[Part] = []
    for ride in rides:
        part = ride.share(room, at_least=not parts)
        if part is None or (parts and len(part.choosers) > most_chosen):
            continue
        parts.append(part)
        room -= len(part.tokens)
        most_chosen -= len(part.choosers)
    return parts
