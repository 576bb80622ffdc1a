"""`{{expr}}` in a prompt: the only syntax there, so that code, JSON, LaTeX and prices pass untouched."""

import re
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

_ELLIPSIS = re.compile(r"\.\.\.|[…⋯⋮]")
_OPENING = re.compile(r"\{\{(\{\{|(?=\{))?")


def interpolate(
    text: str,
    evaluate: Callable[[str], Any],
    tell: Callable[[str], object] = lambda note: None,
    keep: Callable[[str, str], object] = lambda expression, value: None,
) -> str:
    """Replace every `{{expr}}` in `text` by `str(evaluate(expr))`.

    >>> interpolate("{{n + 1}} and {n} and {{{{n}}", lambda expr: eval(expr, {"n": 1}))
    '2 and {n} and {{n}}'

    `{{{{` writes a literal `{{`; the first of three braces is text, as in `\\frac{{{n}}}{2}`. An expression
    ends on its own line; a `{{` without a `}}` on its line is text. Inserted text is not read again. A
    ValueError names an expression that fails. `tell` hears of a value whose text is not all of it, and
    `keep` of each expression with its text.
    """
    done: list[str] = []
    start = 0
    while opening := _OPENING.search(text, start):
        done.append(text[start : opening.start()])
        start = opening.end()
        if opening[1]:  # {{{{
            done.append("{{")
        elif opening[1] is not None:  # {{{
            done.append("{")
            start -= 1
        elif expression := _expression(text, start):
            done.append(_value(expression, evaluate, tell))
            keep(expression.strip(), done[-1])
            start += len(expression) + 2
        else:
            done.append("{{")
    return "".join(done) + text[start:]


def _expression(text: str, start: int) -> str | None:
    """The shortest Python expression from `start` to a `}}` on its line, else the text to the first `}}`."""
    end_of_line = text.find("\n", start)
    line = text[start : end_of_line if end_of_line >= 0 else len(text)]
    candidates = [line[: found.start()] for found in re.finditer(r"\}(?=\})", line)]
    return next(filter(_is_python, candidates[:20]), candidates[0] if candidates else None)


def _is_python(expression: str) -> bool:
    try:
        compile(expression.strip(), "{{ }}", "eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _value(expression: str, evaluate: Callable[[str], Any], tell: Callable[[str], object]) -> str:
    try:
        value = evaluate(expression.strip())
        text = str(value)
    except Exception as error:
        kind, why = type(error).__name__, str(error)
        if isinstance(error, SyntaxError):  # its text names a file and a line that nobody wrote
            kind, why = "not a Python expression", error.msg
        raise ValueError(
            f"{{{{{expression}}}}}: {kind}: {why}. Write {{{{{{{{ for braces that are text, or use --raw."
        ) from error
    if shape := _abridged_shape(value, text):
        whole = _in_full(expression.strip(), value)
        tell(f"{{{{{expression}}}}} is abridged, as print() shows it ({shape}); {whole}")
    return text


def _abridged_shape(value: Any, text: str) -> str:
    """The shape of a table or an array (pandas, polars, NumPy, torch ...) whose text leaves some out."""
    shape = getattr(value, "shape", None)
    if isinstance(value, str) or not isinstance(shape, tuple) or not shape or not _ELLIPSIS.search(text):
        return ""
    return " x ".join(f"{n:,}" if isinstance(n, int) else str(n) for n in shape)


def _in_full(expression: str, value: Any) -> str:
    """How to insert all of a value."""
    for method in ("to_string", "write_csv", "tolist"):  # pandas, polars, NumPy and torch
        if callable(getattr(value, method, None)):
            return f"{{{{{_in_brackets(expression)}.{method}()}}}} inserts all of it"
    return "insert the text that you mean"


def _in_brackets(expression: str) -> str:
    return expression if re.fullmatch(r"[\w.]+", expression) else f"({expression})"


def caller_evaluator(user_globals: dict[str, Any], user_locals: Mapping[str, Any]) -> Callable[[str], Any]:
    """Return a function that evaluates an expression where the magic was called: in a cell, or in a function.

    A cell has the names of the notebook. A function's own names come first, then those of its module, then
    those of the notebook.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_machinery(frame):
        frame = frame.f_back
    if frame.f_locals is user_locals or frame.f_locals is frame.f_globals or _is_machinery(frame):
        return lambda expression: eval(expression, user_globals, user_locals)
    # One mapping, as globals: a comprehension in the expression would not see locals.
    names = {**user_globals, **user_locals, **frame.f_globals, **frame.f_locals}
    function = frame.f_code.co_name

    def evaluate(expression: str) -> Any:
        try:
            return eval(expression, names)
        except NameError as error:
            if error.name not in re.findall(r"\w+", expression):  # it is of a function that was called
                raise
            raise NameError(
                f"{error.name!r} is no name of {function}(), which asks, nor of the notebook; a name of a "
                f"function around it must be used in it, e.g. `{error.name} = {error.name}`"
            ) from error

    return evaluate


def _is_machinery(frame: FrameType) -> bool:
    """Whether a frame is on the way from the caller of a magic to here."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] in ("IPython", "ossnb")
