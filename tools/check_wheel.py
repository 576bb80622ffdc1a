"""Check that the wheel in a folder is small and holds what is used at run time: `check_wheel.py FOLDER`."""

import fnmatch
import sys
import zipfile
from pathlib import Path

LARGEST_BYTES = 15_000_000
NEEDED = (
    "ossnb/_core*.so", "ossnb/_core.pyi", "ossnb/py.typed", "ossnb/data/demo.ossnb",
    "ossnb/data/MODEL_CARD.md", "ossnb/views/static/strip.js", "ossnb/views/static/tokens.js",
)  # fmt: skip


def main() -> None:
    (wheel,) = Path(sys.argv[1]).glob("ossnb-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    lacking = [pattern for pattern in NEEDED if not fnmatch.filter(names, pattern)]
    if lacking:
        raise SystemExit(f"{wheel.name} lacks {', '.join(lacking)}")
    n_bytes = wheel.stat().st_size
    if n_bytes > LARGEST_BYTES:
        raise SystemExit(f"{wheel.name} has {n_bytes:,} bytes, expected at most {LARGEST_BYTES:,}")
    print(f"{wheel.name}: {n_bytes / 1e6:.1f} MB, {len(names)} files")


if __name__ == "__main__":
    main()
