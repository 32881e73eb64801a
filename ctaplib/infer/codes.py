"""What the pre-trained model makes of a set: codes, S, P, Ŝ and global vectors, as archives."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ctaplib.data.dataset import SpeechSet, pad_labels
from ctaplib.data.store import ArkWriter
from ctaplib.files import write_json
from ctaplib.infer.batches import run_batched
from ctaplib.infer.convert import prompt_vectors
from ctaplib.runlog import get_logger
from ctaplib.tasks.speech import SpeechTask

log = get_logger("ctaplib.infer")


def dump_codes(task: SpeechTask, speech: SpeechSet, folder: Path) -> None:
    """Write `{codes,speech,phonemes,quantized,prompts}.scp` and `codes.json`; P only of aligned utterances.

    Args:
        task: A trained `vqctap` task.
        speech: The set; with labels where P is wanted.
        folder: Where to.
    """
    model = task.model
    mels = {u: speech.mel(u) for u in speech.utts}

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[dict[str, np.ndarray]]:
        content = model.content(model.normalize(mel), lengths)
        parts = {"speech": content.speech.float(), "quantized": content.quantized.quantized.float()}
        if all(u in speech.labelled for u in ids):
            phones, _ = pad_labels([speech.labelled[u].phones for u in ids])
            durations, _ = pad_labels([speech.labelled[u].durations for u in ids])
            parts["phonemes"] = model.phoneme_encoder(phones, durations, lengths, mel.shape[1]).float()
        parts["codes"] = content.quantized.codes.int()
        return [{n: p[i, : k // 4].numpy() for n, p in parts.items()} for i, k in enumerate(lengths.tolist())]

    found, _ = run_batched(mels, compute)
    prompts = prompt_vectors(model, mels)
    names = list(next(iter(found.values())))  # type: ignore[call-overload]
    for name in names:
        with ArkWriter(folder / f"{name}.scp") as out:
            for utt in speech.utts:
                out[utt] = found[utt][name]  # type: ignore[index]
    with ArkWriter(folder / "prompts.scp") as out:
        for utt in speech.utts:
            out[utt] = prompts[utt].float().numpy()
    write_json(folder / "codes.json", {"codebook_size": model.quantizer.codebook_size})
    frames = sum(len(found[u]["codes"]) for u in speech.utts)  # type: ignore[index]
    log.info("%s: %d utterances, %d code frames in %s", speech.name, len(speech.utts), frames, folder)
