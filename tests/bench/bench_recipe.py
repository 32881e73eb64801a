"""From data directories to synthesised speech with tiny models: our stages beside the programs that ESPnet2's tts1 starts.

The data are those of the mini recipe at its size for tests: 118 utterances, of which 50 are trained on and 8 spoken in the
end. Theirs (their shell scripts are in no package, so their programs alone are driven, as tts.sh does, with one job each): the
token list of characters, statistics, one epoch of a Tacotron 2 with layers of 8, inference with Griffin-Lim. Ours is run.sh
itself, with all its checks and records: text, features, aligner, pre-training of four steps, text to codes of four steps; then
the part of stage 11 that speaks, with Griffin-Lim. So ours trains three models where theirs trains one. Making the data is left
out on both sides.

    python tests/bench/bench_recipe.py --json recipe.json
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh

FORMS = [fresh.Form("espnet", "espnet", "espnet2"), fresh.Form("ours")]
GOAL, SPOKEN_SET = 0.35, "test_unseen"
OPTIONS = "--config small.sh --nj 1 --nproc 1 --ngpu 0"
SPEAK = (
    "from pathlib import Path as P; from ctaplib.infer.decode_sets import DecodeConfig, Decoder; "
    "from ctaplib.methods.base import find_method, systems; Decoder(P('exp_tiny'), P('data_tiny'), P('dump_tiny'), "
    "P('lists/tiny'), DecodeConfig(), find_method('vqctap')).decode('test_unseen', systems('tts')[:1])"
)
OURS = {
    "text": f"./run.sh {OPTIONS} --stage 2 --stop_stage 2",
    "features": f"./run.sh {OPTIONS} --stage 3 --stop_stage 3",
    "align": f"./run.sh {OPTIONS} --stage 4 --stop_stage 4",
    "pretrain": f"./run.sh {OPTIONS} --stage 5 --stop_stage 5",
    "tts": f"./run.sh {OPTIONS} --stage 8 --stop_stage 8",
    "speak": f'python -c "{SPEAK}"',
}
TRAIN_YAML = """
tts: tacotron2
tts_conf: {embed_dim: 8, elayers: 1, eunits: 8, econv_layers: 1, econv_chans: 8, econv_filts: 5, adim: 8, aconv_chans: 4,
  aconv_filts: 5, dlayers: 1, dunits: 8, prenet_layers: 1, prenet_units: 8, postnet_layers: 1, postnet_chans: 8, postnet_filts: 5,
  reduction_factor: 5}
