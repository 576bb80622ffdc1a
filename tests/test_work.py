"""Multiply-adds an instruction: what a kernel costs on any day, where a clock tells of the neighbours too."""

import re

import pytest

from ossnb import _core
from test_other_machines import need, program, run

pytestmark = pytest.mark.skipif("avx2" not in _core.isa_levels(), reason="the counts are those of AVX2")

# Four fifths of what was found with GCC 12: 2.5, 6.2, 5.5, 5.3, 3.2, 3.1; of one token alone 2.9 and 1.5. An
# instruction makes at most eight products of floats or 32 of bytes; loads, widening and scales take the rest.
LEAST = {
    "mxfp4_exact": 2.0,
    "mxfp4_fast": 5.0,
    "q8": 4.4,
    "q6": 4.2,
    "bf16": 2.6,
    "attend": 2.4,
    "q6_one": 2.3,
    "bf12": 1.2,
}


def instructions(kernel, rounds):
    """(instructions of a whole run, multiply-adds of a round)"""
    command = [program("native"), "--work", "avx2", kernel, str(rounds)]
    counted = run("sh", "-c", 'exec "$@" 2>&1', "sh", "valgrind", "--tool=callgrind",
                  "--callgrind-out-file=/dev/null", *command)  # fmt: skip
    total = re.search(r"Collected : (\d+)", counted)
    return int(total[1]), float(re.search(r"^\d+$", counted, re.MULTILINE)[0])


@pytest.mark.parametrize("kernel", LEAST)
def test_multiply_adds_an_instruction(kernel):
    need("valgrind")
    (once, multiply_adds), (thrice, _) = instructions(kernel, 1), instructions(kernel, 3)
    found = 2 * multiply_adds / (thrice - once)
    assert found >= LEAST[kernel], f"{found:.2f} multiply-adds an instruction"
