"""The one exception that speaks to a user: its text is shown, its stack trace is not."""


class UserError(Exception):
    """A mistake that the user can fix: says what is wrong, where, and what to do."""


def printable(text: str) -> str:
    """Return text of a user's file for a terminal or a log: control characters become escapes.

    Characters that are not printable become `\\x1b`, `\\t` and so on, so that no file can move the cursor.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
