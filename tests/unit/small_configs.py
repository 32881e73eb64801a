"""Configs of tasks so small that a step takes milliseconds."""

from pathlib import Path

from ctaplib.tasks.base import Task, TaskPaths
from ctaplib.tasks.load import read_task_config, task_class

STACK = "{width: 32, layers: 1, hidden: 48, heads: 2, dropout: 0.0}"
RECOGNIZER = (
    f"model.speech.stack={STACK}",
    f"model.phoneme_decoder.stack={STACK}",
    f"model.phoneme_decoder.ctc_stack={STACK}",
)
TERMS = ("convergence", "log_magnitude", "mel", "f0", "voicing", "discriminator", "adversarial", "feature_matching")
SMALL = {
    "align": (
        "network={width: 16, passes: [1, 0.5, 0.5]}",
        "bootstrap={iterations: 3, splits: [2]}",
        "train.max_steps=0",
    ),
    "vqctap": (
        *RECOGNIZER,
        f"model.phoneme.stack={STACK}",
        "model.phoneme.embedding=8",
        "model.prompt={width: 16, output: 8}",
        "model.quantizer={name: normalized, options: {codebook_size: 32, code_dim: 4}}",
        f"model.mel_decoder={{slow: {STACK}, fast: {STACK}}}",
        "draw={warp: 0.1, gain: 0.3, voice: 0.05, random_s: 0.8, prompt_s: [0.5, 1.0]}",
        "min_usage_pct=0.0",
    ),
    "asr": (
        *RECOGNIZER,
        f"model.word_stack={STACK}",
        "draw={random_s: 0.0, warp: 0.1, tempo: 0.1, mask_bands: 5, mask_frames: 5}",
    ),
    "tts": (f"duration.stack={STACK}", f"connector.stack={STACK}"),
    "vc": ("draw={prompt_from: speaker, random_s: 0.8}",),
    "vocoder": (
        "model={channels: 16, blocks: 1, f0: {channels: 16, blocks: 1}}",
        "discriminator={channels: 4}",
        "segment={segment_s: 0.4, blur: 0.2, noise: 0.1}",
        "valid_utts=4",
        "read_f0_from=0.5",
        f"schedule={{{', '.join(f'{t}: {{points: [[0.0, 1.0]]}}' for t in TERMS)}}}",
    ),
}


def small_task(name: str, folder: Path, exp: Path, *words: str, **init: Path) -> Task:
    """A task on the tiny corpus.

    Args:
        name: Which task.
        folder: Folder of the tiny corpus.
        exp: Folder of the run.
        words: Overrides on top of the small sizes.
        init: Runs to start from.
    """
    common = ("batch.batch_s=12", "optim.warmup_steps=2", "train={max_steps: 6, valid_every_steps: 3, save_every_steps: 2}")
    best = {"align": "loss", "tts": "loss", "vc": "mel", "vocoder": "loss"}.get(name, "per_ctc")
    config = read_task_config(name, None, (*common, f"train.best={best}", "train.precision=fp32", *SMALL[name], *words))
    paths = TaskPaths(folder / "data", folder / "dump", exp, "train", "dev", "train_speech", init)
    return task_class(name)(config, paths)
