"""Rows and interactions for tests: a test says what matters in it, the rest is plausible."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from uuid import uuid4

from hypothesis import strategies as st

from exporter.config import load
from exporter.domain.classify.classifier import Classification
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.interaction import Ignored, Interaction, Rejected, Row
from exporter.domain.windows import EPOCH
from exporter.ports import Batch
from exporter.stores.sqlite import SqliteStore

AT = datetime(2013, 7, 1, 12, 30, tzinfo=UTC)
ANY_TIME_MS = 1 << 50  # a "newest that is believed" for tests in which time does not matter

BOUNCE = ("screen.rp_info",)
BOUNCE_SIGNED_IN = ("screen.rp_info", "assertion_generated")
RETURNING = ("screen.rp_info", "authenticate.enter_password", "assertion_generated")
FAILED = ("screen.rp_info", "screen.set_password", "user.user_staged")
NEW_USER = ("screen.rp_info", "screen.set_password", "user.user_staged", "user.user_confirmed")
JOURNEYS = (
    BOUNCE,
    BOUNCE_SIGNED_IN,
    RETURNING,
    FAILED,
    (*NEW_USER, "assertion_generated"),
    ("screen.rp_info", "screen.provision_primary_user", "assertion_generated"),
    ("screen.rp_info", "user.reset_password_staged"),
    ("user.reset_password_staged", "user.reset_password_confirmed", "assertion_generated"),
    ("user.email_staged", "user.email_confirmed", "assertion_generated"),
    ("staging_continuation", "assertion_generated"),
    ("screen.rp_info", "screen.pick_email", "screen.error.network"),
    ("window.dom_loading",),
)
SYSTEMS = ("Windows 7", "Windows NT 5.1", "iPad", "Linux", "BeOS", None)
FEWER_SEGMENTS = {
    "EmailType": {
        "in_flow": {"new_user": "Fallback", "password_reset": "Fallback"},
        "field": "email_type",
        "segments": ["IdP", "Fallback"],
    }
}
LANGUAGES = ("en", "de", "pt-BR", "tlh", None)


@cache
def persona() -> Definitions:
    """The definitions that come with the package."""
    return load("data_server: {url: 'http://127.0.0.1/'}", {}).definitions


def ms(when: datetime) -> int:
    """Milliseconds since 1970."""
    return (when - EPOCH) // timedelta(milliseconds=1)


def row(*events: str, id_: str = "", at: datetime = AT, **fields: object) -> Row:
    """One row of a source; without events it is to be ignored. Each has another id."""
    stream = [[name, 100 * n] for n, name in enumerate(events)]
    blob = {"event_stream": stream, "timestamp": ms(at), **fields}
    return Row(id_ or uuid4().hex, json.dumps(blob).encode())


def interaction(*events: str, id_: str = "", at: datetime = AT, **fields: object) -> Interaction:
    """One interaction, read under Persona's definitions; its dialog was shown."""
    one = row(*(events or BOUNCE), id_=id_, at=at, **fields)
    (verdict,) = Evaluator(persona()).read([one], ANY_TIME_MS)
    assert isinstance(verdict, Interaction), verdict
    return verdict


@cache
def fewer_segments() -> Definitions:
    """Persona's, with `FEWER_SEGMENTS` alone: quick to go through whole."""
    file = {"data_server": {"url": "http://127.0.0.1/"}, "segmentations": FEWER_SEGMENTS}
    return load(json.dumps(file), {}).definitions


def batch(rows: Sequence[Row], definitions: Definitions | None = None) -> Batch:
    """Rows, judged; under Persona's definitions unless told otherwise."""
    verdicts: list[Classification] = Evaluator(definitions or persona()).read(rows, ANY_TIME_MS)
    return Batch(
        interactions=[v for v in verdicts if isinstance(v, Interaction)],
        ignored=[v for v in verdicts if isinstance(v, Ignored)],
        rejected=[v for v in verdicts if isinstance(v, Rejected)],
    )


def sqlite_store(
    path: Path, rows: Sequence[Row] = (), definitions: Definitions | None = None
) -> SqliteStore:
    """An embedded store that holds rows, added at once; under Persona's definitions."""
    store = SqliteStore(path)
    store.use_definitions(Evaluator(definitions or persona()))
    if rows:
        store.add(batch(rows, definitions), AT)
    return store


def crowd(seed: int, n: int, start: datetime, end: datetime) -> list[Row]:
    """Rows of many users between two instants, the same for the same seed."""
    random = Random(seed)
    return [
        row(
            *random.choice(JOURNEYS),
            id_=f"{seed}-{number}",
            at=start + random.random() * (end - start),
            new_account=random.random() < 0.5,
            number_sites_signed_in=random.choice((0, 0, 1, 1, 2, 3, 7)),
            lang=random.choice(LANGUAGES),
            user_agent={"os": random.choice(SYSTEMS)},
        )
        for number in range(n)
    ]


def rows_between(start: datetime, end: datetime) -> st.SearchStrategy[Row]:
    """Any row of a user between two instants."""
    return st.builds(
        lambda events, seconds, sites, system, new: row(
            *events,
            at=start + timedelta(seconds=seconds),
            number_sites_signed_in=sites,
            user_agent={"os": system},
            new_account=new,
        ),
        st.sampled_from(JOURNEYS),
        st.integers(0, int((end - start).total_seconds()) - 1),
        st.integers(0, 5),
        st.sampled_from(SYSTEMS),
        st.booleans(),
    )
