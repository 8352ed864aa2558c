"""Text from outside, made fit for a log or a terminal."""

MOST_CHARACTERS = 100


def escaped(text: str | bytes, at_most: int = MOST_CHARACTERS) -> str:
    """Return a text on one short line: what does not print is escaped, what is too long is cut."""
    if isinstance(text, bytes):
        text = text[: 4 * at_most].decode("utf-8", "backslashreplace")
    cut = text[:at_most]
    shown = cut if cut.isprintable() else "".join(map(_character, cut))
    return shown[:at_most] + "..." if len(text) > at_most or len(shown) > at_most else shown


def _character(one: str) -> str:
    return one if one.isprintable() else ascii(one)[1:-1]
