"""Raw interactions, compressed one by one with a dictionary trained on the first of them."""

from collections.abc import Sequence

import zstandard

LEVEL = 3
DICTIONARY_BYTES = 64 * 1024
SAMPLES = 1000  # fewer make no useful dictionary


class Compressor:
    """Compresses blobs, with the newest of the dictionaries (zstd's own form), if any.

    Not for several threads at once.
    """

    def __init__(self, dictionary: bytes | None) -> None:
        trained = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        if trained is not None:
            trained.precompute_compress(level=LEVEL)
        self.trained = trained is not None
        self.compress = zstandard.ZstdCompressor(
            level=LEVEL, dict_data=trained, write_checksum=False
        ).compress


class Decompressor:
    """Decompresses what any of the dictionaries was used for. Not for several threads at once."""

    def __init__(self, dictionaries: Sequence[bytes]) -> None:
        self._plain = zstandard.ZstdDecompressor()
        self._by_id = {}
        for content in dictionaries:
            trained = zstandard.ZstdCompressionDict(content)
            self._by_id[trained.dict_id()] = zstandard.ZstdDecompressor(dict_data=trained)

    def decompress(self, body: bytes) -> bytes:
        """Give a blob back. Raises `ValueError` if it is damaged."""
        try:
            used = zstandard.get_frame_parameters(body).dict_id
            return self._by_id.get(used, self._plain).decompress(body)
        except zstandard.ZstdError as problem:
            raise ValueError(str(problem)) from problem


def train(samples: Sequence[bytes]) -> bytes | None:
    """Train a dictionary on blobs; None if they are too few or too alike to train on."""
    if len(samples) < SAMPLES:
        return None
    try:
        return zstandard.train_dictionary(DICTIONARY_BYTES, list(samples)).as_bytes()
    except zstandard.ZstdError:
        return None
