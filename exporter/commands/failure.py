"""How a command fails: one line that says what, where and what to do."""


class Failure(Exception):
    """The command's work failed; exit code 1."""


class Misuse(Failure):
    """Its arguments do not go together, whatever the configuration; exit code 2."""
