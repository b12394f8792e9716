"""`rabbithole doctor` shows each fact of the machine, and says what to do where one is not enough."""

import pytest
from typer.testing import CliRunner

from rabbithole.cli import app, doctor
from rabbithole.cli.doctor import Finding


def test_every_quick_check_says_what_this_machine_has() -> None:
    slow = ("_java", "_spark", "_jax", "_cache")
    findings = [check() for check in doctor.CHECKS if check.__name__ not in slow]
    assert {"Python", "Cores", "Memory", "Results", "TMPDIR", "Open files", "Locale"} <= {
        finding.subject for finding in findings
    }
    assert all(finding.state for finding in findings)


@pytest.mark.parametrize(
    ("advice", "code", "end"), [(None, 0, "All is well."), ("Buy more.", 1, "1 of 2 need")]
)
def test_a_lack_ends_in_advice_and_an_error(
    monkeypatch: pytest.MonkeyPatch, advice: str | None, code: int, end: str
) -> None:
    checks = (lambda: Finding("Cores", "2"), lambda: Finding("Memory", "1 GiB", advice))
    monkeypatch.setattr(doctor, "CHECKS", checks)
    shown = CliRunner().invoke(app, ["doctor"])
    assert shown.exit_code == code
    assert end in shown.stdout and ("→ Buy more." in shown.stdout) == (advice is not None)
