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

from ctaplib.data.download import fetch_corpus
from ctaplib.errors import DataError, DependencyError


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
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the archive, or the rest of it."""

    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.parts else 0
        if start >= len(self.server.body):
            self.send_error(416)
            return
        rest = self.server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if self.server.cut_after is None else rest[: self.server.cut_after])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server(("127.0.0.1", 0), Handler)
    found.asked = []
    thread = threading.Thread(target=found.serve_forever, daemon=True)
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
    for name in (".corpus.complete", "toy.tar.gz"):
        (tmp_path / "d" / name).unlink()
    server.body = archive({"corpus/a.txt": b"something else"})
    with pytest.raises(DataError, match="checksum"):
        fetch_corpus(description, tmp_path / "d")


def test_a_page_in_place_of_the_archive_can_be_repaired(tmp_path: Path, server: Server) -> None:
    description = describe(tmp_path, server)
    server.body = b"<html>not here</html>"
    with pytest.raises(DataError):
        fetch_corpus(description, tmp_path / "d")
    assert not (tmp_path / "d" / "toy.tar.gz.sha256").exists()  # nothing is pinned that could not be unpacked
    (tmp_path / "d" / "toy.tar.gz").unlink()
    server.body = BODY
    assert (fetch_corpus(description, tmp_path / "d") / "a.txt").read_text() == "hello"


def test_an_archive_that_leads_outside_is_refused(tmp_path: Path, server: Server) -> None:
    server.body = archive({"../evil.txt": b"x"})
    with pytest.raises(DataError, match="unsafe member"):
        fetch_corpus(describe(tmp_path, server), tmp_path / "d")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as out:
        out.writestr("../evil.txt", "x")
    server.body = zipped.getvalue()
    with pytest.raises(DataError, match="leads outside"):
        fetch_corpus(describe(tmp_path, server), tmp_path / "e")
    assert not (tmp_path / "evil.txt").exists()


def test_a_broken_archive_is_named(tmp_path: Path, server: Server) -> None:
    server.body = BODY[: len(BODY) // 2]
    with pytest.raises(DataError, match=r"toy\.tar\.gz cannot be unpacked"):
        fetch_corpus(describe(tmp_path, server), tmp_path / "d")
