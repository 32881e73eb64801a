"""What the tests of both AISHELL recipes share: trees, data preparation in this process, whole runs, a server of archives."""

import contextlib
import functools
import hashlib
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from ctaplib.audio.settings import FeatureConfig
from ctaplib.config import load_config
from ctaplib.infer.decode_sets import DecodeConfig
from ctaplib.report.paper_rows import read_paper_rows, read_recipe_rows
from ctaplib.tasks.load import read_task_config
from ctaplib.text.frontends import TextConfig

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2dur", "spk2gender")
TASKS = {"pretrain": "vqctap", "asr_finetuned": "asr", "asr_supervised": "asr", "judge": "asr", "tts": "tts", "vc": "vc"}
TASKS["vocoder"] = "vocoder"

_train = "train.max_steps=4 train.valid_every_steps=2 train.save_every_steps=2 batch.batch_s=8.0"
TINY = {
    "datadir": "data_tiny",
    "dumpdir": "dump_tiny",
    "expdir": "exp_tiny",
    "pretrain_args": f"{_train} alarm_after=2.0",
    "asr_finetuned_args": _train,
    "asr_supervised_args": _train,
    "judge_args": _train,
    "tts_args": _train,
    "vc_args": _train,
    "vocoder_args": _train,
    "text_args": "max_dropped_pct=50",
    "align_args": "min_score=-100 bootstrap.iterations=4 bootstrap.splits=[2] network.passes=[1]",
    "decode_args": "resynthesis_utts=2",
}
"""So small that all stages run in a test (over conf/laptop.sh)."""


def make_tree(corpus, dest, *options):
    """Make a generated tree of a corpus in a new folder."""
    command = [sys.executable, ROOT / "tests/trees/make_tree.py", corpus, dest, *map(str, options)]
    subprocess.run(command, check=True, capture_output=True)
    return dest


def load_local(recipe, name="data"):
    """The module `egs/<recipe>/local/<name>.py`; what it imports from beside itself is not left for another recipe to find."""
    path = ROOT / "egs" / recipe / "local" / f"{name}.py"
    for beside in path.parent.glob("*.py"):
        sys.modules.pop(beside.stem, None)
    spec = importlib.util.spec_from_file_location(f"{recipe}_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    for beside in path.parent.glob("*.py"):
        sys.modules.pop(beside.stem, None)
    return module


def prepare(recipe, corpus, data, *options, **env):
    """Run `local/data.sh` as the driver does."""
    command = [ROOT / "egs" / recipe / "local/data.sh", "--corpus_dir", corpus, "--data", data, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**env))


def environment(**more):
    """The environment of this process, in which `ctap` and this interpreter are found first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **more}


def snapshot(folder):
    """Every file and folder with its time, and the content of every file."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def tables(data, sets=("train", "dev", "test")):
    """The content of all tables of all sets."""
    return {(name, file.name): file.read_text() for name in sets for file in sorted((data / name).iterdir())}


def check_configs(recipe):
    """Load every config of every size; word pieces of recognisers are those of the text stage."""
    folder = ROOT / "egs" / recipe / "conf"
    pieces = load_config(TextConfig, folder / "text.yaml").spm_pieces
    read_task_config("align", folder / "align.yaml", [])
    for name, cls in {"decode": DecodeConfig, "features": FeatureConfig}.items():
        load_config(cls, folder / f"{name}.yaml")
    for size in ("", "laptop", "gpu8"):
        for name, task in TASKS.items():
            config = read_task_config(task, folder / size / f"{name}.yaml", [])
            assert getattr(config, "words", pieces) in (0, pieces), (size, name)
        if size:
            named = (folder / f"{size}.sh").read_text()
            assert all(f"{name}_config=conf/{size}/{name}.yaml" in named for name in TASKS)


def copy_of(recipe, base):
    """A checkout with one recipe alone."""
    (base / "egs" / recipe).mkdir(parents=True)
    for source in (ROOT / "egs" / recipe).iterdir():
        if source.name in ("run.sh", "cmd.sh", "path.sh", "db.sh", "conf", "local", "lists"):
            (shutil.copytree if source.is_dir() else shutil.copy)(source, base / "egs" / recipe / source.name)
    for name in ("utils", "conf"):
        (base / name).symlink_to(ROOT / name)
    return base / "egs" / recipe


def run_tiny(recipe_dir, corpus, local_data_opts, characters):
    """Run the recipe, very small, on the CPU; give status and output.

    Args:
        recipe_dir: a copy of the recipe.
        corpus: its corpus.
        local_data_opts: options of local/data.sh.
        characters: different characters in the training text: word pieces are little more.
    """
    values = {**TINY, "local_data_opts": local_data_opts}
    values["text_args"] += f" spm_pieces={characters + 8}"
    for name in ("asr_finetuned_args", "asr_supervised_args", "judge_args"):
        values[name] += f" words={characters + 8}"
    (recipe_dir / "tiny.sh").write_text("".join(f'{name}="{value}"\n' for name, value in values.items()))
    command = ["./run.sh", "--config", "conf/laptop.sh", "--config", "tiny.sh", "--corpus_dir", str(corpus), "--nj", "2"]
    command += ["--listdir", "data_tiny/lists"]
    done = subprocess.run(command, cwd=recipe_dir, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def check_whole_run(recipe_dir):
    """Every stage is done; every row has a value or the reason why not; pages and pack are there."""
    for stage in range(1, 15):
        stamp = next(recipe_dir.glob(f"*_tiny/.stamps/{stage:02d}_*.json"))
        assert json.loads(stamp.read_text())["state"] == "done", stamp.name
    for name in ("report/index.html", "RESULTS.md", "pack"):
        assert (recipe_dir / "exp_tiny" / name).exists(), name
    rows = json.loads((recipe_dir / "exp_tiny/results.json").read_text())
    assert all(row["value"] is not None or row["why"] for row in rows)
    return rows


@contextlib.contextmanager
def served(folder):
    """A web server of a folder, on this machine alone; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def describe(recipe_dir, name, address, archives, unpacks_to):
    """Let a copy of a recipe fetch these archives from a server, whose first mirror has none."""
    listed = "".join(f"  - {{name: {path.name}, size_bytes: {path.stat().st_size}}}\n" for path in archives)
    (recipe_dir / "local/corpus.yaml").write_text(
        f"name: {name}\nlicence: Apache License 2.0\nabout: http://localhost\nmirrors: [{address}/gone, {address}]\n"
        f"archives:\n{listed}unpacks_to: {unpacks_to}\n"
    )


def check_published_rows(recipe):
    """The recipe's published numbers stand in its RESULTS.md before the shared ones, each with the reason why not."""
    folder = ROOT / "egs" / recipe
    own, everything = read_paper_rows(folder / "conf/paper_rows.yaml"), read_recipe_rows(folder)
    shared = read_paper_rows()
    assert everything.rows == own.rows + shared.rows and everything.missing == own.missing + shared.missing
    text = (folder / "RESULTS.md").read_text()
    for row in everything.rows:
        assert any(row.system in line and row.source in line and row.why_not in line for line in text.splitlines()), row
    assert all(line in text for line in own.missing)


def characters_of(lines):
    """Number of different Chinese characters."""
    return len({c for line in lines for c in line if "\u3400" <= c <= "\u9fff"})
