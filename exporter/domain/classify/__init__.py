"""Definitions applied to a blob."""
