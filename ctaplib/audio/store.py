"""Archives of arrays by utterance: written with kaldiio (ark, scp), read by memory mapping."""

import mmap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from ctaplib.errors import DataError, counted
from ctaplib.files import atomic_write, read_table, write_table

_KINDS: dict[bytes, tuple[np.dtype, int]] = {
    b"FM ": (np.dtype("<f4"), 2),
    b"FV ": (np.dtype("<f4"), 1),
    b"DM ": (np.dtype("<f8"), 2),
    b"DV ": (np.dtype("<f8"), 1),
}
_INT_ITEM = np.dtype([("size", "i1"), ("value", "<i4")])


class ArkWriter:
    """Writer of `<stem>.ark` and `<stem>.scp`; both appear, complete, when the block ends without an error.

    Args:
        scp: Path of the scp file; the archive lies beside it with the suffix `.ark`.
    """

    def __init__(self, scp: str | Path) -> None:
        self.scp = Path(scp)
        self.ark = self.scp.with_suffix(".ark").absolute()
        self._places: dict[str, str] = {}

    def __enter__(self) -> "ArkWriter":
        self._stack = ExitStack()
        self._file = self._stack.enter_context(atomic_write(self.ark, "wb"))
        return self

    def __setitem__(self, utt: str, array: np.ndarray) -> None:
        """Append one array: float32 or float64 of one or two axes, or int32 of one."""
        if utt in self._places:
            raise DataError(f"{self.scp}: {utt} is written twice", fix="keep one entry per utterance")
        import kaldiio  # here: readers start without it

        offset = self._file.tell() + len(utt.encode()) + 1
        kaldiio.save_ark(self._file, {utt: np.ascontiguousarray(array)})
        self._places[utt] = f"{self.ark}:{offset}"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is None:
            write_table(self.scp, self._places)


class FeatureStore(Mapping[str, np.ndarray]):
    """Arrays of an scp file by utterance, as read-only views of the mapped archive (nothing is copied).

    A store may be pickled and used in other processes; every process maps the files itself.

    Args:
        scp: Path of a Kaldi scp file of uncompressed float or int32 archives.

    Raises:
        DataError: The scp is missing or malformed.
    """

    def __init__(self, scp: str | Path) -> None:
        self.path = Path(scp)
        self._places: dict[str, tuple[str, int]] = {}
        faults = []
        for utt, place in read_table(scp).items():
            name, _, offset = place.rpartition(":")
            if not name or not offset.isdigit():
                faults.append(f"{scp}: {utt}: {place!r}, expected ARCHIVE:OFFSET")
                continue
            self._places[utt] = (name, int(offset))
        if faults:
            raise DataError(f"{scp} has {counted(len(faults), 'malformed line')}", faults)
        self._maps: dict[str, mmap.mmap] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_maps": {}}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, utt: object) -> bool:
        return utt in self._places

    def __getitem__(self, utt: str) -> np.ndarray:
        """Return the array of an utterance.

        Raises:
            DataError: The id is unknown, or the archive is missing, truncated or of another kind.
        """
        buffer, at, dtype, shape = self._header(utt)
        count = int(np.prod(shape))
        if at + count * dtype.itemsize > len(buffer):
            raise DataError(f"{self._places[utt][0]} ends inside {utt}", fix="make the archive again")
        array = np.frombuffer(buffer, dtype, count, at).reshape(shape)
        return array["value"] if dtype == _INT_ITEM else array

    def length(self, utt: str) -> int:
        """Return the length of the first axis (frames), from the entry's header alone."""
        return self._header(utt)[3][0]

    def lengths(self) -> dict[str, int]:
        """Return the length of the first axis of every entry, from the headers alone."""
        return {utt: self.length(utt) for utt in self._places}

    def _header(self, utt: str) -> tuple[mmap.mmap, int, np.dtype, tuple[int, ...]]:
        if utt not in self._places:
            raise DataError(f"{self.path} has no {utt}", expected="an utterance of that set", fix="run the stage that makes it")
        name, at = self._places[utt]
        buffer = self._map(name)
        head = buffer[at : at + 15]
        if head[:2] == b"\0B" and head[2:5] in _KINDS:
            dtype, axes = _KINDS[head[2:5]]
            sizes = tuple(int.from_bytes(head[6 + 5 * i : 10 + 5 * i], "little") for i in range(axes))
            return buffer, at + 5 + 5 * axes, dtype, sizes
        if head[:3] == b"\0B\4":
            return buffer, at + 7, _INT_ITEM, (int.from_bytes(head[3:7], "little"),)
        raise DataError(
            f"{name}:{at} ({utt}) is not an uncompressed Kaldi matrix or vector",
            fix="make the archive again without compression",
        )

    def _map(self, name: str) -> mmap.mmap:
        if name not in self._maps:
            try:
                with open(name, "rb") as handle:
                    self._maps[name] = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise DataError(
                    f"{self.path} names {name}, which cannot be read: {error}", fix="make the archive again"
                ) from error
        return self._maps[name]
