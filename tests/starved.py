"""Processes in which the system starts only some of the threads that the engine asks for."""

from __future__ import annotations

import os
import subprocess
import sys

# Runs where the address space has room for some more threads, and not for all that are asked for. A thread's
# stack is as large as the limit on stacks was when the process began: 1 GB here.
LIMITED = """
import os, resource, sys, warnings

SHARE = float(os.environ["SHARE"])

import numpy as np
import ossnb

ids = np.arange(300, 340, dtype=np.int32)

def logits(core):
    return core.logits([(core.sequence(), ids, 1)])

def limit(gigabytes):
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + int(SHARE * gigabytes * 2**30), hard))

model = ossnb.load("demo", threads=1)
core = model.engine.core
expected = logits(core)
"""
CASES = {
    "the engine": """
limit(4.5)
core.threads = 64
assert 1 < core.threads < 64, core.threads
assert np.array_equal(logits(core), expected)
core.threads = 1
assert np.array_equal(logits(core), expected)
""",
    "the setter": """
limit(2.5)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    model.threads = 4 * os.cpu_count()
assert 1 <= model.threads < 4 * os.cpu_count(), model.threads
assert "threads" in str(seen[0].message) and "limit" in str(seen[0].message), seen
assert np.array_equal(logits(core), expected)
""",
    "loading": """
limit(3.5)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    other = ossnb.load("demo", threads=4 * os.cpu_count(), context=512)
assert 1 <= other.threads < 4 * os.cpu_count(), other.threads
assert any("threads" in str(w.message) for w in seen), seen
assert np.array_equal(logits(other.engine.core), expected)
""",
    "a forked child": """
core.threads = 4
read, write = os.pipe()
if os.fork() == 0:
    limit(2.5)
    same = np.array_equal(logits(core), expected)
    os.write(write, b"%d %d" % (same, core.threads))
    os._exit(0)
os.close(write)
same, n = map(int, os.read(read, 100).split())
assert same and 1 <= n <= 8, (same, n)
""",
}


def run_starved(case: str, share: float = 1) -> subprocess.CompletedProcess[str]:
    """Run a case where the address space has room for `share` of the threads that it usually has room for."""
    command = f'ulimit -s 1048576; exec "{sys.executable}" -c "$CODE"'
    return subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "CODE": LIMITED + CASES[case], "SHARE": str(share)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
