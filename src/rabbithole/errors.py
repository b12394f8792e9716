"""The one exception that speaks to a user: its text is shown, its stack trace is not."""

import traceback

OWN_MODEL = "rabbithole_own_model_"
"""Prefix of the names under which users' model files run as modules."""


class UserError(Exception):
    """A mistake that the user can fix: says what is wrong, where, and what to do."""


def error_in_own_model(error: Exception) -> UserError | None:
    """Return what went wrong in a user's model file, with file and line; None for an error elsewhere.

    The line is the innermost one of the file that the error passed through.
    """
    message = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}".rstrip(": ")
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return UserError(f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}")
    lines = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).startswith(OWN_MODEL)
    ]
    return UserError(f"{lines[-1]}: {message}") if lines else None


def printable(text: str) -> str:
    """Return text of a user's file for a terminal or a log: control characters become escapes.

    Characters that are not printable become `\\x1b`, `\\t` and so on, so that no file can move the cursor.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
