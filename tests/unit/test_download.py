"""Fetching corpora, against a server of our own."""

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ctaplib.corpus.download import checksum, fetch_corpus
from ctaplib.corpus.unpack import unpack
from ctaplib.errors import ConfigError, DataError, DependencyError


def archive(names: dict[str, bytes]) -> bytes:
    """Make a tar.gz of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


BODY = archive({"corpus/a.txt": b"hello", "corpus/noise": bytes(range(256)) * 400})


class Server(http.server.ThreadingHTTPServer):
    """Serves one archive; can cut answers short, and remembers what was asked."""

    body = BODY
    cut_after: int | None = None
    parts = True
    kind = ""
    mark = ""
    asked: list[str]
    paths: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the archive, or the rest of it."""

    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        self.server.paths.append(self.path)
        if "absent" in self.path:
            self.send_error(404)
            return
        same = self.headers.get("If-Range", self.server.mark) == self.server.mark
        start = int(wanted[6:-1]) if wanted and self.server.parts and same and not self.server.kind else 0
        if start >= len(self.server.body):
            self.send_error(416)
            return
        rest = self.server.body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.server.body) - 1}/{len(self.server.body)}")
        if self.server.kind:
            self.send_header("Content-Type", self.server.kind)
        if self.server.mark:
            self.send_header("ETag", self.server.mark)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if self.server.cut_after is None else rest[: self.server.cut_after])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server(("127.0.0.1", 0), Handler)
    found.asked, found.paths = [], []
    thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def describe(tmp_path: Path, server: Server, **archive_fields: object) -> Path:
    """Write the description of a corpus whose first mirror is dead."""
    path = tmp_path / "corpus.yaml"
    dead = "http://127.0.0.1:9/nothing"
    document = {
        "name": "Toy", "licence": "CC0", "about": "http://example.org/toy", "unpacks_to": "corpus",
        "mirrors": [dead, f"http://127.0.0.1:{server.server_address[1]}"],
        "archives": [{"name": "toy.tar.gz", **archive_fields}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(document))
    return path


def test_says_licence_and_size_first_takes_the_next_mirror_and_unpacks(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    sum_ = hashlib.sha256(BODY).hexdigest()
    description = describe(tmp_path, server, size_bytes=len(BODY), sha256=sum_)
    assert (fetch_corpus(description, tmp_path / "d") / "a.txt").read_text() == "hello"
    assert "licence: CC0" in capsys.readouterr().out
    fetch_corpus(description, tmp_path / "d")
    assert len(server.asked) == 1  # the second call fetches nothing
    assert "there already" in capsys.readouterr().out


def test_an_interrupted_fetch_goes_on_where_it_stopped(tmp_path: Path, server: Server) -> None:
    description = describe(tmp_path, server, size_bytes=len(BODY))
    server.cut_after = 500
    with pytest.raises(DependencyError, match="goes on where it stopped"):
        fetch_corpus(description, tmp_path / "d")
    assert (tmp_path / "d" / "toy.tar.gz.part").stat().st_size == 500
    server.cut_after = None
    fetch_corpus(description, tmp_path / "d")
    assert server.asked == ["", "bytes=500-"]
    assert (tmp_path / "d" / "toy.tar.gz").read_bytes() == BODY


def test_a_server_without_parts_is_begun_anew(tmp_path: Path, server: Server) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "toy.tar.gz.part").write_bytes(b"x" * 100)
    server.parts = False
    fetch_corpus(describe(tmp_path, server), tmp_path / "d")
    assert (tmp_path / "d" / "toy.tar.gz").read_bytes() == BODY


@pytest.mark.parametrize("fields,message", [({"sha256": "0" * 64}, "checksum"), ({"size_bytes": len(BODY) - 1}, "bytes")])
def test_a_wrong_file_is_refused_and_removed(tmp_path: Path, server: Server, fields: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fetch_corpus(describe(tmp_path, server, **fields), tmp_path / "d")
    assert not list((tmp_path / "d").iterdir())


def test_without_a_published_checksum_the_first_one_is_kept(tmp_path: Path, server: Server) -> None:
    description = describe(tmp_path, server)
    fetch_corpus(description, tmp_path / "d")
    assert (tmp_path / "d" / "toy.tar.gz.sha256").read_text().strip() == hashlib.sha256(BODY).hexdigest()
    for name in (".toy.tar.gz.unpacked", "toy.tar.gz"):
        (tmp_path / "d" / name).unlink()
    server.body = archive({"corpus/a.txt": b"something else"})
    with pytest.raises(DataError, match="checksum"):
        fetch_corpus(description, tmp_path / "d")


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", ""])
def test_a_page_in_place_of_the_archive_is_not_kept(tmp_path: Path, server: Server, kind: str) -> None:
    description = describe(tmp_path, server)
    server.body, server.kind = b"\n<!DOCTYPE html><title>not here</title>", kind
    by_hand = rf"fetch it by hand from http://example.org/toy and put it into {tmp_path / 'd'}"
    with pytest.raises(DataError, match=rf"(?s){by_hand}.*a page .*in place of the file"):
        fetch_corpus(description, tmp_path / "d")
    assert not list((tmp_path / "d").iterdir())  # nothing is kept or pinned that is not the file
    server.body, server.kind = BODY, ""
    assert (fetch_corpus(description, tmp_path / "d") / "a.txt").read_text() == "hello"


def test_a_file_that_was_fetched_by_hand_is_taken(tmp_path: Path, server: Server) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "toy.tar.gz").write_bytes(BODY)
    description = describe(tmp_path, server, size_bytes=len(BODY), md5=checksum(tmp_path / "d" / "toy.tar.gz", "md5"))
    assert (fetch_corpus(description, tmp_path / "d") / "a.txt").read_text() == "hello" and not server.asked


def test_a_page_does_not_spoil_what_was_fetched_before(tmp_path: Path, server: Server) -> None:
    description = describe(tmp_path, server, size_bytes=len(BODY))
    server.cut_after = 700
    with pytest.raises(DependencyError):
        fetch_corpus(description, tmp_path / "d")
    server.cut_after, server.kind, server.body = None, "text/html", b"<html>" * 9
    with pytest.raises(DataError, match="a page"):
        fetch_corpus(description, tmp_path / "d")
    assert (tmp_path / "d" / "toy.tar.gz.part").read_bytes() == BODY[:700]
    server.kind, server.body = "", BODY
    fetch_corpus(description, tmp_path / "d")
    assert server.asked[-1] == "bytes=700-"


def test_a_file_of_another_size_is_refused_before_it_is_fetched(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DataError, match=f"its file has {len(BODY)} bytes, expected 12"):
        fetch_corpus(describe(tmp_path, server, size_bytes=12), tmp_path / "d")
    assert not list((tmp_path / "d").iterdir())


def test_another_mirror_goes_on_with_the_rest_and_a_wrong_one_is_passed_over(tmp_path: Path, server: Server) -> None:
    sum_ = hashlib.sha256(BODY).hexdigest()
    description = describe(tmp_path, server, sha256=sum_)
    other = Server(("127.0.0.1", 0), Handler)
    other.asked, other.paths, other.body = [], [], BODY[::-1]  # the right size, another content
    thread = threading.Thread(target=other.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        fetch_corpus(description, tmp_path / "d", mirrors=[f"http://127.0.0.1:{other.server_address[1]}"])
    finally:
        other.shutdown()
        other.server_close()
        thread.join()
    assert other.asked == [""] and server.asked == [""]
    assert checksum(tmp_path / "d" / "toy.tar.gz") == sum_


def test_a_file_that_changed_at_the_server_is_begun_anew(tmp_path: Path, server: Server) -> None:
    description = describe(tmp_path, server)
    server.cut_after, server.mark = 500, '"one"'
    with pytest.raises(DependencyError):
        fetch_corpus(description, tmp_path / "d")
    server.cut_after, server.mark, server.body = None, '"two"', archive({"corpus/a.txt": b"newer", "corpus/noise": bytes(4000)})
    assert (fetch_corpus(description, tmp_path / "d") / "a.txt").read_text() == "newer"


def test_parts_are_fetched_by_name_and_each_once(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    description = describe(tmp_path, server, part="small", md5=hashlib.md5(BODY).hexdigest(), about_bytes=5_000_000)
    document = yaml.safe_load(description.read_text())
    document["archives"].append({"name": "absent.tar.gz", "part": "large", "about_bytes": 9_000_000})
    description.write_text(yaml.safe_dump(document))
    fetch_corpus(description, tmp_path / "d", only=["small"])
    assert "Toy (small): 5 MB" in capsys.readouterr().out
    with pytest.raises(DependencyError, match=r"absent\.tar\.gz cannot be fetched"):
        fetch_corpus(description, tmp_path / "d")
    assert sum(path.endswith("toy.tar.gz") for path in server.paths) == 1
    with pytest.raises(ConfigError, match="no part tiny; expected small large"):
        fetch_corpus(description, tmp_path / "d", only=["tiny"])


def test_a_small_disk_is_told_before_anything_is_fetched(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DataError, match="MB left; expected about"):
        fetch_corpus(describe(tmp_path, server, size_bytes=10**17), tmp_path / "d")
    assert not server.asked and not list((tmp_path / "d").iterdir())


def zipped(names: dict[str, bytes]) -> bytes:
    """Make a zip archive of files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in names.items():
            file.writestr(name, content)
    return out.getvalue()


NOISE = bytes(range(256)) * 4000
GOOD = {f"corpus/{k}.wav": hashlib.sha256(bytes([k])).digest() * 20000 for k in range(4)}


def cut(body: bytes) -> bytes:
    """Half of an archive."""
    return body[: len(body) // 2]


def spoilt(body: bytes) -> bytes:
    """An archive with wrong bytes in its second half, where the last of its files lies."""
    return body[: len(body) * 4 // 5] + bytes(64) + body[len(body) * 4 // 5 + 64 :]


@pytest.mark.parametrize(
    "body,message",
    [
        (archive({**GOOD, "../evil.txt": b"x"}), "unsafe member"),
        (archive({**GOOD, "/tmp/evil.txt": b"x"}), "unsafe member"),
        (zipped({**GOOD, "../evil.txt": b"x"}), "leads outside"),
        (zipped({**GOOD, "corpus\\..\\..\\evil.txt": b"x"}), "leads outside"),
        (cut(archive({**GOOD, "corpus/noise": NOISE})), r"toy\.tar\.gz cannot be unpacked"),
        (spoilt(archive({**GOOD, "corpus/noise": NOISE})), r"toy\.tar\.gz cannot be unpacked"),
        (spoilt(zipped({**GOOD, "corpus/noise": NOISE})), r"toy\.tar\.gz cannot be unpacked"),
    ],
    ids=["tar outside", "tar absolute", "zip outside", "zip outside backslash", "tar cut", "tar spoilt", "zip spoilt"],
)
def test_of_a_bad_archive_nothing_is_unpacked(tmp_path: Path, server: Server, body: bytes, message: str) -> None:
    """Its good files come first; another part of the corpus, which is there already, stays as it was."""
    server.body, target = body, tmp_path / "d"
    (target / "corpus").mkdir(parents=True)
    (target / "corpus" / "0.wav").write_bytes(b"of another part")
    (target / ".toy.tar.gz.begun").touch()
    with pytest.raises(DataError, match=message):
        fetch_corpus(describe(tmp_path, server), target)
    left = {str(path.relative_to(target)) for path in target.rglob("*")}
    assert left == {"corpus", "corpus/0.wav", "toy.tar.gz", ".toy.tar.gz.begun"}
    assert (target / "corpus" / "0.wav").read_bytes() == b"of another part" and not list(tmp_path.rglob("evil.txt"))


def test_parts_of_a_corpus_are_joined_and_what_clashes_is_told(tmp_path: Path) -> None:
    elsewhere, target = tmp_path / "another disk", tmp_path / "d"
    elsewhere.mkdir()
    (target / "corpus").mkdir(parents=True)
    (target / "corpus" / "dev").symlink_to(elsewhere)
    path = tmp_path / "toy.tar.gz"
    for names in ({"corpus/train/a": b"1", "corpus/list": b"1"}, {"corpus/dev/b": b"2", "corpus/list": b"2"}):
        path.write_bytes(archive(names))
        unpack(path, target)
    assert (target / "corpus/train/a").read_bytes() == b"1" and (elsewhere / "b").read_bytes() == b"2"
    assert (target / "corpus/list").read_bytes() == b"2" and sorted(p.name for p in target.iterdir()) == ["corpus"]
    path.write_bytes(archive({"corpus/new": b"3", "corpus/train": b"3", "corpus/list/x": b"3"}))
    with pytest.raises(DataError, match=r"has files where .* has folders, or the reverse: 2") as error:
        unpack(path, target)
    assert sorted(error.value.faults) == [str(target / "corpus/list"), str(target / "corpus/train")]
    assert not (target / "corpus/new").exists() and sorted(p.name for p in target.iterdir()) == ["corpus"]


def test_what_a_killed_unpacking_left_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "toy.tar.gz"
    path.write_bytes(BODY)
    left = tmp_path / "d" / ".toy.tar.gz.unpacking" / "corpus"
    left.mkdir(parents=True)
    (left / "half").touch()
    unpack(path, tmp_path / "d")
    assert {p.name for p in (tmp_path / "d").rglob("*")} == {"corpus", "a.txt", "noise"}


def test_a_good_mirror_is_not_condemned_for_the_beginning_of_another(tmp_path: Path, server: Server) -> None:
    path = describe(tmp_path, server, sha256=hashlib.sha256(BODY).hexdigest())
    target = tmp_path / "downloads"
    target.mkdir()
    (target / "toy.tar.gz.part").write_bytes(b"x" * 1000)
    (target / "toy.tar.gz.part.from").write_text('{"url": "http')  # cut short, too
    assert (fetch_corpus(path, target) / "a.txt").read_bytes() == b"hello"
    assert server.asked[-1] == "", "the last request is for all of it"


def test_a_corpus_that_was_unpacked_by_hand_is_not_written_over(tmp_path: Path, server: Server) -> None:
    own = tmp_path / "downloads" / "corpus" / "a.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(DataError, match=r"was not unpacked by this command.*move it away"):
        fetch_corpus(describe(tmp_path, server), tmp_path / "downloads")
    assert own.read_text() == "mine" and not server.asked


def test_an_unpacking_that_was_killed_goes_on(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path, target: Path) -> None:
        (target / "corpus").mkdir()
        raise KeyboardInterrupt

    path, target = describe(tmp_path, server), tmp_path / "downloads"
    with monkeypatch.context() as patched:
        patched.setattr("ctaplib.corpus.download.unpack", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch_corpus(path, target)
    assert (fetch_corpus(path, target) / "a.txt").read_bytes() == b"hello"
