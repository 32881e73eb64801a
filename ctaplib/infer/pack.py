"""A self-contained model: weights as safetensors, configs as JSON, token lists, and a card; no code, no pickles."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from ctaplib.audio.store import FeatureStore
from ctaplib.checkpoint import load_checkpoint
from ctaplib.config_file import read_saved
from ctaplib.errors import StageError
from ctaplib.files import atomic_write, make_folder, write_json
from ctaplib.infer.batches import Features, encode
from ctaplib.methods.base import SYSTEMS, Method
from ctaplib.tasks.load import PACKED_CONFIG, PACKED_WEIGHTS, is_trained, load_model, load_task


def pack(exp: Path, out: Path, method: Method, results: Path | None = None) -> list[str]:
    """Copy what is needed to use a method's runs and the vocoder into a folder that `CTAP.from_pretrained` loads.

    The pre-trained run must exist, the others are taken where they do. The card shows `results` (`results.json`). Returns the
    runs that were packed.

    Raises:
        StageError: the method is not pre-trained.
    """
    runs = [method.run(stage) for stage in method.tasks] + ["vocoder"]
    trained = [run for run in runs if is_trained(exp / run)]
    if method.run("pretrain") not in trained:
        raise StageError(f"{exp / method.run('pretrain')} holds no trained model", fix="run stage 5 (pretrain)")
    for run in trained:
        _pack_run(exp / run, out / run)
    with atomic_write(out / "README.md") as card:
        card.write(_card(exp, method, trained, results))
    return trained


def _pack_run(run: Path, out: Path) -> None:
    """Write weights, config and the assets of a run's task."""
    make_folder(out)
    weights = load_checkpoint(run / "checkpoints" / "best.pt")["model"]
    partial = out / ".weights.partial"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, partial)
    partial.replace(out / PACKED_WEIGHTS)
    for name, source in load_task(run).assets().items():
        with atomic_write(out / name, "wb") as copy:
            copy.write(source.read_bytes())
    write_json(out / PACKED_CONFIG, read_saved(run / "config.yaml"))


def check_packed(exp: Path, out: Path, method: Method, dump: Path) -> None:
    """Check that a packed model encodes an utterance of the features as the trained one does; if not, raise a `StageError`."""
    scp = next(iter(sorted(dump.glob("*/feats.scp"))), None)
    if scp is None:
        return
    store, f0 = FeatureStore(scp), FeatureStore(scp.with_name("f0.scp"))
    utt = next(iter(store))
    features = Features(torch.tensor(store[utt]), torch.tensor(f0[utt]))
    frames = []
    for folder in (exp, out):
        model = load_model(folder / method.run("pretrain"), method)[0].model
        frames.append(encode(model, features if model.uses_f0 else Features(features.mel)).frames)
    if not torch.equal(*frames):
        raise StageError(
            f"{out} encodes {utt} otherwise than {exp}", expected="the same content", fix="report this: packing is broken"
        )


def _card(exp: Path, method: Method, runs: list[str], results: Path | None) -> str:
    run = exp / method.run("pretrain")
    config, task = read_saved(run / "config.yaml"), load_model(run, method)[0]
    rate = 1 / (task.features.hop_s * task.model.hop)
    call = "frames = model.content" if method.missing("codes") else "codes = model.encode"
    usage = ["from ctaplib import CTAP", 'model = CTAP.from_pretrained("this/folder")']
    usage.append(f'{call}("speech.wav")  # {rate:g} a second')
    if method.missing("content", "voice", "speak") is None:
        usage.append('wave = model.convert("speech.wav", "voice.wav")  # float32 at model.rate_hz')
    lines = [
        f"# {method.title} model",
        "",
        f"Runs: {', '.join(runs)}. Config {config.get('config_hash')}, commit {config.get('commit')}, seed {config.get('seed')}.",
        "",
        "```python",
        *usage,
        "```",
        "",
        "Speech converted or synthesised with this model imitates a voice: ask its owner, and say that it is synthetic.",
        "",
    ]
    if results is not None and results.exists():
        own = {(system.task, method.system(system.task, system.name)) for system in SYSTEMS}
        lines += ["| task | metric | set | system | value |", "|---|---|---|---|--:|"]
        for row in json.loads(results.read_text(encoding="utf-8")):
            if row["value"] is not None and (row["task"], row["system"].removesuffix("_lm")) in own:
                lines.append(
                    f"| {row['task']} | {row['metric']} | {row['set']} | {row['system']} | {row['value']:.4g} {row['unit']} |"
                )
        lines.append("")
    return "\n".join(lines)
