"""One batch of rows on its way into CouchDB: every answer accounted for, what is new counted."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from itertools import accumulate

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Interaction, Reason, Rejected
from exporter.domain.portions import cut
from exporter.ports import AddResult, StoreError
from exporter.ports import Batch as Rows
from exporter.stores.couchdb.batches import Batch, Batches, Contribution, Expected
from exporter.stores.couchdb.bulk import CHUNK_DOCUMENTS, Answers, by_month, chunks, post
from exporter.stores.couchdb.dedup_cache import DedupCache
from exporter.stores.couchdb.documents import (
    Change,
    Document,
    Entry,
    Version,
    changes,
    encoded,
    encoded_with_revision,
    same_content,
    version,
)
from exporter.stores.couchdb.months import Months
from exporter.stores.couchdb.names import Month, document_id
from exporter.stores.couchdb.rejections import Rejections
from exporter.stores.couchdb.server import TRIES, Database, Found
from exporter.stores.couchdb.transport import NotFound

REMEMBERED, REMEMBERED_BYTES = 8, 256 * 1024  # versions of a row that its document keeps


class BatchWriter:
    """Adds rows, as one batch, and as others what they replace.

    If it raises, the batches `opened` are to be recovered.
    """

    def __init__(
        self,
        *,
        batches: Batches,
        months: Months,
        rejections: Rejections,
        writers: Executor,
        evaluator: Evaluator,
        seen: DedupCache,
        waited_ms: int = 0,
    ) -> None:
        self._batches = batches
        self._months = months
        self._rejections = rejections
        self._writers = writers
        self._evaluator = evaluator
        self._seen = seen
        self._waited_ms = waited_ms
        self.opened: list[Batch] = []
        self._contribution = Contribution()
        self._interactions: Mapping[str, Interaction] = {}
        self._new_ms: list[int] = []
        self._now_ms = 0
        self._collected = False
        self._imported = 0
        self._refused: list[Rejected] = []

    def run(self, rows: Rows, now_ms: int) -> AddResult:
        """Write the rows and count them."""
        self._collected = rows.collected
        is_known = self._seen.knows
        latest = {row.id: row for row in rows.interactions}
        self._interactions = {i: row for i, row in latest.items() if not is_known(i, row.raw)}
        ignored = {r.id: r for r in rows.ignored if r.id not in latest and not is_known(r.id, b"")}
        entries = by_month(
            [
                *(
                    Entry(row.id, document_id(row.id), row.timestamp_ms, row.raw)
                    for row in self._interactions.values()
                ),
                *(
                    Entry(row.id, document_id(row.id), row.timestamp_ms, b"")
                    for row in ignored.values()
                ),
            ]
        )
        if entries:
            self._write(entries, now_ms)
        refused = {row.id for row in self._refused}
        self._rejections.add([*self._refused, *rows.rejected], now_ms, collected=rows.collected)
        self._rejections.forget((self._interactions.keys() | ignored.keys()) - refused)
        if self.opened:
            self._batches.close(self.opened[0], self._contribution)
        self._seen.see((row.id, row.raw) for row in latest.values() if row.id not in refused)
        self._seen.see((id_, b"") for id_ in ignored if id_ not in refused)
        refused &= latest.keys()
        return AddResult(
            imported=self._imported,
            duplicate=len(rows.interactions) - self._imported - len(refused),
            ignored=len(rows.ignored),
            rejected=len(rows.rejected) + len(refused),
            timestamps_ms=self._new_ms,
        )

    def _write(self, entries: Mapping[Month, list[Entry]], now_ms: int) -> None:
        self._months.use(entries.keys())
        ids = {month: [e.document_id for e in of] for month, of in entries.items()}
        self._now_ms = now_ms
        self.opened.append(
            self._batches.open(ids, now_ms, collected=self._collected, waited_ms=self._waited_ms)
        )
        sent = [
            (month, self._writers.submit(self._send, month, chunk))
            for month, of_month in entries.items()
            for chunk in chunks(of_month)
        ]
        try:
            expected = Expected(self._evaluator, list(self._interactions.values()))
            answers = [(month, future.result()) for month, future in sent]
        finally:
            _cancel([future for _, future in sent])
        for month, answer in answers:
            self._take(month, answer)
            for portion in cut(answer.in_conflict, CHUNK_DOCUMENTS):
                self._settle(month, portion)
        self._contribution.expect(expected)

    def _send(self, month: Month, entries: Sequence[Entry]) -> Answers:
        """Write rows as new ones."""
        try:
            return self._send_to(self._months.database(month), entries)
        except NotFound:  # the month was dropped a moment ago
            self._months.forget(month)
            self._months.use([month])
            return self._send_to(self._months.database(month), entries)

    def _send_to(self, database: Database, entries: Sequence[Entry]) -> Answers:
        if not database.is_replicated:
            return post(database, entries, [encoded(entry, self._id) for entry in entries])
        # Of a write that some copies refuse nobody could say whether another took it. So what is
        # there is asked first, and what is written is written for certain.
        known = database.known([entry.document_id for entry in entries])
        fresh = [entry for entry in entries if entry.document_id not in known]
        answers = self._force(database, fresh)
        answers.in_conflict.extend(entry for entry in entries if entry.document_id in known)
        return answers

    def _force(self, database: Database, entries: Sequence[Entry]) -> Answers:
        bodies = [encoded_with_revision(entry, self._id) for entry in entries]
        return post(database, entries, bodies, with_revisions=True)

    # Rows whose id is stored already

    def _settle(self, month: Month, entries: Sequence[Entry]) -> None:
        """Separate duplicates from changed rows, and replace what is stored of these."""
        database = self._months.database(month)
        waiting = list(entries)
        for _ in range(TRIES):
            found = database.fetch([entry.document_id for entry in waiting], Document)
            missing: list[Entry] = []
            changed: list[tuple[Entry, Found[Document]]] = []
            for entry, present in zip(waiting, found, strict=True):
                if present is None:
                    missing.append(entry)
                elif present.document.batch == self._id:
                    self._take_own(self._contribution, month, entry, present.document)
                elif not same_content(present.document, entry):
                    changed.append((entry, present))
            waiting = self._replace(month, database, changed)
            if missing:
                answer = (
                    self._force(database, missing)
                    if database.is_replicated
                    else self._send(month, missing)
                )
                self._take(month, answer)
                waiting += answer.in_conflict
            if not waiting:
                return
        raise StoreError(f"{database.url}: rows are changed by too many exporters at once")

    def _replace(
        self, month: Month, database: Database, changed: Sequence[tuple[Entry, Found[Document]]]
    ) -> list[Entry]:
        """Replace documents, as a batch; return those that another process replaced first.

        What is replaced stays in the document, with all before it that an open batch, or a
        rebuild, has still to be counted by.
        """
        if not changed:
            return []
        revisions = {present.id: present.rev for _, present in changed}
        batch = self._batches.open(
            {month: list(revisions)},
            self._now_ms,
            {month: revisions},
            waited_ms=self._waited_ms,
        )
        self.opened.append(batch)
        answer = self._post_changed(database, batch, changed)
        self._refuse(answer.refused)
        contribution = Contribution()
        replaced = {entry.id: present.document for entry, present in changed}
        for entry in answer.stored:
            change = Change(entry.id, replaced[entry.id], version(entry, batch.id))
            self._take_change(contribution, month, change)
        again = []
        documents = [entry.document_id for entry in answer.in_conflict]
        found = database.fetch(documents, Document) if documents else []
        for entry, present in zip(answer.in_conflict, found, strict=True):
            if present is not None and present.document.batch == batch.id:
                self._take_own(contribution, month, entry, present.document)
            else:
                again.append(entry)
        self._batches.close(batch, contribution)
        return again

    def _post_changed(
        self, database: Database, batch: Batch, changed: Sequence[tuple[Entry, Found[Document]]]
    ) -> Answers:
        uncertain = self._batches.uncertain(present.document.batch for _, present in changed)
        entries = [entry for entry, _ in changed]
        before = []
        for _, present in changed:
            history = present.document.versions()
            if present.document.batch not in uncertain:
                history = _remembered(history) if database.is_replicated else history[-1:]
            before.append(history)
        if not database.is_replicated:
            bodies = [
                encoded(entry, batch.id, rev=present.rev, before=history)
                for (entry, present), history in zip(changed, before, strict=True)
            ]
            return post(database, entries, bodies)
        leaves = database.leaves([(present.id, present.rev) for _, present in changed], Document)
        paths = {leaf.id: leaf.path for leaf in leaves}
        known = [(e, h, b) for (e, h), b in zip(changed, before, strict=True) if h.id in paths]
        bodies = [
            encoded_with_revision(entry, batch.id, path=paths[present.id], before=history)
            for entry, present, history in known
        ]
        answers = post(database, [entry for entry, _, _ in known], bodies, with_revisions=True)
        # A node may not know yet what another has just been asked for.
        answers.in_conflict.extend(entry for entry, present in changed if present.id not in paths)
        return answers

    # What became of the rows

    def _take(self, month: Month, answer: Answers) -> None:
        fresh = [self._interactions[entry.id] for entry in answer.stored if entry.raw]
        self._contribution.take_fresh(month, fresh)
        self._imported += len(fresh)
        self._new_ms += [row.timestamp_ms for row in fresh]
        for entry in answer.stored:
            if not entry.raw:
                change = Change(entry.id, None, version(entry, self._id))
                self._take_change(self._contribution, month, change)
        self._refuse(answer.refused)

    def _take_own(
        self, contribution: Contribution, month: Month, entry: Entry, document: Document
    ) -> None:
        """Count a row whose answer left open who wrote it: this batch did."""
        for change in changes(entry.id, document, document.batch):
            self._take_change(contribution, month, change)

    def _take_change(self, contribution: Contribution, month: Month, change: Change) -> None:
        contribution.take(month, change)
        if not change.after.raw:
            return
        self._imported += 1
        if change.before is None or not change.before.raw:
            self._new_ms.append(change.after.at or 0)

    def _refuse(self, refused: Iterable[tuple[Entry, str]]) -> None:
        for entry, why in refused:
            detail = f"CouchDB does not take it: {why}"
            self._refused.append(Rejected(entry.id, entry.raw, Reason.STORE, detail))

    @property
    def _id(self) -> str:
        return self.opened[0].id


def _remembered(history: Sequence[Version]) -> Sequence[Version]:
    """Return the newest versions: enough to recognise another leaf as one of the past."""
    sizes = accumulate(len(version.raw) for version in reversed(history))
    n = sum(size <= REMEMBERED_BYTES for size in sizes)
    return history[-max(1, min(n, REMEMBERED)) :]


def _cancel(sent: Sequence[Future[Answers]]) -> None:
    """Stop after a failure: send no more, and leave nothing under way."""
    for future in sent:
        future.cancel()
    wait(sent)
