"""Reads the web configuration again when it, or a certificate that it names, has changed."""

from hashlib import sha256
from pathlib import Path

import structlog

from exporter.web.config import WebConfig, WebConfigError, load

_log = structlog.get_logger(__name__)


class Watch:
    """The last good web configuration of a file. Raises `WebConfigError` if the first is none."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._config = load(file)
        self._seen = self._good = self._contents()
        self._told: tuple[str, ...] = ()

    @property
    def config(self) -> WebConfig:
        """The configuration to serve with."""
        return self._config

    def look(self) -> bool:
        """Say whether there is a new configuration, reading the files.

        A change counts once two looks have seen the same: a file that is being written would
        else be read by halves. One that is no good is logged, once, and changes nothing.
        """
        before, self._seen = self._seen, self._contents()
        if self._seen != before or self._seen == self._good:
            return False
        try:
            config = self._as_safe(load(self._file))
        except WebConfigError as error:
            if error.problems != self._told:
                self._told = error.problems
                _log.error(
                    "web configuration not applied, the last good one stays",
                    file=str(self._file),
                    problems=list(error.problems),
                )
            return False
        # Files that were not watched until now may have changed since: they get a second look.
        self._good = self._seen if config.files == self._config.files else ""
        self._config, self._told = config, ()
        _log.info("web configuration applied", file=str(self._file), users=len(config.users))
        return True

    def _as_safe(self, config: WebConfig) -> WebConfig:
        """Refuse what would open the door because of a slip, such as an emptied file."""
        problems = []
        if (config.tls is None) != (self._config.tls is None):
            problems.append("tls_server_config: TLS can only be turned on or off by a restart")
        if self._config.users and not config.users:
            problems.append("basic_auth_users: authentication can only be turned off by a restart")
        if problems:
            raise WebConfigError(self._file, problems)
        return config

    def _contents(self) -> str:
        digest = sha256()
        for file in (self._file, *self._config.files):
            try:
                digest.update(sha256(file.read_bytes()).digest())
            except OSError as error:
                digest.update(str(error.errno).encode())
        return digest.hexdigest()
