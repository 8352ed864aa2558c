"""Raw interactions, compressed one by one with a dictionary trained on the first of them."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import zstandard

LEVEL = 3
DICTIONARY_BYTES = 64 * 1024
FEWEST_SAMPLES, MOST_SAMPLES = 1_000, 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Compressed blobs, one after the other, and how many bytes each has."""

    joined: bytes
    lengths: Sequence[int]


class Compression:
    """The store's way to compress, and to read whatever it compressed before.

    Frames name their dictionary, so blobs from before there was one stay readable.
    """

    def __init__(self, dictionary: bytes | None) -> None:
        self.trained = dictionary is not None
        newest = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
        if newest is not None:
            newest.precompute_compress(level=LEVEL)
        self._dictionary = newest

    def compress(self, raw: bytes) -> bytes:
        """Compress one, which may be empty."""
        return self._compressor().compress(raw)

    def compress_all(self, raws: Sequence[bytes]) -> Frames:
        """Compress many, none empty: other threads run meanwhile, not only between two of them."""
        if not raws:
            return Frames(joined=b"", lengths=())
        made = self._compressor().multi_compress_to_buffer(list(raws), threads=1)
        frames = [made[n].tobytes() for n in range(len(made))]
        return Frames(joined=b"".join(frames), lengths=list(map(len, frames)))

    def _compressor(self) -> zstandard.ZstdCompressor:
        """Return one that no other thread has: a dictionary may be shared, this may not."""
        return zstandard.ZstdCompressor(level=LEVEL, dict_data=self._dictionary)


def newest_dictionary(db: sqlite3.Connection) -> bytes | None:
    """Read the dictionary to compress with."""
    row = db.execute("select content from dictionaries order by id desc limit 1").fetchone()
    return None if row is None else bytes(row[0])


def keep_dictionary(db: sqlite3.Connection, content: bytes) -> None:
    """Keep a dictionary for as long as blobs may need it."""
    db.execute("insert into dictionaries (content) values (?)", (content,))


class DamagedBodyError(Exception):
    """A body that is held cannot be decompressed."""


def train(samples: Sequence[bytes]) -> bytes | None:
    """Train a dictionary; None if the samples are too few or too alike to learn from."""
    if len(samples) < FEWEST_SAMPLES:
        return None
    try:
        return zstandard.train_dictionary(DICTIONARY_BYTES, list(samples[:MOST_SAMPLES])).as_bytes()
    except zstandard.ZstdError:
        return None


def decompressor(db: sqlite3.Connection) -> Callable[[bytes], bytes]:
    """Return a function that decompresses, for one thread. It raises `DamagedBodyError`."""
    plain = zstandard.ZstdDecompressor()
    by_id = {}
    for (content,) in db.execute("select content from dictionaries"):
        trained = zstandard.ZstdCompressionDict(content)
        by_id[trained.dict_id()] = zstandard.ZstdDecompressor(dict_data=trained)

    def decompress(body: bytes) -> bytes:
        try:
            used = zstandard.get_frame_parameters(body).dict_id
            return by_id.get(used, plain).decompress(body)
        except zstandard.ZstdError as error:
            raise DamagedBodyError(str(error)) from error

    return decompress
