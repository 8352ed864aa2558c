"""Configuration: YAML -> frozen values, every problem at once."""

from exporter.config.description import describe
from exporter.config.reading import load, store_at
from exporter.config.series import series
from exporter.config.values import (
    Configuration,
    ConfigurationError,
    DataServer,
    ImportSettings,
    Secret,
    StoreSettings,
)

__all__ = [
    "Configuration",
    "ConfigurationError",
    "DataServer",
    "ImportSettings",
    "Secret",
    "StoreSettings",
    "describe",
    "load",
    "series",
    "store_at",
]
