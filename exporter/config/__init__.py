"""Configuration: YAML -> frozen values, every error at once."""

from exporter.config.credentials import password_again
from exporter.config.json_schema import json_schema
from exporter.config.load import load, store_at
from exporter.config.schema import CollectSection
from exporter.config.values import (
    Configuration,
    ConfigurationError,
    DataServer,
    ImportSettings,
    Secret,
    StoreSettings,
)

__all__ = [
    "CollectSection",
    "Configuration",
    "ConfigurationError",
    "DataServer",
    "ImportSettings",
    "Secret",
    "StoreSettings",
    "json_schema",
    "load",
    "password_again",
    "store_at",
]
