"""A fake KPIggybank: simulated people, the right counts of what they did, and the wire.

From a shell: ``python -m fake_server --help``. From a test::

    with FakeKpiggybank(backend="couchdb", faults=["reset*3"]) as bank:
        truth = bank.fill(Crowd(seed=1, per_day=400).plans(since, until))
        ...  # import from bank.url, then compare with truth.days()

A `Crowd` decides what each user does, and makes `Plan`s (`journeys` and `traits` are its tables,
`Incident`s its bad days). `Truth` counts plans; `blob` writes them as JSON; `couchdb` and
`memory` keep that as KPIggybank's backends do, and `wsapi` answers for them. `Arrivals` brings
blobs late, as time goes on. `faults` spoils answers, and `corpus` makes interactions by the
million.

Nothing here imports the exporter: if both shared a line, both could share a misreading.
"""

from fake_server.bank import FakeKpiggybank
from fake_server.crowd import Arrivals, Crowd, Lateness, Plan
from fake_server.incidents import Incident
from fake_server.truth import Truth

__all__ = ["Arrivals", "Crowd", "FakeKpiggybank", "Incident", "Lateness", "Plan", "Truth"]
