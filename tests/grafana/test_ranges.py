"""Every query of every dashboard over short and long ranges of a long history."""

from collections.abc import Iterator, Mapping
from math import isnan
from pathlib import Path

import pytest

from fake_server.crowd import Crowd
from grafana.queries import Json, panels, queries_of
from tests.grafana.filled import Filled, filled_prometheus
from tests.grafana.test_queries import UIDS, Asking, chosen_at_first

RANGES_DAYS = (0.25, 7, 90)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # promtool writes millions of samples


@pytest.fixture(scope="module")
def long_filled(
    prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    """Ninety days and two of simulated users, of which Prometheus has the history by the hour."""
    with filled_prometheus(
        prometheus,
        promtool,
        tmp_path_factory.mktemp("long"),
        crowd=Crowd(seed=7, per_day=400),
        days=92,
    ) as running:
        yield running


@pytest.mark.parametrize("uid", UIDS)
def test_no_query_fails_or_has_nothing_but_undefined_values(
    uid: str, dashboards: Mapping[str, Json], long_filled: Filled
) -> None:
    undefined = []
    for days in RANGES_DAYS:
        asking = Asking(dashboard=dashboards[uid], prometheus=long_filled, days=days)
        values = chosen_at_first(asking.dashboard)
        for panel in panels(asking.dashboard):
            for query in queries_of(panel):
                answer = asking.ask(query, values)  # an error fails here
                if answer and all(isnan(one["last"]) for one in answer):
                    undefined.append((days, query.place, query.ref_id))
    assert not undefined
