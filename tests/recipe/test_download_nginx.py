"""The download stage against nginx: killed and cut off, resumed, wrong sums, other mirrors, and a recipe's own stage -1."""

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import yaml
from recipe_copy import copy_of, make_tree, run

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")
CONFIG = """
daemon on; pid {root}/nginx.pid; error_log {root}/error.log; worker_processes 1; user root;
events {{}}
http {{
  default_type application/octet-stream;
  log_format asked '$status "$http_range" $body_bytes_sent $uri';
  access_log {root}/access.log asked;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4;
  scgi_temp_path {root}/t5;
  server {{
    listen 127.0.0.1:{port};
    root {root}/www;
    location /slow/ {{ limit_rate 400k; }}
    location /page/ {{ default_type text/html; try_files /page.html =404; }}
  }}
}}
"""


class Web:
    """A web server with a folder of its own."""

    def __init__(self, root: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.root, self.url = root, f"http://127.0.0.1:{self.port}"
        (root / "www").mkdir(parents=True)
        (root / "nginx.conf").write_text(CONFIG.format(root=root, port=self.port))
        self.start()

    def call(self, *words: str) -> None:
        subprocess.run([NGINX, "-p", self.root, "-c", self.root / "nginx.conf", *words], check=True, capture_output=True)

    def start(self) -> None:
        self.call()

    def stop(self) -> None:
        self.call("-s", "stop")
        for _ in range(100):
            if not (self.root / "nginx.pid").exists():
                return
            time.sleep(0.05)
        raise AssertionError("nginx does not stop")

    def put(self, path: str, content: bytes) -> None:
        target = self.root / "www" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def asked(self) -> list[str]:
        return (self.root / "access.log").read_text().splitlines()


@pytest.fixture
def web(tmp_path):
    found = Web(tmp_path / "web")
    yield found
    if (found.root / "nginx.pid").exists():
        found.stop()


@pytest.fixture
def body(tmp_path):
    """An archive of 3 MB that does not compress."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "noise").write_bytes(random.Random(1).randbytes(3_000_000))
    with tarfile.open(tmp_path / "toy.tar.gz", "w:gz") as out:
        out.add(tmp_path / "toy", "toy")
    return (tmp_path / "toy.tar.gz").read_bytes()


def describe(tmp_path, body, *mirrors, **fields):
    """A description with the right size and checksum, unless others are given."""
    given = {"name": "toy.tar.gz", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **fields}
    path = tmp_path / "corpus.yaml"
    document = {"name": "Toy", "licence": "CC0", "about": "http://example.org", "unpacks_to": "toy", "mirrors": list(mirrors)}
    path.write_text(yaml.safe_dump({**document, "archives": [given]}))
    return path


def download(description, target):
    command = [sys.executable, "-m", "ctaplib.cli.main", "data", "download", description, target]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(description, target):
    child = download(description, target)
    output, _ = child.communicate()
    return child.returncode, output


def wait_for(path, size):
    for _ in range(400):
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} has not grown to {size} bytes")


def test_interrupted_twice_and_resumed(tmp_path, web, body):
    """Killed once, cut off by the server once; the third call brings the rest only."""
    web.put("slow/toy.tar.gz", body)
    description, part = describe(tmp_path, body, f"{web.url}/slow"), tmp_path / "d" / "toy.tar.gz.part"
    child = download(description, tmp_path / "d")
    wait_for(part, 1)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    first = part.stat().st_size
    child = download(description, tmp_path / "d")
    wait_for(part, first + 1)
    web.stop()
    output, _ = child.communicate()
    second = part.stat().st_size
    assert child.returncode == 1 and "goes on where it stopped" in output, output
    assert 0 < first < second < len(body)
    web.start()
    status, output = finished(description, tmp_path / "d")
    assert status == 0, output
    assert (tmp_path / "d" / "toy" / "noise").read_bytes() == (tmp_path / "toy" / "noise").read_bytes()
    last = web.asked()[-1].split()
    assert last[:2] == ["206", f'"bytes={second}-"'] and int(last[2]) == len(body) - second
    assert not part.exists() and not part.with_name(part.name + ".from").exists()


def test_wrong_checksum_wrong_size_and_a_page_make_room_for_the_next_mirror(tmp_path, web, body):
    web.put("bad/toy.tar.gz", body[:-1] + bytes([body[-1] ^ 1]))
    web.put("short/toy.tar.gz", body[:-100])
    web.put("page.html", b"<!DOCTYPE html><title>Moved</title>")
    web.put("good/toy.tar.gz", body)
    mirrors = ["http://127.0.0.1:9", f"{web.url}/absent", f"{web.url}/bad", f"{web.url}/short", f"{web.url}/page"]
    status, output = finished(describe(tmp_path, body, *mirrors), tmp_path / "d")
    assert status == 1
    for said in (
        "no mirror has the right file",
        "refused",
        "404",
        "has the checksum",
        f"its file has {len(body) - 100} bytes, expected",
        "a page",
    ):
        assert said in output, said
    assert not (tmp_path / "d" / "toy").exists() and not list((tmp_path / "d").glob("toy.tar.gz*"))
    status, output = finished(describe(tmp_path, body, *mirrors, f"{web.url}/good"), tmp_path / "d")
    assert status == 0 and (tmp_path / "d" / "toy" / "noise").exists()


def test_an_archive_that_leads_outside_is_unpacked_nowhere(tmp_path, web):
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as out:
        out.add(__file__, "../evil.py")
    body = (tmp_path / "evil.tar.gz").read_bytes()
    web.put("toy.tar.gz", body)
    status, output = finished(describe(tmp_path, body, web.url), tmp_path / "inner" / "d")
    assert status == 1 and "unsafe member" in output and "do not use this archive" in output
    assert not list(tmp_path.rglob("evil.py"))


@pytest.mark.slow
def test_a_recipe_fetches_its_corpus_and_goes_on(tmp_path, web):
    """`./run.sh --stage -1`: the archives of the parts that db.sh names, then data directories from what they hold."""
    make_tree("libritts", tmp_path / "tree", "--utts", "6")
    parts, archives = ["train-clean-100", "train-clean-360", "dev-clean", "test-clean"], []
    for part in parts:
        with tarfile.open(tmp_path / f"{part}.tar.gz", "w:gz") as out:
            for name in (part, "speakers.tsv"):
                out.add(tmp_path / "tree" / "LibriTTS" / name, f"LibriTTS/{name}")
        body = (tmp_path / f"{part}.tar.gz").read_bytes()
        web.put(f"60/{part}.tar.gz", body)
        archives.append({"name": f"{part}.tar.gz", "part": part, "size_bytes": len(body), "md5": hashlib.md5(body).hexdigest()})
    recipe = copy_of("libritts", tmp_path / "checkout")
    corpus = yaml.safe_load((recipe / "local" / "corpus.yaml").read_text())
    corpus |= {
        "mirrors": [f"{web.url}/gone", f"{web.url}/60"],
        "archives": [*archives, {"name": "other.tar.gz", "part": "other"}],
    }
    (recipe / "local" / "corpus.yaml").write_text(yaml.safe_dump(corpus))
    sets = "--train_set train-clean-460 --check_lists false"
    done = run(recipe, "--stage", "-1", "--stop_stage", "1", "--local_data_opts", sets)
    assert done.returncode == 0, done.stdout
    assert len((recipe / "data" / "train-clean-460" / "utt2spk").read_text().splitlines()) == 24
    assert not (recipe / "downloads" / "other.tar.gz").exists()
