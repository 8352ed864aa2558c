"""Write the dashboards, and the table of the old reports in docs/dashboards.md.

`python -m grafana.generate`, or `make dashboards`. With `--config.file` the dashboards are for
another service's definitions: its segments and steps get their colours, its flows their tables.
`--exporter.url` is where people find the exporter's own page. `--service-labels` are those
of the rules. `--output` says where to; what is there under other names stays.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from os import environ
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from exporter.config import ConfigurationError, load
from grafana import reference
from grafana.source.dashboard import Dashboard, Service
from grafana.source.exporter_health import exporter_health
from grafana.source.flows import flows
from grafana.source.overview import overview
from grafana.source.promql import SERVICE, TARGET
from grafana.source.reports import reports
from grafana.source.segments import segments
from grafana.source.thresholds import Thresholds
from grafana.source.titles import Titles
from prometheus.generate import SERVICE_LABELS, TARGET_LABELS

_CHECKOUT = Path(__file__).parent.parent
_PACKAGE = "data_server: {url: 'http://127.0.0.1/'}"  # all else as it comes with the package
_EXPORTER = "http://localhost:3434"
_DASHBOARDS: Sequence[Callable[[Service], Dashboard]] = (
    overview,
    reports,
    flows,
    segments,
    exporter_health,
)


def service(config: str | Path = _PACKAGE, exporter: str = _EXPORTER) -> Service:
    """Read a service's definitions, Persona's by default, and the alerts' thresholds."""
    configuration = load(config, environ)
    return Service(
        definitions=configuration.definitions,
        titles=Titles.of(configuration),
        thresholds=Thresholds.read(_CHECKOUT / "prometheus/rules/thresholds.yml"),
        exporter=exporter.rstrip("/"),
    )


def dashboards(
    of: Service, service_labels: Sequence[str] = SERVICE_LABELS
) -> Iterator[tuple[str, str]]:
    """Yield each dashboard's uid and JSON."""
    target = ", ".join((*service_labels, *TARGET_LABELS))
    for lay_out in _DASHBOARDS:
        made = lay_out(of)
        text = json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        yield made.uid, text.replace(SERVICE, ", ".join(service_labels)).replace(TARGET, target)


def main() -> int:
    """Write all dashboards."""
    parser = ArgumentParser(prog="python -m grafana.generate", description=__doc__)
    parser.add_argument("--config.file", dest="config", type=Path)
    parser.add_argument(
        "--exporter.url", dest="exporter", default=_EXPORTER, help="the exporter's own page"
    )
    parser.add_argument(
        "--service-labels",
        type=lambda text: text.split(","),
        default=SERVICE_LABELS,
        help="what identifies a service, as for the alerts (default: job)",
    )
    parser.add_argument("--output", type=Path, default=_CHECKOUT / "grafana/dashboards")
    arguments = parser.parse_args()
    try:
        made = list(
            dashboards(
                service(arguments.config or _PACKAGE, arguments.exporter), arguments.service_labels
            )
        )
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    arguments.output.mkdir(parents=True, exist_ok=True)
    for uid, text in made:
        (arguments.output / f"{uid}.json").write_text(text, encoding="utf-8")
    if arguments.config is None:
        page = reference.PAGE.read_text(encoding="utf-8")
        read = {uid: json.loads(text) for uid, text in made}
        reference.PAGE.write_text(reference.written(page, read), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
