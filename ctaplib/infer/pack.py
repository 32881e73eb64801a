"""A self-contained model: weights as safetensors, configs as JSON, token lists, and a card; no code, no pickles."""

import json
from pathlib import Path

from safetensors.torch import save_file

from ctaplib.checkpoint import load_checkpoint
from ctaplib.config_file import read_saved
from ctaplib.errors import StageError
from ctaplib.files import atomic_write, make_folder, write_json
from ctaplib.tasks.load import PACKED_CONFIG, PACKED_WEIGHTS

ASSETS = ("tokens.txt", "features.yaml", "bpe.model")


def pack(exp: Path, out: Path, runs: list[str], results: Path | None = None) -> list[str]:
    """Copy what is needed to use the runs of a recipe into one folder.

    Args:
        exp: Folder of the runs.
        out: Folder of the packed model; `CTAP.from_pretrained(out)` loads it.
        runs: Names of the runs; the first must exist, the others are taken where they do.
        results: `results.json`, shown on the card.

    Returns:
        The runs that were packed.

    Raises:
        StageError: the first run is not trained.
    """
    done = [r for r in runs if (exp / r / "checkpoints" / "best.pt").exists()]
    if runs[0] not in done:
        raise StageError(f"{exp / runs[0]} holds no trained model", fix="run stage 5 (pretrain)")
    for run in done:
        folder = out / run
        make_folder(folder)
        weights = load_checkpoint(exp / run / "checkpoints" / "best.pt")["model"]
        partial = folder / ".weights.partial"
        save_file({n: t.contiguous() for n, t in weights.items()}, partial)
        partial.replace(folder / PACKED_WEIGHTS)
        for name in ASSETS:
            if (exp / run / name).exists():
                with atomic_write(folder / name, "wb") as copy:
                    copy.write((exp / run / name).read_bytes())
        write_json(folder / PACKED_CONFIG, read_saved(exp / run / "config.yaml"))
    with atomic_write(out / "README.md") as card:
        card.write(_card(exp, done, results))
    return done


def _card(exp: Path, runs: list[str], results: Path | None) -> str:
    config = read_saved(exp / runs[0] / "config.yaml")
    lines = [
        "# VQ-CTAP model",
        "",
        f"Runs: {', '.join(runs)}. Config {config.get('config_hash')}, commit {config.get('commit')}, seed {config.get('seed')}.",
        "",
        "```python",
        "from ctaplib import CTAP",
        'model = CTAP.from_pretrained("this/folder")',
        'codes = model.encode("speech.wav")              # 25 a second',
        'wave = model.convert("speech.wav", "voice.wav")  # float32 at model.rate_hz',
        "```",
        "",
        "Speech converted or synthesised with this model imitates a voice: ask its owner, and say that it is synthetic.",
        "",
    ]
    if results is not None and results.exists():
        lines += ["| task | metric | set | system | value |", "|---|---|---|---|--:|"]
        for row in json.loads(results.read_text(encoding="utf-8")):
            if row["value"] is not None:
                lines.append(
                    f"| {row['task']} | {row['metric']} | {row['set']} | {row['system']} | {row['value']:.4g} {row['unit']} |"
                )
        lines.append("")
    return "\n".join(lines)
