"""The one exception that speaks to a user: its text is shown, its stack trace is not."""


class UserError(Exception):
    """A mistake that the user can fix: says what is wrong, where, and what to do."""
