"""`ossnb doctor`, `verify` and `bench`: what this machine and a model can do."""

from __future__ import annotations

import argparse
import json

from .flags import MODEL_NAMES, Command, add_device, add_formats, add_json, add_threads
from .output import FAILED, UsageError, print_result


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    add_device(parser)
    add_json(parser, "the report")


def _doctor(args: argparse.Namespace) -> int:
    from . import doctor

    report = doctor.examine(args.device)
    print_result(json.dumps(report, indent=1) if args.json else doctor.render(report))
    return 0


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help=f"{MODEL_NAMES}; or a saved notebook, FILE.ipynb, whose answers are checked",
    )
    parser.add_argument(
        "--with",
        dest="with_model",
        metavar="MODEL",
        help="the model that checks a notebook (default: the one that its record names, if it is here)",
    )
    add_threads(parser)
    add_device(parser)
    add_json(parser, "the checks")


def _verify(args: argparse.Namespace) -> int:
    from .. import log
    from . import verify

    if args.model.endswith(".ipynb"):
        with log.paused():
            return _verify_notebook(args)
    if args.with_model is not None:
        raise UsageError("--with names the model that checks a notebook; a model needs none")
    marks = {True: "ok    ", False: "FAILED", None: "--    "}
    checks = []
    with log.paused():
        for check in verify.verify(args.model, threads=args.threads, device=args.device):
            checks.append(check)
            if not args.json:
                print_result(f"{marks[check.passed]}  {check.name}: {check.detail}")
    failed = [check.name for check in checks if check.passed is False]
    if args.json:
        print(json.dumps({"passed": not failed, "checks": [check._asdict() for check in checks]}, indent=1))
    else:
        n_passed = sum(check.passed is True for check in checks)
        print(f"{n_passed} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return FAILED if failed else 0


def _verify_notebook(args: argparse.Namespace) -> int:
    from ..saved.notebook import answers, read_json
    from ..saved.verify import summary
    from ..saved.verify import verify as verify_answers
    from ..system.files import expand_user
    from .verify import model_finder

    try:
        found = list(answers(read_json(expand_user(args.model, "the notebook"))))
    except ValueError as error:
        raise UsageError(str(error)) from None
    verdicts = []
    try:
        for verdict in verify_answers(found, model_finder(args.with_model, args.threads, args.device)):
            verdicts.append(verdict)
            if not args.json:
                print_result(verdict.text)
    finally:  # of an interrupt, too
        if args.json:
            print(json.dumps({"answers": len(found), "verdicts": [v.to_dict() for v in verdicts]}, indent=1))
        else:
            print_result(summary(verdicts, len(found)))
    return FAILED if any(verdict.state != "identical" for verdict in verdicts) else 0


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL_NAMES)
    parser.add_argument(
        "--quality",
        action="store_true",
        help="instead of speed, compare the predictions of fast, of keys and values in bf16 and int8, and of "
        "llama.cpp's arithmetic with exact; it takes --conversations, --threads and --json",
    )
    parser.add_argument(
        "--conversations",
        type=int,
        metavar="N",
        help="with --quality: number of conversations of the fixed set (default: all)",
    )
    for name, default, meaning in (
        ("prompt", 512, "number of tokens to prefill"),
        ("new", 64, "number of tokens to decode"),
        ("depth", 0, "number of earlier tokens in the context"),
        ("runs", 3, "number of runs; the median counts"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{meaning} (default {default})"
        )
    add_threads(parser)
    add_formats(parser)
    add_device(parser)
    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON, with each run and the machine"
    )


_OF_SPEED = ("prompt", "new", "depth", "runs", "precision", "kv", "device")


def _bench(args: argparse.Namespace) -> int:
    from .. import log

    given = [name for name in _OF_SPEED if getattr(args, name) != args.parser.get_default(name)]
    if args.quality and given:
        raise UsageError(
            f"--quality compares all formats on fixed conversations: it takes no --{given[0]}; leave one out"
        )
    if args.conversations is not None and not args.quality:
        raise UsageError("--conversations works only with --quality; add --quality or leave it out")
    with log.paused():
        print_result(_quality(args) if args.quality else _speed(args))
    return 0


def _quality(args: argparse.Namespace) -> str:
    from . import quality

    found = quality.measure(args.model, conversations=args.conversations, threads=args.threads)
    return json.dumps(found, indent=1) if args.json else quality.render_report(found)


def _speed(args: argparse.Namespace) -> str:
    from . import bench

    names = ("prompt", "new", "depth", "threads", "runs", "precision", "kv", "device")
    report = bench.measure(args.model, **{name: getattr(args, name) for name in names})
    return json.dumps(report, indent=1) if args.json else bench.render(report)


COMMANDS = (
    Command("doctor", _doctor, "list the resources of this machine and the models that fit it", _add_doctor),
    Command(
        "verify",
        _verify,
        "check a model's files, prompts and, for gpt-oss-20b, published answers; or a notebook's answers",
        _add_verify,
        "examples:\n  ossnb verify 20b\n  ossnb verify lesson.ipynb",
    ),
    Command(
        "bench",
        _bench,
        "measure speed and memory beside this machine's limits, or the accuracy that fast costs",
        _add_bench,
        "examples:\n  ossnb bench demo\n  ossnb bench 20b --prompt 2048 --depth 4096 --threads 8 --json\n"
        "  ossnb bench demo --quality",
    ),
)