feats_extract: fbank
feats_extract_conf: {fs: 24000, fmin: 0, fmax: 12000, n_mels: 80, hop_length: 240, win_length: 960, n_fft: 1024}
max_epoch: 1
batch_type: sorted
batch_size: 12
num_workers: 0
"""
TEXT = "--token_type char --non_linguistic_symbols none --cleaner none --g2p none"
DATA = " ".join(
    f"--{name}_data_path_and_name_and_type data/{part}/{kind}"
    for name, part in {"train": "train", "valid": "dev"}.items()
    for kind in ("text,text,text", "wav.scp,speech,sound")
)
MODEL = f"--config train.yaml --ngpu 0 --use_preprocessor true --token_list tokens.txt {TEXT} {DATA}"
SHAPES = " ".join(f"--{a}_shape_file stats/{a}/{kind}_shape" for a in ("train", "valid") for kind in ("text", "speech"))
THEIRS = {
    "tokenize_text": f"tokenize_text {TEXT} --field 2- --input data/train/text --output tokens.txt --write_vocabulary true "
    "--add_symbol <blank>:0 --add_symbol <unk>:1 --add_symbol <sos/eos>:-1",
    "collect_stats": "tts_train --collect_stats true --normalize none --pitch_normalize none --energy_normalize none "
    f"--output_dir stats/1 --train_shape_file data/train/wav.scp --valid_shape_file data/dev/wav.scp {MODEL}",
    "aggregate_stats": "aggregate_stats_dirs --input_dir stats/1 --output_dir stats",
    "train": "tts_train --output_dir exp --normalize global_mvn --normalize_conf stats_file=stats/train/feats_stats.npz "
    f"{MODEL} {SHAPES}",
    "inference": "tts_inference --ngpu 0 --data_path_and_name_and_type spoken,text,text --key_file spoken --vocoder_file none "
    "--train_config exp/config.yaml --model_file exp/train.loss.ave.pth --output_dir out",
}
QUICK = {"ours": ["text"], "espnet": ["tokenize_text"]}


def recipe() -> Path:
    """A copy of the mini recipe of this checkout, with its data."""
    checkout = hashlib.sha256(str(fresh.ROOT).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"ctaplib_bench_recipe_{checkout}" / "egs" / "mini"


def flat(key: str, value: object) -> list[str]:
    """`a.b=c` words of a nested value, without blanks."""
    if isinstance(value, dict) and value:
        return [word for name, each in value.items() for word in flat(f"{key}.{name}", each)]
    return [f"{key}={json.dumps(value, separators=(',', ':'))}".replace('"', "")]


def make() -> None:
    """Copy the recipe, have it make its data, and make its models tiny as the tests do."""
    import yaml

    sys.path.insert(0, str(fresh.ROOT / "tests" / "unit"))
    from small_configs import SMALL

    folder = recipe()
    shutil.rmtree(folder.parents[1], ignore_errors=True)
    folder.mkdir(parents=True)
    for source in (fresh.ROOT / "egs/mini" / name for name in ("run.sh", "cmd.sh", "path.sh", "db.sh", "conf", "local", "lists")):
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / source.name)
    for name in ("utils", "conf", "tests"):
        (folder.parents[1] / name).symlink_to(fresh.ROOT / name)
    options = (fresh.ROOT / "tests/recipe/tiny.sh").read_text(encoding="utf-8")
    for task, name in {"align": "align", "vqctap": "pretrain", "tts": "tts"}.items():
        pairs = [word.partition("=")[::2] for word in SMALL[task]]
        words = [word for key, value in pairs if key != "draw" for word in flat(key, yaml.safe_load(value))]
        options += f'{name}_args+=" {" ".join(words)}"\n'
    (folder / "small.sh").write_text(options, encoding="utf-8")
    run(f"./run.sh {OPTIONS} --stage 1 --stop_stage 1", folder)


def run(command: str, folder: Path) -> float:
    """Run a command and give its CPU seconds; it must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    before = fresh.cpu_s()
    done = subprocess.run(["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[:200]}: {(done.stdout + done.stderr)[-3000:]}")
    return fresh.cpu_s() - before


def ours(quick: bool) -> dict[str, float]:
    """Run our stages anew and give the CPU seconds of each."""
    folder = recipe()
    for name in ("exp_tiny", "dump_tiny"):
        shutil.rmtree(folder / name, ignore_errors=True)
    found = {name: run(command, folder) for name, command in OURS.items() if not quick or name in QUICK["ours"]}
    return found | {"waves": len(list((folder / "exp_tiny/decode").rglob("*.wav")))}


def espnet(quick: bool) -> dict[str, float]:
    """Run their programs in an empty folder and give the CPU seconds of each."""
    data = recipe() / "data_tiny"
    listed = (recipe() / "lists/tiny/tts.tsv").read_text(encoding="utf-8").splitlines()[1:]
    wanted = {line.split("\t")[2] for line in listed}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").symlink_to(data)
        (folder / "train.yaml").write_text(TRAIN_YAML, encoding="utf-8")
        lines = (data / SPOKEN_SET / "text").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "spoken").write_text("".join(line for line in lines if line.split()[0] in wanted), encoding="utf-8")
        found = {}
        for part, words in THEIRS.items():
            if not quick or part in QUICK["espnet"]:
                words = words.replace("<", "'<").replace(">:", ">':")
                found[part] = run(f"{sys.executable} -m espnet2.bin.{words}", folder)
        return found | {"waves": len(list((folder / "out").rglob("*.wav")))}


def prepare(form: str, quick: bool) -> Callable[[], object]:
    return lambda: ours(quick) if form == "ours" else espnet(quick)


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    part, peer = "from data to speech, tiny models", "programs of ESPnet2's tts1"
    if quick:
        return [fresh.row(part, None, GOAL, of="ours", peer=peer, note="the first program of each side alone")]
    if not figures["ours"]["waves"] or len({found["waves"] for found in figures.values()}) > 1:
        raise SystemExit(f"other numbers of files were spoken: { {name: found['waves'] for name, found in figures.items()} }")
    told = [
        f"{name} {figures[name]['cpu_s']:.1f} CPU s: " + ", ".join(f"{each} {figures[name][each]:.1f}" for each in parts)
        for name, parts in {"ours": OURS, "espnet": THEIRS}.items()
        if name in figures
    ]
    note = "; ".join(told) if "espnet" in figures else f"ESPnet is not installed; {told[0]}"
    ratio = figures["ours"]["cpu_s"] / figures["espnet"]["cpu_s"] if "espnet" in figures else None
    return [fresh.row(part, ratio, GOAL, of="ours", peer=peer, note=note)]


if __name__ == "__main__":
    if "--form" not in sys.argv:
        make()
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
