"""`Accept` and `Accept-Encoding`: what a client would rather have (RFC 9110, 12.5)."""


def weights(header: str) -> dict[str, float]:
    """Return the weight of each value that a header names, in lower case; 0 is a refusal."""
    found: dict[str, float] = {}
    for part in header.lower().split(","):
        value, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((p[2:].strip() for p in parameters if p.startswith("q=")), "1")
        try:
            found[value] = max(float(weight), found.get(value, 0))
        except ValueError:
            found.setdefault(value, 0)
    return found
