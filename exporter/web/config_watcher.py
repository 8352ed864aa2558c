"""Reads the web configuration again when it, or a certificate that it names, has changed."""

from hashlib import sha256
from pathlib import Path

import structlog

from exporter.web.web_config import WebConfig, WebConfigError, load

_log = structlog.get_logger(__name__)


class ConfigWatcher:
    """The last good web configuration of a file. Raises `WebConfigError` if the first is none."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._config = load(file)
        self._seen = self._good = self._contents()
        self._logged: tuple[str, ...] = ()

    @property
    def config(self) -> WebConfig:
        """The configuration to serve with."""
        return self._config

    def poll(self) -> bool:
        """Return whether there is a new configuration, reading the files.

        A change counts once two looks have seen the same: a file that is being written would
        else be read partially. One that is no good is logged, once, and changes nothing.
        """
        before, self._seen = self._seen, self._contents()
        if self._seen != before or self._seen == self._good:
            return False
        try:
            config = self._as_safe(load(self._file))
        except WebConfigError as error:
            if error.errors != self._logged:
                self._logged = error.errors
                _log.error(
                    "web configuration not applied, the last good one stays",
                    file=str(self._file),
                    errors=list(error.errors),
                )
            return False
        # Files that were not watched until now may have changed since: they get a second look.
        self._good = self._seen if config.files == self._config.files else ""
        self._config, self._logged = config, ()
        _log.info("web configuration applied", file=str(self._file), users=len(config.users))
        return True

    def _as_safe(self, config: WebConfig) -> WebConfig:
        """Refuse what would open the door because of a slip, such as an emptied file."""
        errors = []
        if (config.tls is None) != (self._config.tls is None):
            errors.append("tls_server_config: TLS can only be turned on or off by a restart")
        if self._config.users and not config.users:
            errors.append("basic_auth_users: authentication can only be turned off by a restart")
        if errors:
            raise WebConfigError(tuple(errors), self._file)
        return config

    def _contents(self) -> str:
        digest = sha256()
        for file in (self._file, *self._config.files):
            try:
                digest.update(sha256(file.read_bytes()).digest())
            except OSError as error:
                digest.update(str(error.errno).encode())
        return digest.hexdigest()
