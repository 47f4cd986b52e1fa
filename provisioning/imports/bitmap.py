"""A set of row ids that stays small: an import of any size marks what it saw without holding a Python object each."""

from collections.abc import Iterator
from itertools import islice

CHUNK_BITS = 65_536


class Bitmap:
    """A growing set of non-negative integers, a bit each, in chunks so that sparse ids do not cost memory."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}

    def add(self, number: int) -> bool:
        """Add ``number``; return False when it was in the set already."""
        chunk, bit = number // CHUNK_BITS, number % CHUNK_BITS
        bits = self._chunks.get(chunk)
        if bits is None:
            bits = self._chunks[chunk] = bytearray(CHUNK_BITS // 8)
        byte, mask = bit >> 3, 1 << (bit & 7)
        if bits[byte] & mask:
            return False
        bits[byte] |= mask
        return True

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers in order."""
        for chunk in sorted(self._chunks):
            for place, byte in enumerate(self._chunks[chunk]):
                for bit in range(8) if byte else ():
                    if byte & 1 << bit:
                        yield chunk * CHUNK_BITS + place * 8 + bit

    def pages(self, size: int) -> Iterator[list[int]]:
        """Yield the numbers in lists of at most ``size``."""
        numbers = iter(self)
        while page := list(islice(numbers, size)):
            yield page

    def __contains__(self, number: int) -> bool:
        if not self._chunks:
            return False
        chunk, bit = divmod(number, CHUNK_BITS)
        bits = self._chunks.get(chunk)
        return bits is not None and bool(bits[bit >> 3] & 1 << (bit & 7))
