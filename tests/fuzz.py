"""Fuzz the reading of raw logs, guided by coverage: any bytes, all formats. It ends at the first fault.

make fuzz FUZZ_SECONDS=600
"""

import sys
import time
from collections import Counter

import atheris

with atheris.instrument_imports(include=["rabbithole.ingest", "rabbithole.formats", "rabbithole.io"]):
    from any_file import KINDS, check_any_file

COUNTS: Counter[str] = Counter()


def try_one(data: bytes) -> None:
    """Read the bytes after the first as a log; the first one chooses its format."""
    if data:
        lines = check_any_file(data[0] % len(KINDS), data[1:])
        COUNTS["files"] += 1
        COUNTS["refused"] += lines is None
        COUNTS["lines"] += lines or 0
        if COUNTS["files"] % 1000 == 0:
            counts = ", ".join(f"{COUNTS[name]:,} {name}" for name in ("files", "refused", "lines"))
            print(f"{time.strftime('%H:%M:%S')} {counts}", flush=True)


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()
