"""What is shown of Snakemake's exceptions and of config files that cannot be read."""

from pathlib import Path

import pytest

from snakemake_logger_plugin_rabbithole.config_troubles import config_files
from snakemake_logger_plugin_rabbithole.errors import (
    TRACE,
    FailedJob,
    failure,
    own_error,
    plain,
)

NO_FILE = 'Traceback (most recent call last):\n\n  File "x.py", line 12, in load_configfile\n\nOSError'


def test_the_words_after_configfile_are_taken_as_snakemake_takes_them() -> None:
    assert config_files(["snakemake", "-n", "--configfile", "a.yaml", "b.yaml", "--cores", "2", "page"]) == [
        "a.yaml",
        "b.yaml",
    ]
    assert config_files(["snakemake", "--configfile=a.yaml", "page"]) == ["a.yaml", "page"]
    assert config_files(["snakemake", "page", "--configfile", "a.yaml", "--", "page"]) == ["a.yaml"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("mine.yaml", None, "there is no such file."),
        ("results/metrics.json", None, "there is no such file. If metrics.json is a target, write it before"),
        ("leak_report", None, "there is no such file. If leak_report is a target, write it before"),
        ("page.html", "plain text", "there are no settings in it. If page.html is a target"),
        ("mine.yaml", "a: 1\nb: [\n", "mine.yaml:3: this is no valid YAML"),
        ("mine.yaml", "a:\n  b: 1\n c: 2\n", "mine.yaml:3: this is no valid YAML: the line does not fit"),
        ("mine.yaml", "a: 1\n---\nb: 1\n", "a line of three dashes begins a second document"),
        ("mine.yaml", "a:\n\tb: 1\n", "mine.yaml:2: this is no valid YAML: the line is indented with a tab"),
        ("mine.yaml", "training: &all {a: {b: *all}}\n", "mine.yaml: an alias (*) stands in the section"),
        ("mine.yaml", "a: &list [1, *list]\n", "mine.yaml: an alias (*) stands in the section"),
        ("mine.yaml", "pathvars: 5\n", "mine.yaml: `pathvars` must be a section of names"),
        ("mine.yaml", "pathvars: {results: 5}\n", "mine.yaml: `pathvars` must be a section of names"),
        ("scores.parquet", b"PAR1\xff\xfe", "this is no text file. If scores.parquet is a target"),
    ],
)
def test_a_config_file_that_cannot_be_read_is_named_with_what_to_do(
    name: str,
    content: str | bytes | None,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("a: 1\n")
    if content is not None:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    text = plain(NO_FILE, ["snakemake", "--configfile", "good.yaml", name])
    assert text.startswith(f"--configfile {name}")
    assert expected in text
    assert "Traceback" not in text


def test_settings_on_the_command_line_that_are_none_are_named(tmp_path: Path) -> None:
    arguments = ["snakemake", "--configfile", "a.yaml", "--config", "a=1", "pathvars={results: [x]}"]
    (tmp_path / "a.yaml").write_text("a: 1\n")
    text = plain(NO_FILE, arguments, tmp_path)
    assert text.startswith("--config pathvars={results: [x]}: `pathvars` must be a section of names")
    said = (
        f"{TRACE}:\nValueError: Invalid config definition: Config entry must start with a valid identifier."
    )
    assert plain(said, arguments).startswith("--config: Config entry must start with a valid identifier. ")


def test_a_slip_in_the_workflow_s_own_settings_is_named_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert plain(NO_FILE, ["snakemake"]) == "OSError"
    Path("config.yaml").write_text("a: &one {b: 1}\nc: [*one, *one]\npathvars: {results: x}\n")
    assert plain("Pathvars are wrong.", ["snakemake"]) == "Pathvars are wrong."
    Path("config.yaml").write_text("a:\n  b: 1\n c: 2\n")
    assert plain(NO_FILE, ["snakemake"]).startswith(
        "config.yaml:3: this is no valid YAML: the line does not fit"
    )


def test_snakemakes_exceptions_lose_their_class_and_their_trace() -> None:
    missing = (
        'MissingRuleException in file "Snakefile", line 3:\nNo rule to produce x.\n  File "a", line 2, in b'
    )
    assert plain(missing, []).startswith("x is neither a target nor a file that a step makes")
    assert plain("LockException:\nError: Directory cannot be locked.", []) == "Directory cannot be locked."
    assert plain('Traceback (most recent call last):\n  File "a", line 2\nKeyError: 1', []) == "KeyError: 1"
    cache = f"{TRACE}:\n  File \"sourcecache.py\"\n  os.makedirs(path)\nPermissionError: denied: '/home/x'"
    record = f"{TRACE}:\nOSError: [Errno 30] Read-only file system: '/a/.snakemake/locks'"
    assert plain(record, []).startswith("Snakemake can't write /a/.snakemake/locks (Read-only file system).")
    protected = (
        "ProtectedOutputException:\nWrite-protected output files for rule train:\n    output: a/b, a/c\n"
        "    affected files:\n        a/b\n        a/c"
    )
    assert plain(protected, []).startswith("a/b is write-protected, and would be written again. Make")
    future = (
        "WorkflowError:\nOutput a/b has older modification time (2026-11-30 17:47:58.583430) than input a/c "
        "(2027-06-01 00:00:00). This could indicate a clock skew problem in your network. System time: 2026"
    )
    assert plain(future, []).startswith("a/c was written at 2027-06-01 00:00:00, which is yet to come: ")
    assert plain(cache, []).startswith("Snakemake can't write its cache (/home/x): set XDG_CACHE_HOME")


@pytest.mark.parametrize(
    "record", [b"\xff", b'"x"', b"3", b'{"params": [1]}', b'{"params": [[]]}', b'{"input": 3}', b"[" * 10**5]
)
def test_a_damaged_record_of_snakemakes_is_named(
    record: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trace = f'{TRACE}:\n  File "a", line 2\nTypeError: x'
    (records := Path(".snakemake/metadata/@long")).mkdir(parents=True)
    (records.parent / "a").write_text('{"rule": "windows", "params": ["1"]}')
    (records.parent / "b").write_text("{")
    assert plain(trace, []) == "TypeError: x"
    (records / "c").write_bytes(record)
    assert plain(trace, []) == f"{records}/c: this record of Snakemake's is damaged. Delete it."
    assert plain("LockException:\nError: Directory cannot be locked.", []) == "Directory cannot be locked."


def test_what_stands_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (file := tmp_path / "results/shop").write_text("")
    said = "NotADirectoryError: [Errno 20] Not a directory: 'results/shop/events'"
    blocked = f"{file} is in the way: there must be a folder. Move it away."
    assert plain(said, [], tmp_path) == blocked
    created = said.replace("Not", "Failed to create output directory results/shop/events.\nNot", 1)
    assert plain(f"CreateError in file a, line 1:\n{created}", [], tmp_path) == blocked
    (link := tmp_path / ".snakemake").symlink_to("nowhere")
    said = f"{TRACE}:\n  File \"a\"\nFileExistsError: [Errno 17] File exists: '{link}'"
    assert plain(said, [], tmp_path).startswith(f"{link} is in the way")
    denied = "PermissionError: [Errno 13] Permission denied: 'results/shop'"
    assert plain(denied, [], tmp_path) == "results/shop: Permission denied."


def test_a_message_before_a_stack_trace_is_no_mistake_of_the_user() -> None:
    assert own_error("Error: one\nError: two\nmore\n") == "two\nmore"
    assert own_error("Error: one\nTraceback (most recent call last):\nKeyError: 1\n") is None


@pytest.mark.parametrize(
    ("line", "resource"),
    [
        ("slurmstepd: error: StepId=3.0 exceeded memory limit (548769792 > 471859200)", "memory"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=5.batch. Some step tasks", "memory"),
        (
            "slurmstepd: error: *** JOB 7 ON node CANCELLED AT 2026-11-28T23:33:00 DUE TO TIME LIMIT ***",
            "time",
        ),
    ],
)
def test_a_job_that_its_cluster_killed_says_so(line: str, resource: str, tmp_path: Path) -> None:
    log = tmp_path / "3.log"
    log.write_text(f"started\n{line}\n" + "noise\n" * 30)
    reason = failure([FailedJob(1, [], "", "")], [str(log)], {}, tmp_path)
    assert f"more {resource} than it asked for" in reason.text[0]
    assert reason.text[1] == line
    assert reason.log == "3.log"
