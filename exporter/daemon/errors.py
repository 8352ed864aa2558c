"""The log of errors: each once, until it is over."""

import structlog

from exporter.ports import SourceError, StoreError

MAX_LOGGED = 20  # different errors of one activity, one after the other; more are not logged


class ErrorLog:
    """Logs each error once, whatever it hinders, and once that an activity works again.

    For several threads at once.
    """

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._logged: dict[str, set[str]] = {}

    def failed(self, activity: str, event: str, error: Exception) -> None:
        """Log an error; one that was not foreseen with its traceback."""
        text = message_of(error)
        logged = self._logged.setdefault(activity, set())
        known = any(text in texts for texts in list(self._logged.values()))
        if not known and len(logged) < MAX_LOGGED:
            logged.add(text)
            foreseen = isinstance(error, SourceError | StoreError)
            self._log.error(event, error=text, exc_info=None if foreseen else error)

    def recovered(self, *activities: str) -> None:
        """Log that activities work again, if they did not."""
        for activity in activities:
            if self._logged.pop(activity, None):
                self._log.info(f"{activity} works again")

    def current(self, *activities: str) -> str:
        """Return the errors of these activities that are not over, empty if there are none."""
        return ", ".join(text for one in activities for text in self._logged.get(one, ()))


def message_of(error: Exception) -> str:
    """Return an error's message, or its name where it has none."""
    return str(error) or type(error).__name__
