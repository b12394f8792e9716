"""`rabbithole STEP`: a subcommand per rule; parses, calls one function, nothing else.

Each command imports its step when it runs, so that none pays for the libraries of another.
"""

import sys

from rabbithole.cli import book, purchases, reports, tools  # noqa: F401 - they add their commands
from rabbithole.cli.app import app
from rabbithole.errors import UserError
from rabbithole.workflow.parent import die_with_parent


def main() -> None:
    """Run a step; a mistake of the user's ends in a message, not in a stack trace."""
    die_with_parent()
    try:
        app()
    except UserError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        sys.exit(f"Error: {error.filename or 'the output'}: {error.strerror}")
