"""Start-up of commands: CPU time from nothing to the first thing that the command does.

Commands that need no torch are run on a data directory of three utterances, and must not import it. Training commands are run to
where they miss their data, with everything imported, beside `import torch` alone and ESPnet2's `tts_train --help`.

    python tests/bench/bench_startup.py --json startup.json
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh

GOAL_S, GOAL_RATIO = 0.2, 1.3
CTAP = "-m ctaplib.cli.main "
LIGHT = {
    "help": "--help",
    "data validate": "data validate --nj 1 data/train",
    "data subset": "kaldi subset_data_dir --first data/train 1 data/one",
    "kaldi": "kaldi spk2utt_to_utt2spk data/train/spk2utt",
    "stage": "stage --plan plan --dry_run true",
    "text": "text normalize it costs 5 pounds",
    "features": "features --sets none --train_set none",
    "report": "report --results none.json",
}
TRAIN = {name: f"train --task {name} --exp exp --train_set none" for name in ("vqctap", "asr", "tts", "vocoder")}
FORMS = [
    fresh.Form("python"),
    fresh.Form("import torch"),
    fresh.Form("espnet2 tts_train", "espnet", "espnet2"),
    *[fresh.Form(name) for name in LIGHT],
    *[fresh.Form(f"train {name}") for name in TRAIN],
]


def data_directory() -> Path:
    """Three utterances of half a second."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    data = folder / "data/train"
    data.mkdir(parents=True)
    for number in range(3):
        with wave.open(str(folder / f"{number}.wav"), "wb") as out:
            out.setparams((1, 2, 16000, 0, "NONE", ""))
            out.writeframes(bytes(16000))
    utts = [f"a-{n}" for n in range(3)]
    (data / "wav.scp").write_text("".join(f"{u} {folder}/{n}.wav\n" for n, u in enumerate(utts)))
    (data / "text").write_text("".join(f"{u} hello\n" for u in utts))
    (data / "utt2spk").write_text("".join(f"{u} a\n" for u in utts))
    (data / "spk2utt").write_text(f"a {' '.join(utts)}\n")
    (folder / "plan").write_text("")
    return folder


def command_of(form: str) -> list[str]:
    """Arguments of the interpreter."""
    if form.startswith("train "):
        return [*CTAP.split(), *TRAIN[form.removeprefix("train ")].split()]
    if form in LIGHT:
        return [*CTAP.split(), *LIGHT[form].split()]
    return {
        "python": ["-c", "pass"],
        "import torch": ["-c", "import torch"],
        "espnet2 tts_train": ["-m", "espnet2.bin.tts_train", "-h"],
    }[form]


def prepare(form: str, quick: bool) -> Callable[[], object]:
    folder, command = data_directory(), [sys.executable, *command_of(form)]
    environment = {**os.environ, "NLTK_DATA": "/nonexistent"}

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        words = [command[0], *flags, *command[1:]]
        return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    told = run("-X", "importtime").stderr
    modules = {line.rsplit("|", 1)[-1].strip() for line in told.splitlines() if line.startswith("import time:")}
    if "Traceback" in told and form != "espnet2 tts_train":
        raise SystemExit(f"{form}: {told[-2000:]}")

    def work() -> object:
        run()
        return {"torch": "torch" in modules, "modules": len(modules)}

    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    found = []
    cpu = {name: each["cpu_s"] for name, each in figures.items()}
    with_torch = [name for name in LIGHT if figures[name]["torch"]]
    if with_torch:
        raise SystemExit(f"torch is imported by {', '.join(with_torch)}")
    slowest = max(LIGHT, key=lambda name: cpu[name])
    each = ", ".join(f"{name} {cpu[name]:.2f}" for name in LIGHT)
    note = f"CPU s; none imports torch; {each}; Python alone {cpu['python']:.2f}"
    found.append(fresh.row("start-up without torch", cpu[slowest], GOAL_S, of=f"ctap {slowest}", peer="", unit=" s", note=note))
    name = max(TRAIN, key=lambda name: cpu[f"train {name}"])
    note = ", ".join(f"{each} {cpu[f'train {each}']:.2f}" for each in TRAIN) + f" CPU s; import torch {cpu['import torch']:.2f}"
    note += ", which pays for a garbage collector that rests in ours"
    if "espnet2 tts_train" in cpu:
        note += f", espnet2 tts_train {cpu['espnet2 tts_train']:.2f}"
    ratio = cpu[f"train {name}"] / cpu["import torch"]
    return [
        *found,
        fresh.row("start-up of training", ratio, GOAL_RATIO, of=f"ctap train, {name}", peer="import torch", note=note),
    ]


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
