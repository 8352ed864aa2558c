"""Every store can be verified, repaired and explained as the commands do it."""

from datetime import timedelta

from exporter.domain.counting import Counting
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.tally import Key, merge
from exporter.explanation import Explanation, Scope
from exporter.ports import Store
from exporter.verification import Verification
from tests.stores.oracle import counted
from tests.stores.rows import NOW, batch, hour, some

START, END = hour("2026-11-01"), hour("2026-11-21")


def wrong(store: Store, counting: Counting, *, repair: bool = False) -> int:
    verification = Verification(store, counting, START, END)
    list(verification.look())
    found = len(list(verification.wrong(repair=repair)))
    assert not verification.restless
    return found


def test_what_is_wrong_is_found_and_put_right(store: Store, counting: Counting) -> None:
    store.add(batch(counting, some(300)), NOW)
    before = counted(store)
    assert wrong(store, counting) == 0
    changed = hour("2026-11-03T05:00")
    tally = {key: dict(counts) for key, counts in before.items() if key.hour == changed}
    merge(tally, {Key(changed, *TOTAL_ROW): {counting.layout.attempts: 3}})
    store.repair([changed], tally)

    assert wrong(store, counting) == 1
    assert wrong(store, counting, repair=True) == 1
    assert wrong(store, counting) == 0
    assert counted(store) == before


def test_what_is_counted_can_be_explained(store: Store, counting: Counting) -> None:
    store.add(batch(counting, some(300)), NOW)
    scope = Scope(
        segmentation="Locale",
        segment="German",
        start=START,
        end=END,
        grace=timedelta(minutes=5),
        watched_ms=0,
    )
    attempts = counting.layout.attempts
    explanation = Explanation(counting, scope, slots=[attempts], sample=7)

    assert list(explanation.look(store))[-1] == 300

    assert explanation.total == explanation.recounted
    assert explanation.total[attempts] == 60
    assert sum(arrivals.late for arrivals in explanation.arrivals.values()) == 60
    assert len(explanation.samples[attempts].kept()) == 7
