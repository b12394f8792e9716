"""The fingerprint of a raw log depends on its content; and results go to the folder that is named."""

import os
import shutil
from pathlib import Path

import pytest

from rabbithole.errors import UserError
from rabbithole.workflow.raw_files import fingerprint, refuse_in_results, refuse_no_folder


def test_a_fingerprint_depends_on_the_content_and_not_on_the_modification_time(tmp_path: Path) -> None:
    log, cache = tmp_path / "log.csv", tmp_path / "cache.json"
    log.write_text("a")
    before = fingerprint([log], cache)
    os.utime(log, (1, 1))
    assert fingerprint([log], cache) == before
    log.write_text("b")
    assert fingerprint([log], cache) != before
    cache.write_text("{broken")
    assert fingerprint([log], cache) != before


def test_a_log_from_the_future_is_refused(tmp_path: Path) -> None:
    """Snakemake would throw away what a step made of it."""
    log = tmp_path / "log.csv"
    log.write_text("a")
    os.utime(log, (2e9 * 2, 2e9 * 2))
    with pytest.raises(UserError, match=r"the time of .*log\.csv, 2096-.* is yet to come"):
        fingerprint([log], tmp_path / "cache.json")


def test_a_log_that_is_replaced_by_another_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    log, other, cache = tmp_path / "log.csv", tmp_path / "other.csv", tmp_path / "cache.json"
    log.write_text("a")
    other.write_text("b")
    os.utime(other, ns=(log.stat().st_atime_ns, log.stat().st_mtime_ns))
    before = fingerprint([log], cache)
    shutil.copy2(other, log)
    assert log.stat().st_mtime_ns == other.stat().st_mtime_ns
    assert fingerprint([log], cache) != before


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("a")
    # The place of the cache is taken, for root too.
    (tmp_path / "taken").write_text("")
    assert fingerprint([log], tmp_path / "taken/cache.json")


def test_a_dry_run_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, cache = tmp_path / "log.csv", tmp_path / "results/cache.json"
    log.write_text("a")
    for arguments in (["-n"], ["--dry-run"], ["--cores", "2", "-np"], ["--dryrun"]):
        monkeypatch.setattr("sys.argv", ["/x/bin/snakemake", *arguments])
        digest = fingerprint([log], cache)
        assert not cache.parent.exists()
    monkeypatch.setattr("sys.argv", ["/x/snakemake/__main__.py", "--nocolor", "-c2"])
    assert fingerprint([log], cache) == digest
    assert cache.exists()


@pytest.mark.parametrize("results", ["", " ", "~/results", "s3://bucket/results", "a\nb", "{x}"])
def test_results_that_would_end_in_another_folder_are_refused(results: str) -> None:
    with pytest.raises(UserError, match=r"pathvars\.results: "):
        refuse_no_folder(results)
    refuse_no_folder("../my results/ü")


def test_results_below_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"pathvars\.results: .*file is a file"):
        refuse_no_folder(f"{tmp_path}/file/results")
    refuse_no_folder(f"{tmp_path}/new/results")


def test_a_log_in_the_results_of_a_data_set_is_refused(tmp_path: Path) -> None:
    """Whoever deletes them to start over would delete the log; a link to the log hides that."""
    results, link = str(tmp_path / "results"), tmp_path / "link.csv"
    link.symlink_to(tmp_path / "results/shop/log.csv")
    for path in (f"{results}/shop/log.csv", f"{results}/shop/raw/log.csv", str(link)):
        with pytest.raises(UserError, match=r"datasets\.a: .*\.csv lies in .*results/shop, which"):
            refuse_in_results("datasets.a", [path], results, ["shop", "other"], ["other"])
    kept = [f"{results}/other/raw/log.csv", f"{results}/log.csv", f"{results}/shopping/log.csv"]
    refuse_in_results("predict.a.log", kept, results, ["shop", "other"], ["other"])
