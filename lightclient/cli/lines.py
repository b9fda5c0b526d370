"""The lines of a file or of stdin."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from lightclient.errors import InputError


class RowError(InputError):
    """A row cannot be read, or not be written in the format of the output.

    `what`: what is wrong with it. `mend`: what to do about it; `option`: what helps as well.
    """

    what: str
    mend: str
    option: str

    def __init__(self, what: str, *, mend: str = "", option: str = "") -> None:
        told = what + (f"; {mend}" if mend else "") + (f": give {option}" if option else "")
        super().__init__(told, what=what, mend=mend or "mend the row", option=option)


class Lines:
    """The lines of a UTF-8 stream, with their ends; a BOM before the first is dropped.

    `name`: of the file. `first`: the first line.

    Raises:
        InputError: a line is not UTF-8, or cannot be read; the message names it.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name, self.first = name, ""
        self._stream = stream
        self._size = self._bytes = 0
        with suppress(OSError):  # it has no file below it
            self._size = os.fstat(stream.fileno()).st_size

    def share(self) -> float:
        """The share of a regular file that has been read, from 0 to 1; 0 of anything else."""
        return self._bytes / self._size if self._size else 0

    def __iter__(self) -> Iterator[str]:
        number = 0
        try:
            for number, line in enumerate(self._stream, 1):
                self._bytes += len(line)
                decoded = line.decode("utf-8-sig" if number == 1 else "utf-8")
                self.first = self.first or decoded
                if decoded:  # a BOM alone is no line
                    yield decoded
        except UnicodeDecodeError as error:
            raise _no_utf8(self.name, number, error.object) from error
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror}") from error


def _no_utf8(name: str, number: int, line: bytes) -> RowError:
    if number == 1 and line.startswith(b"\x1f\x8b"):
        return RowError(f"{name} is compressed", mend="unpack it first, as with `gunzip`")
    is_utf16 = number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff"))
    return RowError(
        f"{name}: line {number} is not UTF-8",
        mend="convert the file first, as with "
        f"`iconv -f {'utf-16' if is_utf16 else 'latin1'} -t utf-8`",
    )
