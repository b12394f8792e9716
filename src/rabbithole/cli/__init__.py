"""The command line: commands for people, and `rabbithole step NAME` for the rules."""

import os
import sys
from io import FileIO, TextIOWrapper
from typing import Any

from rabbithole.cli import (  # noqa: F401 - they add commands
    data_steps,
    doctor,
    history,
    model_steps,
    report_steps,
    text_steps,
    tools,
    work,
)
from rabbithole.cli.app import PANELS, app
from rabbithole.errors import UserError, error_text, known_cause
from rabbithole.job_lifetime import die_with_parent
from rabbithole.progress import remove_progress

# Help shows the panels in the order of their first commands.
app.registered_commands.sort(key=lambda command: PANELS.index(str(command.rich_help_panel)))


def main() -> None:
    """Run a command. A mistake of the user's ends in a message, not in a stack trace."""
    # First of all: any file that is opened gets the number of a closed one.
    _replace_closed_files()
    die_with_parent()
    # Figures are written to files, without a date. Matplotlib refuses to be imported where the first names
    # nothing that it knows, and NumPy's f2py where the second is no number.
    for name in ("MPLBACKEND", "SOURCE_DATE_EPOCH"):
        os.environ.pop(name, None)
    # Settings and scores are read as UTF-8, whatever the locale of the terminal.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        _refuse_unreadable(sys.argv[1:])
        app()
    except UserError as error:
        sys.exit(error_text(error))
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        sys.exit(error_text(f"{error.filename or 'the output'}: {error.strerror}"))
    except Exception as error:
        if (mistake := known_cause(error)) is None:
            raise
        sys.exit(error_text(mistake))
    finally:
        remove_progress()


def _refuse_unreadable(arguments: list[str]) -> None:
    """Raise `UserError` for an argument that is no UTF-8: Arrow opens no such file, after all the work."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"{argument} is no UTF-8, or not in this locale: rename the file, or set LC_ALL=C.UTF-8."
            ) from None


def _replace_closed_files() -> None:
    """Open the standard files that the caller closed: a file of ours would get their numbers.

    The input is empty. What is written to the output fails, and is not lost without a word.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY), number)
            os.set_inheritable(number, True)
            # Without a buffer: what it holds would fail once more as Python ends.
            file: Any = FileIO(number, mode, closefd=False)
            setattr(sys, name, TextIOWrapper(file, "utf-8", write_through=True))
