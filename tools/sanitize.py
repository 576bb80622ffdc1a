"""Run the engine under the compiler's sanitizers: `python tools/sanitize.py [address] [thread]`.

    address: AddressSanitizer and UndefinedBehaviorSanitizer    thread: ThreadSanitizer

Each has a build of its own in build/sanitize/. The C++ test program runs in it, then the engine's tests with
the extension module of that build in place of the installed one (tests/conftest.py). A finding ends the
program that made it, with a report.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CXX = shlex.split(os.environ.get("CXX", "c++"))
LIMIT_S = 1800

# Python is not built with the sanitizer, so that its memory is neither watched nor freed at the end.
FLAGS = {"address": "address,undefined", "thread": "thread"}
OPTIONS = {
    "address": {
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:strict_init_order=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    },
    # intercept_tls_get_addr=0: the runtime guesses where a thread-local block of a library begins by what
    # glibc 2.19 wrote before it. Newer ones write nothing there: a block that lies 16 bytes into a page ends
    # the process, or hangs it.
    "thread": {
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:die_after_fork=0:second_deadlock_stack=1:"
        "intercept_tls_get_addr=0"
    },
}
RUNTIME = {"address": ["libasan.so", "libubsan.so"], "thread": ["libtsan.so"]}

# Kernels have one thread, a model has several: the thread sanitizer sees those tests alone. A test that
# begins a process of its own, in which a limit or a fault is what it looks for, is not for a sanitizer. Nor
# is one that measures how long a megabyte takes.
PROGRAM = {"address": [[], ["--forward"]], "thread": [["--forward"]]}
TESTS = {
    "address": [
        "tests/test_kernels.py",
        "tests/test_engine.py",
        "tests/test_sampler.py",
        "tests/test_screen.py",
        "tests/test_step.py",
        "tests/test_harmony.py",
        "tests/test_threads.py",
        "tests/test_lost_files.py",
        "-k",
        "not computes_on and not somebody_else and not beside_another_handler and not sent_by_hand "
        "and not megabyte",
    ],
    "thread": [
        "tests/test_engine.py",
        "tests/test_screen.py",
        "tests/test_step.py",
        "tests/test_busy.py",
        "tests/test_scheduler.py",
        "-k",
        "(thread or while_a_pass or the_engine_gives) and not fork",
    ],
}


def run(*command, **environment):
    """Run a command and whatever it starts, for LIMIT_S at most; its exit status."""
    print("$", *(shlex.quote(str(part)) for part in command), flush=True)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment}
    bounded = ["timeout", str(LIMIT_S), *(str(part) for part in command)]
    return subprocess.run(bounded, cwd=ROOT, env=environment, check=False).returncode


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def build(name):
    """Compile the extension module and the test program; their paths."""
    folder = ROOT / "build" / "sanitize" / name
    options = {
        "OSSNB_SANITIZE": FLAGS[name],
        "OSSNB_BUILD_TESTS": "ON",
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": output(sys.executable, "-m", "pybind11", "--cmakedir"),
    }
    defined = [f"-D{key}={value}" for key, value in options.items()]
    if run("cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, *defined) or run(
        "cmake", "--build", folder, "--parallel", "2"
    ):
        raise SystemExit(f"error: the build with -fsanitize={FLAGS[name]} failed (above)")
    (core,) = folder.glob("_core*.so")
    return core, folder / "compare_levels"


def preloaded(name):
    """The runtimes that must be there before Python is; libstdc++ too, or its exceptions are not seen."""
    libraries = [*RUNTIME[name], "libstdc++.so"]
    return " ".join(output(*CXX, f"-print-file-name={library}") for library in libraries)


def check(name):
    """Build and run everything with one sanitizer; True if nothing was found."""
    core, program = build(name)
    failed = [arguments for arguments in PROGRAM[name] if run(program, *arguments, **OPTIONS[name])]
    # -s: what a sanitizer says before it ends the process must not wait in pytest's capture.
    pytest = [sys.executable, "-m", "pytest", "-s", "-n", "2", "--dist", "loadgroup", *TESTS[name]]
    if run("env", f"LD_PRELOAD={preloaded(name)}", *pytest, OSSNB_CORE=str(core), **OPTIONS[name]):
        failed.append(pytest)
    return not failed


def main(names):
    clean = True
    for name in names or FLAGS:
        began = time.monotonic()
        good = check(name)
        found = "nothing found" if good else "FAILED"
        print(f"{name}: {found}, {time.monotonic() - began:.0f} s\n", flush=True)
        clean = clean and good
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
