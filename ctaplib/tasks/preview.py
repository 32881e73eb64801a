"""Parts of the previews of tasks on speech: reference phones, natural audio, and tensors as panels."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch

from ctaplib.audio.files import read_audio
from ctaplib.data.batch import Batch
from ctaplib.files import read_table
from ctaplib.runs.panels import Panel, Preview, posterior_panel

if TYPE_CHECKING:
    from ctaplib.tasks.speech import SpeechTask


def array(x: torch.Tensor) -> np.ndarray:
    """Convert a tensor to a float32 array."""
    return x.detach().float().cpu().numpy()


def preview_row(
    task: "SpeechTask",
    batch: Batch,
    row: int,
    mels: Mapping[str, torch.Tensor] = MappingProxyType({}),
    panels: Mapping[str, Panel] = MappingProxyType({}),
    f0_hz: torch.Tensor | None = None,
) -> Preview:
    """Make the preview of one utterance: id, length, reference phones, target, natural audio, and what is given.

    Args:
        mels: Predicted log-mel (B, T, n_mels) as stored, by name.
        panels: Further panels by name.
        f0_hz: (B, T) predicted F0, which becomes a panel.
    """
    utt, frames, hop_s = batch.ids[row], int(batch.mel_lengths[row]), task.features.hop_s
    phones: list[tuple[str, float, float]] = []
    if task.labelled:
        tokens, durations = ([task.tokens.tokens[p] for p in batch.phones[row].tolist()], batch.durations[row].tolist())
        ends = (np.cumsum(durations) * hop_s).tolist()
        phones = [(token, end - n * hop_s, end) for token, n, end in zip(tokens, durations, ends) if n > 0]
    shown = {name: array(mel[row, :frames]) for name, mel in {"target": batch.mel, **mels}.items()}
    if f0_hz is not None:
        panels = {**panels, "pitch": pitch(batch.f0_hz[row, :frames], f0_hz[row, :frames], hop_s)}
    path = task.paths.dump / task.paths.valid_set / "wav.scp"
    files = read_table(path) if path.exists() else {}
    waves = {"original": read_audio(files[utt])[0]} if utt in files else {}
    return Preview(utt, frames * hop_s, shown, phones, panels, waves, rebuilt=tuple(mels))


def posteriors(task: "SpeechTask", logits: torch.Tensor, batch: Batch, row: int, per_label: int = 1) -> Panel:
    """Return phone posteriors (T', labels) of one row, `per_label` frames for each content frame, beside the reference."""
    labels = batch.frame_labels[row, : int(batch.mel_lengths[row]) // task.hop]
    chances = array(logits.float().softmax(-1))[: per_label * len(labels)]
    seconds = int(batch.mel_lengths[row]) * task.features.hop_s
    return posterior_panel(chances, task.labels.names, array(labels).astype(int).repeat(per_label), seconds)


def pitch(f0_hz: torch.Tensor, predicted_hz: torch.Tensor, hop_s: float) -> Panel:
    """Draw F0 (T,) of the target and the prediction, in Hz; gaps where unvoiced."""
    times = ((np.arange(len(f0_hz)) + 0.5) * hop_s).tolist()
    lines = {}
    for name, track in (("reference", f0_hz), ("predicted", predicted_hz)):
        hz = array(track)
        lines[name] = (times, np.where(hz > 0, hz, np.nan).tolist())
    return Panel(lines=lines, unit="Hz")


def durations_panel(true: torch.Tensor, predicted: torch.Tensor, hop_s: float) -> Panel:
    """Draw target and predicted durations, (N,) frames each, as the phone over time."""
    lines = {}
    for name, frames in (("reference", true), ("predicted", predicted)):
        ends = np.cumsum(array(frames)) * hop_s
        edges = np.concatenate([[0.0], ends])
        lines[name] = (np.repeat(edges, 2)[1:-1].tolist(), np.repeat(np.arange(len(ends)), 2).astype(float).tolist())
    return Panel(lines=lines, unit="phone")
