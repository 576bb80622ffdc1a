"""An answer in rounds: the model calls functions, reads their results, and goes on until it answers.

The tokens of a round are never rendered anew. The next round's prompt is the last one with its tokens and the
results, so that all of it is there already in keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..engine.scheduler import Scheduler
from ..errors import Interrupted
from ..harmony.messages import Message, ToolCall, tool_result
from ..harmony.parser import ENDS
from ..harmony.prompt import call_names, render_results
from ..harmony.tokenizer import CALL
from ..tools.outcome import MOST_CHARS
from ..tools.toolkit import Calls, StepStopped
from .loop import Request
from .record import Event, FinishReason, Reply, Step
from .stream import Course

MOST_SHARE = 2  # a result takes at most one part in so many of the free context


class _Cancelled(Exception):
    """The stream was cancelled while a function ran."""


class Rounds:
    """A way to a reply that calls functions; to its Stream it is as one Course.

    >>> def get_weather(city: str): "Get the weather of a city"; return "sunny, 21 degrees"
    >>> reply = model.generate("What is the weather in Paris?", tools=[get_weather], temperature=0)
    >>> reply.steps[0].arguments, reply.steps[0].result
    ({'city': 'Paris'}, 'sunny, 21 degrees')

    No turn of the engine is held while a function runs: it may ask the model itself.
    """

    def __init__(
        self, scheduler: Scheduler, request: Request, on_end: Callable[[Reply], None] | None
    ) -> None:
        self.reply: Reply | None = None
        self.close_reason: FinishReason = "cancelled"
        self._scheduler = scheduler
        self._first = request
        self._on_end = on_end
        self._toolkit = request.question.toolkit
        self._calls = Calls(
            self._toolkit, [name for tool in request.question.tools for name in call_names(tool)]
        )
        self._rounds: list[Reply] = []  # that have ended
        self._messages: list[Message] = []  # of those, with the results
        self._steps: list[Step] = []
        self._open_calls: list[ToolCall] = []  # of the last of them, for the caller
        self._notes: tuple[str, ...] = ()
        self._answer = ""  # the text so far
        self._n_cited = 0  # citations in it that were told
        self._is_cancelled = self._wants_answer = False
        self._course = Course(scheduler, request, None)

    def events(self) -> Generator[Event, None, None]:
        """Generate, and call what the model calls."""
        try:
            reason = yield from self._all_rounds()
        except _Cancelled:
            reason = "cancelled"
        except KeyboardInterrupt:  # in the engine, in a function, or between
            raise Interrupted(self.end("interrupted")[1]) from None
        except BaseException as error:
            self.end(self._reason_of(error))
            raise
        yield Event("done", reply=self.end(reason)[1])

    def end(self, reason: FinishReason) -> tuple[list[Event], Reply]:
        """End the round that is open, and make the reply of all."""
        if self.reply is not None:
            return [], self.reply
        events: list[Event] = []
        if self._is_in_round:
            events, last = self._course.end(reason)
            reason = last.finish_reason
        reply = self.reply = replace(self.so_far, finish_reason=reason)
        if self._on_end is not None:
            self._on_end(reply)
        return events, reply

    @property
    def so_far(self) -> Reply:
        """The reply; while it is being written, the part so far."""
        if self.reply is not None:
            return self.reply
        last, messages, open_calls = self._course.so_far, self._messages, self._open_calls
        rounds = self._rounds
        if self._is_in_round:
            rounds, messages, open_calls = [*rounds, last], [*messages, *last.messages], last.tool_calls
        text = "\n\n".join(one.text for one in rounds if one.text)
        return replace(
            last,
            text=text,
            citations=self._first.cite(text) if self._first.cite is not None else [],
            documents=list(self._first.documents),
            named=dict(self._first.named),
            reasoning="\n\n".join(one.reasoning for one in rounds if one.reasoning),
            tool_calls=list(open_calls),
            steps=list(self._steps),
            messages=list(messages),
            notes=tuple(dict.fromkeys((*(note for one in rounds for note in one.notes), *self._notes))),
            stats=sum((one.stats for one in rounds[1:]), rounds[0].stats),
            finish_reason="unfinished",
        )

    @property
    def _is_in_round(self) -> bool:
        """Whether a round is being written; else functions are called, or all is over."""
        return not self._rounds or self._course.reply is not self._rounds[-1]

    def _reason_of(self, error: BaseException) -> FinishReason:
        """Say why the answer ends where an error unwinds it."""
        if isinstance(error, GeneratorExit):
            return self.close_reason
        return "interrupted" if isinstance(error, KeyboardInterrupt) else "error"

    def cancel(self) -> None:
        """End it from any thread, also while a function runs; that is left behind."""
        self._is_cancelled = True
        self._course.cancel()

    def stop_thinking(self) -> None:
        """End the thought, and those of later rounds, from any thread."""
        self._wants_answer = True
        self._course.stop_thinking()

    @property
    def on_logits(self) -> Callable[[NDArray[np.float32]], None] | None:
        """The function that sees the logits of every choice, in all rounds."""
        return self._course.on_logits

    @on_logits.setter
    def on_logits(self, see: Callable[[NDArray[np.float32]], None] | None) -> None:
        self._course.on_logits = see

    # ---- rounds --------------------------------------------------------------------------------------------

    def _all_rounds(self) -> Generator[Event, None, FinishReason]:
        while True:
            yield from self._round()
            last = self._course.so_far
            self._keep(last)
            if last.finish_reason != "tool_calls":
                return last.finish_reason
            theirs = [call for call in last.tool_calls if self._calls.is_for_the_caller(call)]
            if len(self._rounds) > self._toolkit.max_rounds:
                self._open_calls = list(last.tool_calls)
                self._note(
                    f"the answer was ended after {self._toolkit.max_rounds} rounds of calls (max_rounds)"
                )
                return "tool_limit"
            results = yield from self._carry_out(last, [c for c in last.tool_calls if c not in theirs])
            self._open_calls = theirs
            if theirs:
                return "tool_calls"
            if self._calls.goes_in_circles:
                self._note("the answer was ended: the model made the same call again and again")
                return "tool_limit"
            if (reason := self._begin_next(last, results)) is not None:
                return reason

    def _round(self) -> Iterator[Event]:
        """Generate one round; a blank line parts its texts from those of the rounds before."""
        seen = {
            "answer": any(r.text for r in self._rounds),
            "reasoning": any(r.reasoning for r in self._rounds),
        }
        course = self._course
        with closing(course.events()) as events:  # a loop alone would let go of it before the reason is set
            try:
                for event in events:
                    if event.kind == "done":
                        return
                    if event.text and seen.pop(event.kind, False):
                        event = replace(event, text="\n\n" + event.text)
                    yield event
                    if event.kind == "answer":
                        yield from self._cited(event.text)
            except BaseException as error:
                course.close_reason = self._reason_of(error)
                raise

    def _cited(self, text: str) -> Iterator[Event]:
        """Tell of each citation that a further bit of the answer completes."""
        self._answer += text
        if self._first.cite is None or "】" not in text:
            return
        found = self._first.cite(self._answer)
        yield from (Event("citation", one.mark, citation=one) for one in found[self._n_cited :])
        self._n_cited = len(found)

    def _keep(self, last: Reply) -> None:
        self._rounds.append(last)
        self._messages += last.messages
        self._open_calls = list(last.tool_calls)

    def _note(self, text: str) -> None:
        self._notes = (*self._notes, text)

    def _carry_out(self, last: Reply, calls: list[ToolCall]) -> Generator[Event, None, list[Message]]:
        """Carry out calls; return the messages with their results."""
        messages = iter([message for message in last.messages if message.is_call])
        results: list[Message] = []
        for call in calls:
            channel = next((m.channel for m in messages if m.tool_call == call), None)
            try:
                step = self._calls.carry_out(call, lambda: self._is_cancelled, self._most_chars(last))
            except StepStopped as stopped:
                self._add(stopped.step, channel)
                if stopped.is_interrupt:
                    raise KeyboardInterrupt from None
                raise _Cancelled from None
            results.append(self._add(step, channel))
            if self._toolkit.on_step is not None:
                self._toolkit.on_step(step)
            yield Event("tool_result", step.result, tool_call=call, step=step)
        return results

    def _add(self, step: Step, channel: str | None) -> Message:
        """Add a step to the reply; a result is on its call's channel."""
        result = tool_result(step.call.name, step.result)
        message = replace(result, channel=channel or result.channel)
        self._steps.append(step)
        self._messages.append(message)
        self._open_calls = [call for call in self._open_calls if call is not step.call]
        return message

    # ---- from one round to the next ------------------------------------------------------------------------

    def _begin_next(self, last: Reply, results: list[Message]) -> FinishReason | None:
        """Begin the next round, or say why there is none."""
        sampling = self._first.sampling
        if sampling.max_tokens is not None:
            n_left = sampling.max_tokens - sum(one.stats.n_new_tokens for one in self._rounds)
            if n_left <= 0:
                return "length"
            sampling = replace(sampling, max_tokens=n_left)
        prompt = [*last.prompt_tokens, *_until_the_call(last.tokens), *render_results(results)]
        question = replace(self._first.question, sampling=sampling, begun=())
        if len(prompt) + len(question.first_tokens) >= self._first.context:
            self._note("the results of tools fill the context; load with more context, or return less")
            return "context"
        course = Course(self._scheduler, replace(self._first, question=question, prompt=prompt), None)
        course.ride.had_one()  # from the second round on it waits as long as it takes
        course.on_logits = self._course.on_logits
        self._course = course
        if self._wants_answer:
            course.stop_thinking()
        if self._is_cancelled:
            course.cancel()
        return None

    def _most_chars(self, last: Reply) -> int:
        """How many characters a result may have; the context is small in some models."""
        n_free = self._first.context - len(last.prompt_tokens) - len(last.tokens)
        return max(min(MOST_CHARS, n_free // MOST_SHARE), 100)


def _until_the_call(tokens: list[int]) -> list[int]:
    """Return a round's tokens up to the end of its last call, which ends as calls do: a model may write
    another end, or begin the result itself. That end has no keys and values yet, so it costs nothing.
    """
    end = next(i for i in range(len(tokens) - 1, -1, -1) if tokens[i] in ENDS)
    return [*tokens[:end], CALL]
