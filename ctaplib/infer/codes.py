"""Content of whole sets as archives: S, P, Ŝ and codes, and the voice of every utterance."""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from ctaplib.audio.store import ArkWriter
from ctaplib.cluster.jobs import map_jobs
from ctaplib.data.dataset import SpeechSet
from ctaplib.files import write_json
from ctaplib.infer.batches import FeatureBatch, features_of, run_batched
from ctaplib.infer.prompts import encode_prompts
from ctaplib.methods.base import Method, find_method
from ctaplib.models.abilities import CodedContent
from ctaplib.runs.log import get_logger
from ctaplib.tasks.load import load_model
from ctaplib.tasks.speech import SpeechTask
from ctaplib.tensors import pad_arrays

log = get_logger("ctaplib.infer")


def dump_sets(exp: Path, data: Path, dump: Path, sets: list[str], nj: int, method: str | None = None) -> None:
    """Write the content of every set into `exp/codes/<set>`, each as a job of one thread.

    That is `{speech,quantized,codes,phonemes,prompts}.scp` as the method has them, phonemes (P) where there are alignments,
    and `codes.json`. `method` is needed only where several methods are pre-trained by the run's task.
    """
    work = partial(_dump_set, exp, data, dump, method)
    for _ in map_jobs(work, sets, nj, what="codes", setup=(torch.set_num_threads, (1,))):
        pass


def _dump_set(exp: Path, data: Path, dump: Path, method_name: str | None, name: str) -> None:
    task, method = load_model(exp, None if method_name is None else find_method(method_name))
    folder = exp / "codes" / name
    labelled = task.tokens if (data / name / "phones.ctm").exists() else None
    speech = SpeechSet(data, dump, name, labelled, hop=task.hop)
    model = task.model
    inputs = features_of(speech, model.uses_f0)
    arrays = run_batched(inputs, partial(_arrays, task, method, speech), model.hop)[0]
    if method.missing("voice") is None:
        for utt, prompt in encode_prompts(task, {u: f.mel for u, f in inputs.items()}).items():
            arrays[utt]["prompts"] = prompt.vector.float().numpy()
    for kind in sorted({n for row in arrays.values() for n in row}):
        with ArkWriter(folder / f"{kind}.scp") as out:
            for utt in speech.utts:
                if kind in arrays[utt]:
                    out[utt] = arrays[utt][kind]
    book = {"codebook_size": model.quantizer.codebook_size} if method.missing("codes") is None else {}
    write_json(folder / "codes.json", {**book, "hop_frames": model.hop})
    frames = sum(len(arrays[u]["speech"]) for u in speech.utts)
    log.info("%s: %d utterances, %d content frames in %s", speech.name, len(speech.utts), frames, folder)


def _arrays(task: SpeechTask, method: Method, speech: SpeechSet, batch: FeatureBatch) -> list[dict[str, np.ndarray]]:
    """Encode a batch, and return the arrays of each utterance by name."""
    model = task.model
    content = batch.content(model)
    parts = {"speech": content.speech.float()}
    if isinstance(content, CodedContent):
        parts |= {"quantized": content.quantized.quantized.float(), "codes": content.codes.int()}
    frames = (batch.lengths // model.hop).tolist()
    rows = [{name: part[i, :n].numpy() for name, part in parts.items()} for i, n in enumerate(frames)]
    labelled = [i for i, u in enumerate(batch.ids) if u in speech.labelled]
    if labelled and method.missing("phonemes") is None:
        phones, _ = pad_arrays([speech.labelled[batch.ids[i]].phones for i in labelled])
        durations, _ = pad_arrays([speech.labelled[batch.ids[i]].durations for i in labelled])
        phonemes = model.phonemes(phones, durations, batch.lengths[labelled], batch.mel.shape[1]).float()
        for i, row in zip(labelled, phonemes):
            rows[i]["phonemes"] = row[: frames[i]].numpy()
    return rows
