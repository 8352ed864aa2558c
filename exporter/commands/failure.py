"""How a command fails: one line that says what, where and what to do."""


class Failure(Exception):  # noqa: N818 -- reads as what happened
    """The command's work failed; exit code 1."""
