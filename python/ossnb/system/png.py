"""Pictures in the PNG format: is it one, whole, and how large is it?"""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 8_000_000
MOST_PIXELS = 10_000  # of a side


def png_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and the height of a PNG file in pixels; None for what is no whole PNG file.

    >>> png_size(b"GIF89a") is None
    True

    What is larger than a page can take is none either. Every chunk is looked at with its checksum, and
    nothing follows the last.
    """
    if len(data) > MOST_BYTES or not data.startswith(_SIGNATURE):
        return None
    at, size, has_pixels = len(_SIGNATURE), None, False
    while at + 12 <= len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        end = at + 12 + length
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if end > len(data) or zlib.crc32(data[at + 4 : end - 4]) != checksum:
            return None
        if (kind == b"IHDR") != (at == len(_SIGNATURE)):
            return None
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, at + 8) if length == 13 else (0, 0)
            if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
                return None
            size = int(width), int(height)
        has_pixels |= kind == b"IDAT"
        if kind == b"IEND":
            return size if end == len(data) and has_pixels else None
        at = end
    return None
