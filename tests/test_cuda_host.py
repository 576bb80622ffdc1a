"""The GPU's kernels on this CPU (tests/cuda_host): the harness finds what is planted, a card is opened, used
and closed, and every failure of a driver becomes an error that says what to do."""

import os
import subprocess
from pathlib import Path

import pytest

import standin
from ossnb.devices import cards

ROOT = Path(__file__).parent.parent
BUILT = standin.BUILD / "tests" / "cuda_host"
SEEDS = [0, 1, 2]  # of the order in which threads take turns; 0: the last that may goes on first
TARGETS = ["smoke_cuda", "smoke_standin"]


def run(*command, timeout=570, **variables):
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "PATH": standin.PATH, **variables},
    )


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """A file in the place of machine code: the stand-in has the kernels itself."""
    path = tmp_path_factory.mktemp("kernels") / "kernels"
    path.write_text("stand-in")
    return path


@pytest.fixture(scope="module")
def smoke(kernels):
    """smoke(words, kind="", ...) runs the program that asks a card; `kind` names a sanitizer."""
    standin.build(*TARGETS, "cuda_old_driver")

    def ask(*words, kind="", **variables):
        variables = {
            "OSSNB_CUDA_DRIVER": str(BUILT / f"libsmoke_standin{kind}.so"),
            "OSSNB_CUDA_KERNELS": str(kernels),
            "ASAN_OPTIONS": "detect_leaks=0",  # the stand-in counts what is left itself
            **variables,
        }
        return run(BUILT / f"smoke_cuda{kind}", *words, timeout=120, **variables)

    return ask


@pytest.fixture(scope="module", params=["_thread", "_address"])
def sanitizer(request, smoke):
    standin.build(*[target + request.param for target in TARGETS])
    return request.param


def passes(done, n):
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"{n} passed, 0 failed" in done.stdout


@pytest.mark.parametrize("seed", SEEDS)
def test_a_card_works_and_fails_as_it_should(smoke, seed):
    passes(smoke(OSSNB_STANDIN_SEED=str(seed)), 28)


@pytest.mark.parametrize("seed", SEEDS)
def test_work_may_wait_on_the_stream(smoke, seed):
    for lazy in "01":
        passes(smoke(OSSNB_STANDIN_SEED=str(seed), OSSNB_STANDIN_LAZY=lazy), 28)


@pytest.mark.parametrize(("capability", "version"), [("9.0", "12020"), ("9.0", "12030"), ("12.0", "13000")])
def test_kernels_take_turns_where_card_and_driver_know_of_it(smoke, capability, version):
    passes(smoke("card: turns", OSSNB_STANDIN_CAPABILITY=capability, OSSNB_STANDIN_VERSION=version), 1)


