"""Every store can be verified, repaired and explained as the commands do it."""

from datetime import timedelta

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.tally import Key, merge
from exporter.maintenance.explain import Explanation, Scope
from exporter.maintenance.verify import Verification
from exporter.ports import Store
from tests.stores.oracle import counted
from tests.stores.rows import NOW, batch, hour, some

START, END = hour("2026-11-01"), hour("2026-11-21")


def wrong(store: Store, evaluator: Evaluator, *, repair: bool = False) -> int:
    verification = Verification(store, evaluator, START, END)
    list(verification.check())
    found = len(list(verification.wrong(repair=repair)))
    assert not verification.restless
    return found


def test_what_is_wrong_is_found_and_put_right(store: Store, evaluator: Evaluator) -> None:
    store.add(batch(evaluator, some(300)), NOW)
    before = counted(store)
    assert wrong(store, evaluator) == 0
    changed = hour("2026-11-03T05:00")
    tally = {key: dict(counts) for key, counts in before.items() if key.hour == changed}
    merge(tally, {Key(changed, *TOTAL_ROW): {evaluator.layout.attempts: 3}})
    store.repair([changed], tally)

    assert wrong(store, evaluator) == 1
    assert wrong(store, evaluator, repair=True) == 1
    assert wrong(store, evaluator) == 0
    assert counted(store) == before


def test_what_is_counted_can_be_explained(store: Store, evaluator: Evaluator) -> None:
    store.add(batch(evaluator, some(300)), NOW)
    scope = Scope(
        segmentation="Locale",
        segment="German",
        start=START,
        end=END,
        grace=timedelta(minutes=5),
        watched_ms=0,
    )
    attempts = evaluator.layout.attempts
    explanation = Explanation(evaluator, scope, slots=[attempts], sample=7)

    assert list(explanation.read(store))[-1] == 300

    assert explanation.total == explanation.recomputed
    assert explanation.total[attempts] == 60
    assert sum(arrivals.late for arrivals in explanation.arrivals.values()) == 60
    assert len(explanation.samples[attempts].kept()) == 7
