"""Text compressed once, to be sent again and again with something new behind it."""

import struct
import zlib

_LEVEL = 6
_RAW = -zlib.MAX_WBITS
# RFC 1952, section 2.3: magic, deflate, no flags, no time, no extra flags, unknown system
_HEADER = struct.pack("<HBBLBB", 0x8B1F, 8, 0, 0, 0, 255)


class GzipPrefix:
    """Text with its deflated form, which ends at a byte's boundary and can be gone on with."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
        self._deflated = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)
        self._checksum = zlib.crc32(plain)

    def finish_with(self, rest: bytes) -> bytes:
        """Return text and rest as one gzip member: some readers stop after the first."""
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
        size = (len(self.plain) + len(rest)) & 0xFFFFFFFF
        end = struct.pack("<LL", zlib.crc32(rest, self._checksum), size)
        return b"".join((_HEADER, self._deflated, deflate.compress(rest), deflate.flush(), end))