@pytest.mark.cuda
@pytest.mark.skipif(cards.look().is_bare, reason="this machine has no card that the driver gives")
def test_the_instructions_of_this_machine_s_card_are_those_of_their_twins(smoke, tmp_path):
    """Kernels of the tests' own on the card: copies, meetings, and every operation, on any bits."""
    (card, *_) = (card for card in cards.look().cards if not card.why_not)
    arch = "{}{}".format(*card.capability)
    options = ["-DOSSNB_BUILD_PYTHON=OFF", "-DOSSNB_CUDA=ON", f"-DOSSNB_CUDA_ARCHS={arch}"]
    standin.command("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, *options)
    standin.command("cmake", "--build", tmp_path, "--target", "cuda_smoke")
    kernels = str(tmp_path / "cuda" / f"smoke.{arch}.cubin")
    passes(run(BUILT / "smoke_cuda", "card", OSSNB_CUDA_KERNELS=kernels), 13)
    passes(run(BUILT / "smoke_cuda", "graph: replays", OSSNB_CUDA_KERNELS=kernels), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_faults_are_found(smoke, seed):
    """Each of these cases passes where the harness finds its fault."""
    for fault in ["misses_barrier", "waits_for_ever", "writes_too_far", "writes_too_far_shared"]:
        done = smoke(f"fault: {fault}", OSSNB_STANDIN_SEED=str(seed))
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert "stand-in: the kernel smoke_" in done.stderr
    # A lucky order can hide a missing barrier; the race detector, below, sees it in any.
    passes(smoke("planted: forgets_barrier", OSSNB_STANDIN_SEED=str(seed + 1)), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_kernels_are_clean_under_a_sanitizer(smoke, sanitizer, seed):
    done = smoke(kind=sanitizer, OSSNB_STANDIN_SEED=str(seed))
    passes(done, 24)
    assert "Sanitizer" not in done.stderr


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sanitizer_names_the_line(smoke, sanitizer, seed):
    words = {
        "_thread": {"forgets_barrier": "data race", "racing_blocks": "data race"},
        "_address": {"writes_too_far": "heap-buffer-overflow", "writes_too_far_shared": "SEGV"},
    }
    for fault, word in words[sanitizer].items():
        done = smoke(f"planted: {fault}", kind=sanitizer, OSSNB_STANDIN_SEED=str(seed))
        assert done.returncode != 0, fault
        assert word in done.stderr
        assert "smoke.cu:" in done.stderr


UPDATE = "update the NVIDIA driver to 525 or newer"
NONE = {
    "no library": ({"OSSNB_CUDA_DRIVER": "/nowhere/libcuda.so.1"}, ["there is no NVIDIA driver", "/nowhere"]),
    "another library": (
        {"OSSNB_CUDA_DRIVER": "libm.so.6"},
        ["libm.so.6 has no function cuInit", "no CUDA driver"],
    ),
    "an old driver": (
        {"OSSNB_CUDA_DRIVER": str(BUILT / "libcuda_old_driver.so")},
        ["it supports CUDA 11.4", "CUDA 12.0 is needed", UPDATE],
    ),
    "an old version": ({"OSSNB_STANDIN_VERSION": "11080"}, ["it supports CUDA 11.8,", UPDATE]),
    "no card": ({"OSSNB_STANDIN_CARDS": "0"}, ["sees no card (CUDA_ERROR_NO_DEVICE", "CUDA_VISIBLE_DEVICES"]),
    "a stub": ({"OSSNB_STANDIN_FAULT": "cuInit:1:34"}, ["the toolkit's stub", "LD_LIBRARY_PATH"]),
    "half an update": (
        {"OSSNB_STANDIN_FAULT": "cuInit:1:803"},
        ["different versions", "restart the machine"],
    ),
    "broken": (
        {"OSSNB_STANDIN_FAULT": "cuInit:1:999"},
        ["could not start (CUDA_ERROR_UNKNOWN", "nvidia-smi"],
    ),
    "a fork": ({"OSSNB_STANDIN_FAULT": "cuInit:1:3"}, ["was forked", "spawn"]),
    "no count": (
        {"OSSNB_STANDIN_FAULT": "cuDeviceGetCount:1:999"},
        ["does not count its cards (CUDA_ERROR_UNK"],
    ),
}


@pytest.mark.parametrize("case", NONE)
def test_the_reason_why_there_is_no_card(smoke, case):
    variables, parts = NONE[case]
    done = smoke("--cards", **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("none: ")
    assert done.stdout.count("\n") == 1
    for part in parts:
        assert part in done.stdout


UNFIT = {
    "too old": (
        {"OSSNB_STANDIN_CAPABILITY": "6.1"},
        "its compute capability is 6.1, and 7.5 or later is needed",
    ),
    "no kernels": ({"OSSNB_CUDA_KERNELS": ""}, "this build of ossnb has no kernels for CUDA"),
    "no file": ({"OSSNB_CUDA_KERNELS": "/nowhere/k"}, "names /nowhere/k, which cannot be read"),
    "no image": ({"OSSNB_CUDA_KERNELS": __file__}, "does not take the kernels (CUDA_ERROR_INVALID_IMAGE"),
    "in use": (
        {"OSSNB_STANDIN_FAULT": "cuDevicePrimaryCtxRetain:1:46"},
        "is held by another program (CUDA_ERROR",
    ),
    "full": ({"OSSNB_STANDIN_FAULT": "cuDevicePrimaryCtxRetain:1:2"}, "has no memory left to be opened"),
    "no name": ({"OSSNB_STANDIN_FAULT": "cuDeviceGet:1:101"}, "the driver does not give it (CUDA_ERROR_INV"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_the_reason_why_a_card_cannot_be_used(smoke, case):
    variables, reason = UNFIT[case]
    done = smoke("--cards", OSSNB_STANDIN_NAME="Some Card", **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cuda:0 (")
    assert reason in done.stdout.replace("not usable: ", "")


def test_the_list_of_cards(smoke):
    done = smoke(
        "--cards", OSSNB_STANDIN_CARDS="2", OSSNB_STANDIN_CAPABILITY="9.0", OSSNB_STANDIN_MEMORY="5000"
    )
    assert done.stdout.splitlines() == [
        "cuda:0 (Stand-in), 9.0, 5000 of 5000 bytes free",
        "cuda:1 (Stand-in), 9.0, 5000 of 5000 bytes free",
    ]


def toolkit():
    """The folder of a toolkit's cuda.h, or None: `make cuda` installs one into build/cuda-venv."""
    places = [*ROOT.glob("build/cuda-venv/lib/python*/site-packages/nvidia/*/include")]
    places += [*Path("/usr/local").glob("cuda*/include"), Path("/usr/include")]
    return next((place for place in places if (place / "cuda.h").is_file()), None)


def test_the_drivers_types_are_those_of_cuda_h():
    if (include := toolkit()) is None:
        pytest.skip("there is no toolkit's cuda.h: `make cuda` installs one")
    compiler = os.environ.get("CXX", "g++")
    source = ROOT / "tests" / "cuda_host" / "check_driver.cpp"
    done = run(compiler, "-std=c++20", "-fsyntax-only", f"-I{ROOT / 'cpp'}", "-isystem", include, source)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def compare(kernels):
    """compare(words, seed) runs the program that compares whole passes on a card with the CPU's; `kind` names
    a sanitizer."""

    def ask(words, seed, kind=""):
        standin.build(f"compare_cuda{kind}", f"cuda_standin{kind}")
        return run(
            BUILT / f"compare_cuda{kind}",
            words,
            OSSNB_CUDA_DRIVER=str(BUILT / f"libcuda_standin{kind}.so"),
            OSSNB_CUDA_KERNELS=str(kernels),
            OSSNB_STANDIN_SEED=str(seed),
            ASAN_OPTIONS="detect_leaks=0",
        )

    return ask


PASSES = {"forward": 8, "form": 8, "choices": 24, "long": 2, "graphs": 1, "visit": 3, "foretold": 1}


@pytest.mark.parametrize("words", PASSES)
def test_passes_have_the_bits_of_the_cpu(compare, words):
    """Hidden states, routers, experts and logits of every layer, and the tokens that are chosen."""
    passes(compare(words, seed=1), PASSES[words])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("_address", "forward mxfp4"),
        ("_address", "pieces"),
        ("_thread", "forward mxfp4 exact bf12"),
        ("_thread", "forward mxfp4 fast"),
    ],
)
def test_the_engine_s_kernels_are_clean_under_a_sanitizer(compare, kind, words):
    done = compare(words, 1, kind)
    passes(done, 3 if words == "forward mxfp4" else 1)
    assert "Sanitizer" not in done.stderr


@pytest.mark.parametrize("seed", [0, 2])
def test_no_order_of_threads_changes_a_bit(compare, seed):
    passes(compare("forward mxfp4", seed), 3)
