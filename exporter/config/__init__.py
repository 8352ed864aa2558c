"""Configuration: YAML -> frozen values, every problem at once."""

from exporter.config.load import load, store_at
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
    "load",
    "store_at",
]
