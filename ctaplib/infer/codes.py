"""What the pre-trained model makes of a set: codes, S, P, Ŝ and global vectors, as archives."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ctaplib.audio.store import ArkWriter
from ctaplib.cluster.jobs import map_jobs
from ctaplib.data.batch import pad_labels
from ctaplib.data.dataset import SpeechSet
from ctaplib.files import write_json
from ctaplib.infer.batches import run_batched
from ctaplib.infer.prompts import read_prompts
from ctaplib.models.vqctap import VQCTAP
from ctaplib.runs.log import get_logger
from ctaplib.tasks.load import load_task
from ctaplib.tasks.speech import SpeechTask

log = get_logger("ctaplib.infer")


def dump_sets(exp: Path, data: Path, dump: Path, sets: Sequence[str], nj: int) -> None:
    """`dump_codes` of every set into `exp/codes/<set>`, each a job of one thread; P where there are alignments."""
    work = partial(_dump_set, exp, data, dump)
    for _ in map_jobs(work, sets, nj, what="codes", setup=(torch.set_num_threads, (1,))):
        pass


def _dump_set(exp: Path, data: Path, dump: Path, name: str) -> None:
    task: SpeechTask[VQCTAP] = load_task(exp, VQCTAP)
    labelled = task.tokens if (data / name / "phones.ctm").exists() else None
    dump_codes(task, SpeechSet(data, dump, name, labelled, hop=task.hop), exp / "codes" / name)


def dump_codes(task: SpeechTask[VQCTAP], speech: SpeechSet, folder: Path) -> None:
    """Write `{codes,speech,phonemes,quantized,prompts}.scp` and `codes.json`; P only of aligned utterances.

    Args:
        task: A trained `vqctap` task.
        speech: The set; with labels where P is wanted.
        folder: Where to.
    """
    model = task.model
    mels = {u: speech.mel(u) for u in speech.utts}

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[dict[str, np.ndarray]]:
        content = model.content(mel, lengths)
        parts = {"speech": content.speech.float(), "quantized": content.quantized.quantized.float()}
        parts["codes"] = content.quantized.codes.int()
        rows = [{n: p[i, : k // 4].numpy() for n, p in parts.items()} for i, k in enumerate(lengths.tolist())]
        known = [i for i, u in enumerate(ids) if u in speech.labelled]
        if known:
            phones, _ = pad_labels([speech.labelled[ids[i]].phones for i in known])
            durations, _ = pad_labels([speech.labelled[ids[i]].durations for i in known])
            phonemes = model.phoneme_encoder(phones, durations, lengths[known], mel.shape[1]).float()
            for i, row in zip(known, phonemes):
                rows[i]["phonemes"] = row[: int(lengths[i]) // 4].numpy()
        return rows

    found, _ = run_batched(mels, compute)
    prompts = read_prompts(model, mels)
    for name in sorted({n for row in found.values() for n in row}):
        with ArkWriter(folder / f"{name}.scp") as out:
            for utt in speech.utts:
                if name in found[utt]:
                    out[utt] = found[utt][name]
    with ArkWriter(folder / "prompts.scp") as out:
        for utt in speech.utts:
            out[utt] = prompts[utt].vector.float().numpy()
    write_json(folder / "codes.json", {"codebook_size": model.quantizer.codebook_size})
    frames = sum(len(found[u]["codes"]) for u in speech.utts)
    log.info("%s: %d utterances, %d code frames in %s", speech.name, len(speech.utts), frames, folder)
