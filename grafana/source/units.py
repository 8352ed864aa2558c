"""Units: what the exporter counts in, in Grafana's words."""

from exporter.domain.kpis import Unit

_UNITS = {
    Unit.INTERACTIONS: "short",
    Unit.USERS: "short",
    Unit.SITES: "short",
    Unit.RATIO: "percentunit",
    Unit.SECONDS: "s",
}


def unit_of(unit: Unit) -> str:
    """Return Grafana's name of a KPI's unit."""
    return _UNITS[unit]
