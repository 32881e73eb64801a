"""Files are written whole or not at all, and tables tell every fault."""

import errno
from pathlib import Path

import pytest

from ctaplib import files
from ctaplib.errors import CtapError, DataError
from ctaplib.files import atomic_write, make_folder, read_table, read_tsv, write_table, write_tsv


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="stop"), atomic_write(path) as out:
        out.write("new")
        raise ValueError("stop")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with (
        pytest.raises(CtapError, match=r"no space left on the disk while writing .*a\.txt.*free some space"),
        atomic_write(path) as out,
    ):
        out.write("new")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["file", "file/inner", "file/inner/deeper"])
def test_a_folder_that_cannot_be_made_is_told_with_what_stands_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    with pytest.raises(CtapError, match=rf"cannot make the folder .*{name}: .*/file is no folder; to fix it: name another"):
        make_folder(tmp_path / name)
    with pytest.raises(CtapError, match="cannot make the folder"), atomic_write(tmp_path / name / "a.txt"):
        pass
    assert (tmp_path / "file").read_text() == "a"


def test_a_folder_where_nothing_can_be_made_or_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CtapError, match=r"cannot make the folder /proc/nope: .+; to fix it: name another"):
        make_folder("/proc/nope")
    make_folder(tmp_path / "a" / "b")
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)  # as root, everything can be written
    with pytest.raises(CtapError, match=r"nothing can be written in the folder .*b; to fix it: name another"):
        make_folder(tmp_path / "a" / "b")


def test_tables_come_back_as_they_were_in_c_order(tmp_path: Path) -> None:
    table = {"b": "2 x", "a": "1", "B": "", "ä": "z"}
    write_table(tmp_path / "t", table)
    assert read_table(tmp_path / "t") == table
    assert (tmp_path / "t").read_text().split("\n")[:2] == ["B", "a 1"]


def test_repeated_ids_are_all_told(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a 1\nb 2\na 3\nb 4\n")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "t")
    assert [f.split(":")[1] for f in caught.value.faults] == ["3", "4"]


def test_tsv_round_trip_and_malformed_lines(tmp_path: Path) -> None:
    rows = [{"id": "a", "n": "1"}, {"id": "b", "n": ""}]
    write_tsv(tmp_path / "t.tsv", rows, ["id", "n"])
    assert read_tsv(tmp_path / "t.tsv") == rows
    (tmp_path / "bad.tsv").write_text("id\tn\na\nb\t1\t2\n")
    with pytest.raises(DataError, match="2 malformed lines"):
        read_tsv(tmp_path / "bad.tsv")
