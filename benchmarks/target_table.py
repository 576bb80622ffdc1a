"""The targets, and what a report of targets.py says about each: one row a figure."""

import operator
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

from compare_llama import LLAMA

REACHED = {">=": operator.ge, "<=": operator.le}
FORMS = {"x": "{:.2f} x", "%": "{:.0%}", "s": "{:.2f} s", "GB": "{:.2f} GB"}
HEADS = ("row", "ossnb", LLAMA, "measured", "target", "met")

Report = dict[str, Any]


class Target(NamedTuple):
    """What a figure should be; a row without one only tells."""

    sign: str
    value: float


class Row(NamedTuple):
    name: str
    ours: str
    theirs: str  # "" where llama.cpp was not measured
    figure: float | None  # what the target is about; None where there was nothing to compare with
    form: str
    target: Target | None

    def as_dict(self) -> dict[str, Any]:
        target = f"{self.target.sign} {shown(self.target.value, self.form)}" if self.target else ""
        met = None
        if self.target and self.figure is not None:
            met = bool(REACHED[self.target.sign](self.figure, self.target.value))
        return {
            "row": self.name,
            "ossnb": self.ours,
            LLAMA: self.theirs,
            "figure": self.figure,
            "measured": shown(self.figure, self.form),
            "target": target,
            "met": met,
        }


def shown(value: float | None, form: str) -> str:
    return "" if value is None else FORMS[form].format(value)


def at_least(value: float) -> Target:
    return Target(">=", value)


def at_most(value: float) -> Target:
    return Target("<=", value)


RATIOS = {  # precision and case: tok/s by llama.cpp's
    ("fast", "prefill 512"): 7.5,
    ("fast", "prefill 64"): 5.0,
    ("fast", "prefill 16"): 2.8,
    ("exact", "prefill 512"): 2.2,
    ("fast", "decode"): 1.5,
    ("exact", "decode"): 1.2,
}
PEAK_SHARE = {"prefill 512": 0.60}  # of the int8 peak, in fast
READ_SHARES = {"prefill 64": 0.70, "prefill 16": 0.85}  # of the read bandwidth, in fast
LONG_PREFILL = {"2048": 0.93, "8192": 0.75}  # tok/s by those of 512
AT_DEPTH = 0.9  # tok/s by those from an empty context
START_S, FIRST_START_S = 1.5, 4.0
PRIVATE_GB = {"exact": 1.5, "fast": 2.5}
TOGETHER = 1.2


def table(report: Report) -> list[dict[str, Any]]:
    parts = {
        "engines": beside_llama,
        "long": long_context,
        "start": starts,
        "processes": processes,
        "disk": from_disk,
    }
    return [row.as_dict() for name, rows in parts.items() if name in report for row in rows(report)]


def beside_llama(report: Report) -> Iterator[Row]:
    engines = report["engines"]
    theirs = engines.get(LLAMA, {}).get("cases", {})
    for (precision, case), wanted in RATIOS.items():
        ours = engines[precision]["cases"].get(case)
        if ours is None:
            continue
        other = theirs.get(case)
        ratio = ours["median"] / other["median"] if other else None
        yield Row(f"{case} {precision}", rate(ours), rate(other), ratio, "x", at_least(wanted))
        if precision == "fast" or case == "decode":
            yield from shares(report, case, ours)
    if "prefill 512" not in engines["exact"]["cases"]:
        return  # without a prompt the peak says nothing
    beside = engines.get(LLAMA, {}).get("peak_private_bytes")
    for precision, wanted in PRIVATE_GB.items():
        peak = engines[precision]["peak_private_bytes"]["max"] / 1e9
        other = f"{beside['max'] / 1e9:.2f} GB" if beside else ""
        yield Row(f"peak private memory {precision}", f"{peak:.2f} GB", other, peak, "GB", at_most(wanted))


def shares(report: Report, case: str, ours: dict[str, Any]) -> Iterator[Row]:
    """How much of what the machine can do at most was done."""
    limits, per_s = report["limits"], ours["median"] / 1e9
    if case in PEAK_SHARE:
        peak, gop_s = limits["int8_gop_s"], per_s * report["about"]["operations_per_token"]
        wanted = at_least(PEAK_SHARE[case])
        yield Row(f"... of {peak:.0f} int8 Gop/s", f"{gop_s:.0f} Gop/s", "", gop_s / peak, "%", wanted)
        return
    peak, wanted = limits["read_gb_s"], at_least(READ_SHARES[case]) if case in READ_SHARES else None
    n_bytes = ours["bytes_per_token"] if case == "decode" else ours["prefill_bytes"] / int(case.split()[1])
    gb_s = per_s * n_bytes
    yield Row(f"... of {peak:.1f} GB/s read", f"{gb_s:.1f} GB/s", "", gb_s / peak, "%", wanted)


def long_context(report: Report) -> Iterator[Row]:
    found = report["long"]
    short = median(found["prefill_tok_s"]["512"])
    for prompt, wanted in LONG_PREFILL.items():
        tok_s = median(found["prefill_tok_s"][prompt])
        text = f"{tok_s:.1f} tok/s ({short:.1f})"
        yield Row(f"prefill {prompt} fast, by that of 512", text, "", tok_s / short, "x", at_least(wanted))
    for precision, rates in found["decode_tok_s"].items():
        (_, near), (depth, far) = ((where, median(runs)) for where, runs in rates.items())
        name, text = f"decode at {depth} {precision}, by that at 0", f"{far:.2f} tok/s ({near:.2f})"
        yield Row(name, text, "", far / near, "x", at_least(AT_DEPTH))


def starts(report: Report) -> Iterator[Row]:
    theirs = report.get("engines", {}).get(LLAMA, {}).get("start_s")
    other = f"{theirs['median']:.1f} s" if theirs else ""
    for name, found in report["start"].items():
        is_first = name.endswith("first time")
        text, beside = f"{found['min']:.2f} to {found['max']:.2f} s", "" if is_first else other
        wanted = at_most(FIRST_START_S if is_first else START_S)
        yield Row(f"start to first token {name}", text, beside, found["median"], "s", wanted)


def processes(report: Report) -> Iterator[Row]:
    for precision in PRIVATE_GB:
        one, together = (report["processes"][precision][name] for name in ("one", "together"))
        several, alone = together["total_pss"], one["total_pss"]
        text = f"{several / 1e9:.2f} GB ({alone / 1e9:.2f})"
        name = f"{len(together['each'])} processes {precision}, by one"
        yield Row(name, text, "", several / alone, "x", at_most(TOGETHER))


def from_disk(report: Report) -> Iterator[Row]:
    found = report["disk"]
    left, weights = found["left_bytes"] / 1e9, found["weights_bytes"] / 1e9
    name = f"{found['precision']}, {left:.1f} GB of memory for {weights:.1f}"
    text = f"{found['tok_s']:.2f} tok/s, {found['read_gb_s']:.2f} GB/s"
    yield Row(name, text, "", found["share_of_disk"], "%", None)


def rate(found: dict[str, Any] | None) -> str:
    return f"{found['median']:.1f} tok/s ({found['min']:.1f} to {found['max']:.1f})" if found else ""


def render(report: Report) -> str:
    words = {True: "yes", False: "no", None: ""}
    lines = [HEADS, *((*(row[head] for head in HEADS[:-1]), words[row["met"]]) for row in report["table"])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    cells = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    text = ["  ".join(line).rstrip() for line in cells]
    if "logit_correlation" in report:
        same = f"correlate at {report['logit_correlation']:.4f}"
        text.append(f"the same weights: logits of ossnb exact and {LLAMA} {same}")
    return "\n".join(text)
