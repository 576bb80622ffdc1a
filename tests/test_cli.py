"""The command line as a person or a script uses it: what is printed where, exit codes, interrupts, pipes."""

import dataclasses
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import ossnb
from fakes import scripted_model
from ossnb import loader
from ossnb.command import cli
from ossnb.harmony.tokenizer import Tokenizer
from ossnb.page.terminal import for_stream
from ossnb.testing import write_random_checkpoint

COMMANDS = tuple(command.name for command in cli.COMMANDS)

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights with the real vocabulary: fluent nonsense, which a command line must survive."""
    shape = {"vocab_size": 201088, "hidden_size": 32, "num_hidden_layers": 2}
    return write_random_checkpoint(tmp_path_factory.mktemp("cli") / "model", shape, seed=11)


@pytest.fixture
def main(capsys: pytest.CaptureFixture[str]) -> Main:
    """Run the command in this process; returns its exit code, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit:  # argparse
            code = int(exit.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def start(*arguments: str | Path, **options: object) -> subprocess.Popen[bytes]:
    """Start the command as its own process."""
    command = [sys.executable, "-m", "ossnb", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


# ---- help -------------------------------------------------------------------------------------------------


def test_the_table_has_all_commands() -> None:
    assert COMMANDS == (
        "demo", "run", "chat", "download", "models", "cache", "log", "doctor", "verify", "bench", "help"
    )  # fmt: skip


def test_version(main: Main) -> None:
    assert main("--version") == (0, f"ossnb {ossnb.__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(main: Main, command: str) -> None:
    code, out, _ = main(command, "--help")
    assert code == 0
    assert f"usage: ossnb {command}" in out
    assert command in main("--help")[1]


def test_examples_in_help_are_valid_commands(main: Main) -> None:
    shown = "\n".join(main(command, "--help")[1] for command in COMMANDS)
    examples = re.findall(r"^  (?:.*\| )?(ossnb \w+ .+?)(?: \|.*)?$", shown, re.MULTILINE)
    assert len(examples) >= 7
    for example in examples:
        args = cli.parser().parse_args(shlex.split(example)[1:])
        assert callable(args.run)


@pytest.mark.parametrize(
    "wrong",
    [
        *([], ["fly"], ["run"], ["run", "hi", "--effort", "huge"], ["bench", "demo", "--new", "x"]),
        *([command, "x", "--device", "gpu"] for command in ("run", "verify", "bench")),
    ],
)
def test_wrong_use_is_exit_code_2_and_one_line(main: Main, wrong: list[str]) -> None:
    code, out, err = main(*wrong)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert " --help` " in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "COMMAND is missing; `ossnb --help` lists the commands"),
        (
            "bnech demo",
            "there is no command 'bnech'; did you mean bench? The commands are: demo, run, chat, download",
        ),
        ("run", "PROMPT is missing; `ossnb run --help` shows what it takes"),
        (
            "run --temprature 0 hi",
            "unknown flag --temprature; did you mean --temperature? `ossnb run --help`",
        ),
        ("run --system x hi", "unknown flag --system: here it is --instructions; `ossnb run --help`"),
        ("run What is 2 + 2?", 'put the prompt in quotes, as in ossnb run "What is 2 + 2?"'),
        ("run hi --effort HIGH", "--effort is one of low, medium, high, got 'HIGH'; did you mean high?"),
        ("run hi --seed x", "--seed needs a whole number, got 'x'"),
        ("run hi --temperature x", "--temperature needs a number, got 'x'"),
        ("run hi --seed", "--seed needs a value; "),
        ("run -x hi", "unknown flag -x; `ossnb run --help`"),
        ("chat hello", "unexpected word 'hello'; `ossnb chat --help`"),
        ("log lst", "got 'lst'; did you mean list?"),
        ("help fly", "there is no command 'fly'. The commands are: demo, run, chat"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(main: Main, line: str, said: str) -> None:
    code, out, err = main(*line.split())
    assert (code, out) == (2, "")
    assert said in err


def test_help_is_a_command(main: Main) -> None:
    assert main("help") == main("--help")
    assert main("help", "run") == main("run", "--help")


# ---- run --------------------------------------------------------------------------------------------------


def test_run_prints_the_answer_alone_on_stdout(main: Main, folder: Path) -> None:
    code, out, err = main("run", "--model", folder, "--raw", "--seed", 3, "--max-tokens", 8, "Once")
    expected = ossnb.load(folder).complete("Once", seed=3, max_tokens=8)
    assert code == 0
    assert out == expected.text + "\n"
    assert "seed 3" in err
    assert "ended by: length" in err


def test_run_json_tells_everything_needed_to_get_it_again(main: Main, folder: Path) -> None:
    options = ["--seed", 5, "--temperature", 0.5, "--top-k", 40, "--max-tokens", 12, "--effort", "low"]
    code, out, _ = main("run", "--model", folder, "--json", *options, "--instructions", "Be brief.", "Hi")
    reply = json.loads(out)
    assert code == 0
    assert reply["seed"] == 5
    assert reply["effort"] == "low"
    assert reply["sampling"]["top_k"] == 40
    assert reply["stats"]["n_new_tokens"] == len(reply["tokens"]) <= 12
    again = ossnb.load(folder).generate(
        "Hi", instructions="Be brief.", effort="low", seed=5, temperature=0.5, top_k=40, max_tokens=12
    )
    assert reply["tokens"] == again.tokens
    assert reply["prompt_sha256"] == again.prompt_sha256
    assert reply["device"] == "cpu"
    read = ossnb.Reply.from_dict(reply)
    assert read == dataclasses.replace(again, stats=read.stats)
    assert read.to_dict() == reply


def test_run_reads_the_prompt_from_standard_input(folder: Path) -> None:
    process = start(
        "run", "--model", folder, "--raw", "--json", "--max-tokens", 2, "-", stdin=subprocess.PIPE
    )
    out, err = process.communicate("Öl, bitte".encode(), timeout=60)
    assert process.returncode == 0, err
    expected = ossnb.load(folder).complete("Öl, bitte", max_tokens=2)
    assert json.loads(out)["prompt_sha256"] == expected.prompt_sha256


def test_run_stops_at_every_stop_text(main: Main, folder: Path) -> None:
    text = ossnb.load(folder).complete("A", seed=1, max_tokens=30).text
    first, second = text[5:7], text[9:11]
    code, out, err = main(
        "run",
        "--model",
        folder,
        "--raw",
        "--seed",
        1,
        "--max-tokens",
        30,
        "--stop",
        first,
        "--stop",
        second,
        "A",
    )
    assert code == 0
    assert out == text[: min(text.index(first), text.index(second))] + "\n"
    assert "stop_string" in err


def test_reasoning_is_shown_on_request_and_never_on_stdout(
    main: Main, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis = [200005, 35644, 200008, 5003, 200007, 200006, 173781, 200005, 17196, 200008, 25, 200002]
    monkeypatch.setattr(loader, "load", lambda *args, **settings: scripted_model(analysis))
    code, out, err = main("run", "--model", folder, "--show-reasoning", "Hi")
    hidden = main("run", "--model", folder, "Hi")
    thought = Tokenizer().decode([5003])
    assert code == 0
    assert out == hidden[1] == ":\n"
    assert thought in err
    assert thought not in hidden[2]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--temperature", "-1"], "temperature must be >= 0"),
        (["--top-p", "0"], "top_p must be"),
        (["--max-tokens", "0"], "max_tokens must be"),
    ],
)
def test_bad_settings_are_one_clear_line(main: Main, folder: Path, flags: list[str], message: str) -> None:
    code, out, err = main("run", "--model", folder, *flags, "Hi")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run --raw --effort low Hi", "which has no --effort"),
        ("run --raw --drop-oldest Hi", "which has no --drop-oldest"),
        ("run --raw --max-reasoning-tokens 0 Hi", "which has no --max-reasoning-tokens"),
        ("run --raw --show-reasoning Hi", "which has no --show-reasoning"),
        ("bench demo --quality --prompt 64", "--quality compares all formats on fixed conversations"),
        ("bench demo --quality --device cpu", "it takes no --device"),
        ("bench demo --conversations 2", "--conversations works only with --quality"),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_use(main: Main, line: str, said: str) -> None:
    code, out, err = main(*line.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.parametrize("flags", [[], ["--raw"]])
def test_nothing_is_not_answered(main: Main, monkeypatch: pytest.MonkeyPatch, flags: list[str]) -> None:
    assert main("run", *flags, " ") == (2, "", "error: there is nothing to answer: the prompt was empty\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    code, out, err = main("run", *flags, "-")
    assert (code, out) == (2, "")
    assert err == "error: there is nothing to answer: standard input was empty\n"


def test_the_shell_is_told_how_to_download(
    main: Main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OSSNB_MODEL", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    code, _, err = main("run", "--temperature", 0, "What is 2 + 2?")
    assert code == 0
    assert "13.8 GB to download once: `ossnb download 20b`\n" in err
    assert "not downloaded (`ossnb download 20b`)" in main("doctor")[1]


def test_context_and_threads_are_those_of_the_load(main: Main, folder: Path) -> None:
    long = "word " * 200
    code, _, err = main("run", "--model", folder, "--context", 128, "--threads", 1, long)
    assert code == 1
    assert "the context holds 128: shorten it, or give more by --context N (<= " in err
    assert main("run", "--model", folder, "--context", 512, "--max-tokens", 1, long)[0] == 0


def test_at_temperature_0_no_seed_is_named(main: Main, folder: Path) -> None:
    _, _, err = main("run", "--model", folder, "--raw", "--temperature", 0, "--max-tokens", 2, "Hi")
    assert "temperature 0" in err
    assert "seed" not in err


def test_a_missing_model_is_one_clear_line(main: Main, tmp_path: Path) -> None:
    code, out, err = main("run", "--model", tmp_path / "none", "Hi")
    assert (code, out) == (1, "")
    assert str(tmp_path / "none") in err
    assert "Traceback" not in err


def test_interrupt_keeps_what_was_written(folder: Path) -> None:
    process = start("run", "--model", folder, "--raw", "Once", env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    first = os.read(process.stdout.fileno(), 1)
    assert first, "it ended before it wrote anything"
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode == 130, err
    assert out.endswith(b"\n")  # the line is closed, whatever the random model wrote on it
    assert b"ended by: interrupted" in err
    assert b"Traceback" not in err


def test_a_closed_pipe_ends_it_quietly(folder: Path) -> None:
    process = start("run", "--model", folder, "--raw", "--max-tokens", 4000, "Once")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err


def test_a_terminal_that_lacks_characters_does_not_end_the_answer(folder: Path) -> None:
    flags = ("--raw", "--seed", 3, "--max-tokens", 40)
    assert not ossnb.load(folder).complete("Once", seed=3, max_tokens=40).text.isascii()
    process = start("run", "--model", folder, *flags, "Once", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"?" in out


def test_control_characters_do_not_reach_a_terminal() -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    class Pipe:
        def isatty(self) -> bool:
            return False

    text = "a\x1b]0;owned\x07b\tc\nd\x9b31m"
    assert for_stream(text, Terminal()) == "a␛]0;owned␇b\tc\nd\ufffd31m"
    assert for_stream(text, Pipe()) == text


# ---- demo, doctor, verify, bench --------------------------------------------------------------------------


def test_demo_answers_and_lists_more(main: Main) -> None:
    from ossnb.checkpoint.demo import ABOUT, EXAMPLE_PROMPTS

    code, out, err = main("demo")
    assert code == 0, err
    assert ABOUT in out
    for prompt in EXAMPLE_PROMPTS:
        assert prompt in out
    answer = out.split(f"> {EXAMPLE_PROMPTS[0]}\n")[1].split(f"> {EXAMPLE_PROMPTS[1]}")[0]
    assert answer.strip()
    assert "--model 20b" in out
    assert err.count("seed ") == 3


def test_doctor_tells_what_fits(main: Main) -> None:
    code, out, _ = main("doctor", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["kernels"]["chosen"] in report["kernels"]["levels"]
    assert report["kernels"]["levels"][0] == "reference"
    assert report["memory"]["total_bytes"] >= report["memory"]["available_bytes"] > 0
    small, big = report["models"]
    assert (small["name"], big["name"]) == ("20b", "120b")
    assert small["fits_memory"] or not big["fits_memory"]
    text = main("doctor")[1]
    assert report["kernels"]["chosen"] in text
    assert report["hub_cache"]["folder"] in text
    assert re.search(r"^20b +13\.8 GB", text, re.MULTILINE)


def test_a_card_that_is_not_there_is_an_error_of_every_command(main: Main, folder: Path) -> None:
    for words in (("doctor",), ("verify", folder), ("bench", folder), ("run", "hi", "--model", folder)):
        code, _, err = main(*words, "--device", "cuda:999")
        assert code == 1
        assert err.startswith("error: ")
        assert "cuda:999" in err


def test_the_cpu_can_be_named(main: Main, folder: Path) -> None:
    small = ["--prompt", "8", "--new", "2", "--runs", "1"]
    report = json.loads(main("bench", folder, *small, "--device", "cpu", "--json")[1])
    assert report["model"]["device"] == "cpu"
    report = json.loads(main("doctor", "--device", "cpu", "--json")[1])
    assert report["device"] == "cpu"
    assert report["gpus"] == {"cuda": None, "why_none": "the device is the CPU", "cards": []}


def test_cache_is_shown_and_cleared(main: Main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path))
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", "2 GB")
    monkeypatch.setattr(
        "ossnb.checkpoint.packed.LEAST_BYTES", 32_000_000
    )  # the embedded model's output layer is above
    assert main("cache")[:2] == (0, f"      0 B  of at most 2.0 GB in {tmp_path / 'derived'}\n")
    ossnb.load("demo", precision="fast").close()
    (name,) = (path.name for path in (tmp_path / "derived").glob("*.safetensors"))
    out = main("cache")[1]
    assert out == f"  33.0 MB  {name}\n  33.0 MB  of at most 2.0 GB in {tmp_path / 'derived'}\n"
    report = json.loads(main("doctor", "--json")[1])["derived"]
    assert report == {
        "folder": str(tmp_path / "derived"),
        "used_bytes": (tmp_path / "derived" / name).stat().st_size,
        "limit_bytes": 2_000_000_000,
    }
    assert f"{tmp_path / 'derived'}, 33.0 MB of at most 2.0 GB" in main("doctor")[1]
    assert main("cache", "--clear")[:2] == (0, f"33.0 MB removed from {tmp_path / 'derived'}\n")
    assert list((tmp_path / "derived").iterdir()) == []


def test_doctor_judges_machines_of_every_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ossnb.command import doctor

    monkeypatch.setattr("ossnb.checkpoint.hub.cache_folder", lambda: tmp_path)
    monkeypatch.setattr("ossnb.checkpoint.hub.cached", lambda name: tmp_path if name == "120b" else None)

    def verdicts(total: float, free: float, disk: float) -> list[str]:
        monkeypatch.setattr("ossnb.system.machine.total_memory", lambda: int(total))
        monkeypatch.setattr("ossnb.system.machine.available_memory", lambda: int(free))
        monkeypatch.setattr("ossnb.system.machine.free_disk", lambda path: int(disk))
        return [
            line for line in doctor.render(doctor.examine()).splitlines() if re.match(r"(20b|120b) ", line)
        ]

    for line in verdicts(128e9, 120e9, 500e9):
        assert line.endswith("fits")
    assert "too big for this machine's memory" in verdicts(16e9, 15e9, 500e9)[1]
    assert "other programs hold memory" in verdicts(24e9, 6e9, 500e9)[0]
    small, big = verdicts(128e9, 120e9, 5e9)
    assert "HF_HUB_CACHE" in small
    assert big.endswith("downloaded; fits")


def test_doctor_shows_a_forced_level(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSNB_ISA", "reference")
    assert json.loads(main("doctor", "--json")[1])["kernels"]["chosen"] == "reference"


def test_verify_passes_and_says_what_it_could_not_check(main: Main, folder: Path) -> None:
    code, out, _ = main("verify", folder)
    assert code == 0
    assert out.count("ok ") == 7  # files and six prompts
    assert "none are published" in out
    assert out.endswith("7 passed, 0 failed\n")


def test_verify_fails_on_a_damaged_model(main: Main, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    code, out, _ = main("verify", tmp_path, "--json")
    assert code == 1
    report = json.loads(out)
    assert report["passed"] is False
    assert "config.json" in report["checks"][0]["detail"]


def test_bench_prints_a_table_or_json(main: Main, folder: Path) -> None:
    flags = ("--prompt", 8, "--new", 2, "--runs", 1, "--threads", 1)
    code, out, _ = main("bench", folder, *flags)
    assert code == 0
    assert "prefill 8" in out
    report = json.loads(main("bench", folder, *flags, "--precision", "fast", "--json")[1])
    assert report["settings"]["threads"] == 1
    assert report["model"]["precision"] == "fast"
    assert report["decode"]["tok_s"] > 0


def test_importing_the_command_line_is_quick() -> None:
    """`ossnb --help` must not load the engine, the hub's client or IPython."""
    code = "import sys, ossnb.command.cli; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"huggingface_hub", "IPython", "ipywidgets", "rich", "openai_harmony", "numpy"}


@pytest.mark.parametrize(
    ("redirect", "code", "said"),
    [
        (">&-", 1, "error: standard output is closed"),
        (">&- 2>&-", 1, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 1, "error: [Errno 28] No space left on device"),
    ],
)
@pytest.mark.parametrize("command", ["run --model demo --temperature 0 'What is 2 + 2?'", "doctor --json"])
def test_closed_and_full_streams_end_without_a_traceback(command, redirect, code, said) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m ossnb {command} {redirect}"], capture_output=True, text=True
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert said in done.stderr
    if code == 0:
        assert done.stdout.startswith(("2 + 2 = 4.", "{"))
        assert "tok/s" not in done.stdout


def test_a_prompt_from_a_closed_input_is_wrong_use() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m ossnb run --model demo - <&-"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: standard input is closed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["verify", "bench", "bench --quality"])
@pytest.mark.parametrize(
    ("threads", "said"),
    [
        ("100000", r"threads must be at most \d+, 4 for each of the machine's \d+ cores, got 100000"),
        ("9" * 5000, "threads must be a whole number, got '999"),
        ("0", "threads must be an integer >= 1"),
        ("-3", "threads must be an integer >= 1"),
        ("many", "threads must be a whole number, got 'many'"),
    ],
)
def test_threads_are_checked_before_the_work(main: Main, command: str, threads: str, said: str) -> None:
    code, out, err = main(*command.split(), "no-such-model", f"--threads={threads}")
    assert (code, out) == (2, "")
    assert re.search(said, err)


def test_variables_that_are_wrong_are_errors(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("OSSNB_ISA", "z80\x1b"),
        ("OSSNB_CACHE_LIMIT", "9" * 400),
        ("OSSNB_CACHE", "~nobody-here"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            code, _, err = main("doctor")
        assert code == 1
        assert f"error: {name} " in err
        assert "\x1b" not in err
