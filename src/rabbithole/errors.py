"""The one exception that speaks to a user: its text is shown, its stack trace is not."""

import os
import re
import sys
import traceback
from typing import Any

OWN_MODEL = "rabbithole_own_model_"
"""Prefix of the names under which users' model files run as modules."""


JAX_VARIABLE = re.compile(r"for JAX flag jax_|for environment 'JAX_")
"""Parts of JAX's messages about a value that a variable can't have."""


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


def known_cause(error: Exception) -> UserError | None:
    """Return an error as one that speaks to the user; None where nobody but a developer can help."""
    return error if isinstance(error, UserError) else error_in_own_model(error) or error_of_jax(error)


def error_of_jax(error: Exception) -> UserError | None:
    """Return an error that says that JAX finds no device or can't read a variable; None for any other.

    Where it has no device, JAX fails in many ways and places. So it is asked again, after the error.
    """
    if JAX_VARIABLE.search(str(error)):
        return UserError(f"JAX can't be set up: {error}. Unset the variable.")
    jax: Any = sys.modules.get("jax")
    if not hasattr(jax, "devices"):
        return None
    try:
        jax.devices()
    except Exception as reason:
        chosen = os.environ.get("JAX_PLATFORMS")
        advice = (
            f"JAX_PLATFORMS is {chosen}: unset it or set it to cpu" if chosen else "Set JAX_PLATFORMS=cpu"
        )
        why = f" ({lines[0]})" if (lines := str(reason).splitlines()) else ""
        return UserError(f"JAX finds no device to compute on{why}. {advice}.")
    return None


def printable(text: str) -> str:
    """Return text of a user's file for a terminal or a log: control characters become escapes.

    Characters that are not printable become `\\x1b`, `\\t` and so on, so that no file can move the cursor.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def error_text(error: object) -> str:
    """Return a mistake as the last lines of a command; it may quote settings and names of files."""
    return "Error: " + "\n".join(map(printable, str(error).split("\n")))
