"""Configuration: YAML -> frozen values, every problem at once."""

from exporter.config.reading import load
from exporter.config.series import series
from exporter.config.values import (
    Configuration,
    ConfigurationError,
    DataServer,
    ImportSettings,
    Secret,
    StoreSettings,
    Window,
)

__all__ = [
    "Configuration",
    "ConfigurationError",
    "DataServer",
    "ImportSettings",
    "Secret",
    "StoreSettings",
    "Window",
    "load",
    "series",
]
