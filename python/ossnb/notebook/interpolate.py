"""`{{expr}}` in a prompt: the only syntax there, so that code, JSON, LaTeX and prices pass untouched."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_OPENING = re.compile(r"\{\{(\{\{|(?=\{))?")


def interpolate(text: str, evaluate: Callable[[str], Any]) -> str:
    """Replace every `{{expr}}` in `text` by `str(evaluate(expr))`.

    >>> interpolate("{{n + 1}} and {n} and {{{{n}}", lambda expr: eval(expr, {"n": 1}))
    '2 and {n} and {{n}}'

    `{{{{` writes a literal `{{`; the first of three braces is text, as in `\\frac{{{n}}}{2}`. An expression
    ends on its own line; a `{{` without a `}}` on its line is text. Inserted text is not read again. A
    ValueError names an expression that fails.
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
            done.append(_value(expression, evaluate))
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


def _value(expression: str, evaluate: Callable[[str], Any]) -> str:
    try:
        return str(evaluate(expression.strip()))
    except Exception as error:
        kind = "not a Python expression" if isinstance(error, SyntaxError) else type(error).__name__
        raise ValueError(
            f"{{{{{expression}}}}}: {kind}: {error}. Write {{{{{{{{ for braces that are text, or use --raw."
        ) from error


def namespace_evaluator(user_globals: dict[str, Any], user_locals: Mapping[str, Any]) -> Callable[[str], Any]:
    """Return a function that evaluates an expression as a cell of the notebook would."""
    return lambda expression: eval(expression, user_globals, user_locals)
