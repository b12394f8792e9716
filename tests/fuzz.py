"""Fuzz the reading of raw logs, guided by coverage: any bytes, all formats. It ends at the first fault.

make fuzz FUZZ_SECONDS=600
"""

import sys
import time
from collections import Counter

import atheris

with atheris.instrument_imports(include=["rabbithole.ingest", "rabbithole.formats", "rabbithole.io"]):
    from any_file import KINDS, check_any_file

TRIES: Counter[str] = Counter()


def try_one(data: bytes) -> None:
    """Read the bytes after the first as a log; the first one chooses its format."""
    if data:
        TRIES["read" if check_any_file(data[0] % len(KINDS), data[1:]) else "refused"] += 1
        if TRIES.total() % 1000 == 0:
            print(
                f"{time.strftime('%H:%M:%S')} {TRIES['read']:,} read, {TRIES['refused']:,} refused",
                flush=True,
            )


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()
