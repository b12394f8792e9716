"""The code digest of each rule covers all modules of the package that its step loads."""

from pathlib import Path

from loaded_modules import missing_from_digests


def test_no_step_loads_a_module_that_its_code_digest_misses(finished: Path) -> None:
    rules, missing = missing_from_digests(finished)
    assert {"events", "windows", "train", "explain", "figure", "page", "sample_text", "oracle"} <= rules
    assert missing == {}
