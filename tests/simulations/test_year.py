"""The program that simulates a year can still ask every alert for its past."""

import subprocess
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml

from simulations.year.history import ROLLOUT_SECONDS, in_a_cluster
from simulations.year.incidents import BEGIN, END, ODD_DAYS, TROUBLES
from simulations.year.inlining import Inliner
from simulations.year.pages import (
    Firing,
    false_pages,
    finding,
    pages,
    quiet_days,
    quiet_days_alarmed,
)
from simulations.year.replay import LAYERS, NEVER
from simulations.year.second_hand import WEEK, past
from testing.rulebook import recorded, rules_of

STARTED = int(BEGIN.timestamp()) // 3600


def firing(*hours: int, window: str = "1d") -> Firing:
    seen = frozenset(STARTED + hour for hour in hours)
    return Firing(alert="KpiBounceRateHigh", window=window, hours=seen)


def test_every_alert_is_an_expression_over_what_is_stored(promtool: Path, tmp_path: Path) -> None:
    stored = set(NEVER)
    expressions = []
    for layer in LAYERS:
        inliner = Inliner(stored)
        expressions += [inliner.records(rule) for rule in recorded() if rule.name in layer]
        stored |= set(layer)
    inliner = Inliner(stored)
    expressions += [inliner.expand(alert.expr) for alert in rules_of("alerts-sign-in")]
    rules = [{"record": f"a:kpi:b{n}", "expr": each} for n, each in enumerate(expressions)]
    path = tmp_path / "expressions.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "year", "rules": rules}]}))

    subprocess.run([promtool, "check", "rules", path], check=True, capture_output=True)


def test_incidents_and_odd_days_are_far_apart() -> None:
    both = sorted((*TROUBLES, *ODD_DAYS), key=lambda each: each.start)
    for one, next_one in pairwise(both):
        assert (next_one.start - one.end).days >= 5
    assert both[-1].end < END


def test_an_odd_day_is_in_the_past_of_an_incident() -> None:
    begun = {each.start.date() for each in TROUBLES}
    for odd in ODD_DAYS:
        assert {odd.start.date() + timedelta(weeks=n) for n in (1, 2, 3, 4)} & begun, odd.title


def test_what_a_matcher_chooses_is_chosen_from_the_expression() -> None:
    name = "job_window_segment_outcome:kpi_dialogs:sum"
    expanded = Inliner(set(NEVER)).expand(name + '{period="now", outcome=~"bounce|fail"}')

    assert "offset" not in expanded, "the past is left out"
    assert expanded.count("and on (outcome)") == 1
    for outcome in ("bounce", "fail"):
        assert f'label_replace(vector(1), "outcome", "{outcome}", "", "")' in expanded


def test_a_sample_of_a_cluster_is_two_and_their_pods_are_replaced() -> None:
    lines = [
        b'kpi_x{job="j",instance="exporter:3434"} 1 %d\n' % (n * ROLLOUT_SECONDS) for n in (0, 1)
    ]

    pods = {line.split(b'pod="')[1].split(b'"')[0] for line in in_a_cluster(lines)}

    assert len(pods) == 4


def test_alerts_that_overlap_or_nearly_touch_are_one_page() -> None:
    assert pages([firing(1, 2), firing(2, 3)]) == [(STARTED + 1, STARTED + 7)]
    assert len(pages([firing(1), firing(5)])) == 1, "three hours kept firing"
    assert len(pages([firing(1), firing(6)])) == 2


def test_an_incident_is_found_by_the_first_alert_in_it() -> None:
    (begin, *_) = (trouble.day * 24 + trouble.hour for trouble in TROUBLES)

    found = finding(TROUBLES[0], [firing(begin - 1), firing(begin + 2, begin + 3)])

    assert found is not None
    assert found.hours == 3, "an hour counts when it is over"
    assert finding(TROUBLES[0], [firing(begin - 1)]) is None


def test_a_page_that_no_incident_explains_is_false() -> None:
    begin = TROUBLES[0].day * 24 + TROUBLES[0].hour

    assert false_pages([firing(begin + 1), firing(begin + 100)], TROUBLES) == 1


def test_a_day_without_an_incident_and_what_it_leaves_in_the_window_is_quiet() -> None:
    assert quiet_days(TROUBLES) == 365 - 50
    assert quiet_days_alarmed([firing(0, 1, 24, 29 * 24 + 12)], TROUBLES) == 2


def test_the_second_hand_leaves_a_crowd_out_of_the_past_as_the_rules_do() -> None:
    trials = np.full(5 * WEEK, 11.0)
    failures = np.zeros(5 * WEEK)
    trials[2 * WEEK] = 308

    with np.errstate(all="ignore"):  # before there is a past
        failed, tried = past(failures, trials)

    assert failed[4 * WEEK] == 0
    assert tried[4 * WEEK] == 22, (
        "of four weeks the crowd's is left out, and one with the lowest ratio"
    )
