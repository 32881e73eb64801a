"""Inference of a recipe: every system on every test set, from fixed lists.

Output goes to `exp/decode/<task>/<system>/<set>/`; see `write_transcripts` and `write_waves`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctaplib.audio.features import log_mel
from ctaplib.audio.files import read_audio, write_audio
from ctaplib.cluster.jobs import map_jobs
from ctaplib.config import Config
from ctaplib.data.dataset import SpeechSet
from ctaplib.data.labels import SILENCE_LABEL
from ctaplib.files import make_folder, read_table, read_tsv, write_table, write_tsv
from ctaplib.infer.batches import Features, features_of
from ctaplib.infer.ctc_search import PhoneNgram, SearchConfig, search_ctc
from ctaplib.infer.prompts import MatchConfig, VoicePrompt, encode_prompts
from ctaplib.infer.recognize import Transcript, recognize
from ctaplib.infer.speak import Outputs, convert, synthesize, with_pause_slots
from ctaplib.infer.vocode import MakesWaves, load_vocoder, vocode
from ctaplib.methods.base import SYSTEMS, Method, System
from ctaplib.models.connector import Synthesis
from ctaplib.models.recognizer import Recognizer
from ctaplib.phones import SILENCE, fold
from ctaplib.runs.log import get_logger
from ctaplib.tasks.load import is_trained, load_model, load_task
from ctaplib.tasks.speech import SpeechTask

log = get_logger("ctaplib.infer")
Rows = Sequence[Mapping[str, str]]


class DecodeConfig(Config):
    """Settings of decoding."""

    resynthesis_utts: int = 64
    """Utterances of each set that are resynthesised, taken in turn from all speakers."""
    match: MatchConfig = MatchConfig()
    """Matching of decoded speech to the statistics of its prompt."""
    search: SearchConfig = SearchConfig()
    """Search for phones with an n-gram of the training transcripts; its output is a system of its own, `..._lm`."""


@dataclass(frozen=True)
class Decoder:
    """The trained runs of a recipe, applied to its sets."""

    exp: Path
    data: Path
    dump: Path
    lists: Path
    config: DecodeConfig
    method: Method
    train_set: str = "train"

    @cached_property
    def task(self) -> SpeechTask[Any]:
        """The pre-trained model."""
        return load_model(self.exp / self.method.run("pretrain"), self.method)[0]

    @cached_property
    def vocoder(self) -> MakesWaves:
        """The trained vocoder; Griffin-Lim, with a warning, where there is none."""
        run = self.exp / "vocoder"
        return load_vocoder(run if is_trained(run) else None, self.task.features)

    def parts(self) -> list[tuple[System, ...]]:
        """List the systems that are decoded, in groups of one run; no group needs the output of another."""
        missing = self.method.missing
        decoded = [s for s in SYSTEMS if s.task in _DECODE and s.name != "natural" and not missing(*s.needs)]
        return [tuple(group) for _, group in groupby(decoded, key=lambda s: (s.task, s.run))]

    def decode(self, set_: str, part: Sequence[System]) -> None:
        """Decode a set with the systems of one run."""
        _DECODE[part[0].task](self, set_, *part)

    def _recognize(self, set_: str, *systems: System) -> None:
        """Recognise every utterance."""
        task = self.task if systems[0].run == "pretrain" else load_task(self.exp / str(self.method.run_of(systems[0])))
        transcripts = recognize(task, self._features(set_, task), self.search)
        for system in systems:
            write_transcripts(self._folder(system, set_), transcripts, by_class=system.name == "frozen_class")

    @cached_property
    def search(self) -> Callable[[np.ndarray], list[int]] | None:
        """The search with an n-gram of the training transcripts; None where the config wants none."""
        config, labels = self.config.search, self.task.labels
        if not config.order:
            return None
        texts = read_table(self.data / self.train_set / "text.phn").values()
        transcripts = [labels.ids([p for p in text.split() if fold(p) != SILENCE]).tolist() for text in texts]
        ngram = PhoneNgram(transcripts, config.order, len(labels))
        return lambda log_probs: search_ctc(log_probs, ngram, config, {SILENCE_LABEL})

    def _resynthesize(self, set_: str, system: System) -> None:
        """Resynthesise utterances from their content in their own voice, or vocode their natural mel."""
        task = self._decoder(system)
        features = self._features(set_, task)
        utts = spread(read_table(self.data / set_ / "utt2spk"), features, self.config.resynthesis_utts)
        rows = [{"id": u} for u in utts]
        if system.shared:
            natural = {u: Features(features[u].mel) for u in utts}
            vocoder = self.vocoder if system.run else load_vocoder(None, self.task.features)
            self._write(system, set_, rows, natural, {}, vocoder)
        else:
            pairs = [{"id": u, "source_utt": u, "prompt_utt": u} for u in utts]
            self._write(system, set_, rows, *self._converted(task, features, pairs))

    def _convert(self, set_: str, system: System) -> None:
        """Convert every pair of the list."""
        if rows := self._listed("vc_pairs.tsv", set_):
            task = self._decoder(system)
            self._write(system, set_, rows, *self._converted(task, self._features(set_, task), rows))

    def _converted(self, task: SpeechTask[Any], features: Mapping[str, Features], rows: Rows) -> Outputs:
        sources = {r["id"]: features[r["source_utt"]] for r in rows}
        return convert(task.model, sources, self._prompts(task, features, rows), self.config.match)

    def _synthesize(self, set_: str, system: System) -> None:
        """Synthesise every sentence of the list in the voice of its prompt."""
        rows = self._listed("tts.tsv", set_)
        if not rows:
            return
        phones = read_table(self.data / set_ / "text.phn")
        path = self.data / set_ / "phn2word"
        words = read_table(path) if path.exists() else {}
        texts = {r["id"]: with_pause_slots(phones[r["text_utt"]].split(), words.get(r["text_utt"], "").split()) for r in rows}
        synthesis = load_task(self.exp / self.method.run("tts"), Synthesis).model
        task = self._decoder(system)
        features = self._features(set_, self.task)
        frozen, own = (self._prompts(t, features, rows) for t in (self.task, task))
        match = self.config.match
        speech, seconds = synthesize(task, synthesis, texts, prompts=own, duration_prompts=frozen, match=match)
        self._write(system, set_, rows, speech, seconds)

    def judged(self, set_: str) -> list[tuple[str, str]]:
        """List task and system of all audio of a set that the judge recognises: natural, and whatever was decoded."""
        indexes = sorted((self.exp / "decode").glob(f"*/*/{set_}/index.tsv"))
        names = [(index.parent.parent.parent.name, index.parent.parent.name) for index in indexes]
        return [("natural", "natural"), *((task, system) for task, system in names if task != "judge")]

    @cached_property
    def judge_task(self) -> SpeechTask[Any]:
        """The judge."""
        return load_task(self.exp / "judge", Recognizer)

    def judge(self, set_: str, audio: tuple[str, str]) -> None:
        """Recognise the audio of one task and system with the judge."""
        task, system = audio
        if task == "natural":
            features = self._features(set_, self.judge_task)
        else:
            front_end = self.judge_task.features
            files = read_table(self.exp / "decode" / task / system / set_ / "wav.scp")
            waves = {u: read_audio(path, front_end.rate_hz)[0] for u, path in files.items()}
            features = {u: Features(torch.from_numpy(log_mel(wave, front_end))) for u, wave in waves.items()}
        write_transcripts(self.exp / "decode" / "judge" / task / system / set_, recognize(self.judge_task, features))

    def _features(self, set_: str, task: SpeechTask[Any]) -> dict[str, Features]:
        """Read the features of a set, as the model of a task uses them."""
        return features_of(SpeechSet(self.data, self.dump, set_, None, hop=task.hop), task.model.uses_f0)

    def _listed(self, list_name: str, set_: str) -> list[dict[str, str]]:
        """Read the rows of a fixed list that belong to a set."""
        return [row for row in read_tsv(self.lists / list_name) if row["set"] == set_]

    def _prompts(self, task: SpeechTask[Any], features: Mapping[str, Features], rows: Rows) -> dict[str, VoicePrompt]:
        """Encode the prompt of every row, by the row's id."""
        prompts = encode_prompts(task, {r["prompt_utt"]: features[r["prompt_utt"]].mel for r in rows})
        return {r["id"]: prompts[r["prompt_utt"]] for r in rows}

    def _decoder(self, system: System) -> SpeechTask[Any]:
        """Return the model whose decoder a system uses: the fine-tuned one where the system is made by the stage vc."""
        return load_task(self.exp / self.method.run("vc")) if system.run == "vc" else self.task

    def _folder(self, system: System, set_: str) -> Path:
        return self.exp / "decode" / system.task / self.method.system(system.task, system.name) / set_

    def _write(
        self,
        system: System,
        set_: str,
        rows: Rows,
        speech: Mapping[str, Features],
        decode_s: Mapping[str, float],
        vocoder: MakesWaves | None = None,
    ) -> None:
        """Vocode the decoded speech of a set and write it, with the computing time of both."""
        waves, vocode_s = vocode(vocoder or self.vocoder, speech)
        seconds = {u: s + decode_s.get(u, 0.0) for u, s in vocode_s.items()}
        folder = self._folder(system, set_)
        write_waves(folder, waves, self.task.features.rate_hz, rows, seconds)
        log.info("%s %s %s: %d utterances", system.task, folder.parent.name, set_, len(waves))


_DECODE: Mapping[str, Callable[..., None]] = {
    "asr": Decoder._recognize,
    "resynthesis": Decoder._resynthesize,
    "vc": Decoder._convert,
    "tts": Decoder._synthesize,
}
"""How the systems of each task are decoded."""


def decode_all(decoder: Decoder, sets: Sequence[str], nj: int, *, judge: bool = False) -> None:
    """Decode all sets with all systems, each run on each set as a job of one thread; the output does not depend on `nj`.

    With `judge`, recognise natural and decoded audio with the judge instead, the audio of each system as a job.
    """
    function: Callable[..., None] = decoder.judge if judge else decoder.decode
    work = {set_: decoder.judged(set_) if judge else decoder.parts() for set_ in sets}
    items = [(set_, part) for set_, parts in work.items() for part in parts]
    one_thread = (torch.set_num_threads, (1,))
    for _ in map_jobs(partial(_call, function), items, nj, what="judge" if judge else "decode", setup=one_thread, parts=4):
        pass


def _call(function: Callable[..., None], item: tuple[str, tuple]) -> None:
    function(*item)


def spread(speakers: Mapping[str, str], known: Mapping[str, object], count: int) -> list[str]:
    """Choose up to `count` utterances, taken in turn from all speakers."""
    turns: dict[str, int] = {}
    order = []
    for utt in sorted(u for u in speakers if u in known):
        turns[speakers[utt]] = turns.get(speakers[utt], -1) + 1
        order.append((turns[speakers[utt]], utt))
    return sorted(u for _, u in sorted(order)[:count])


def write_transcripts(folder: Path, transcripts: Mapping[str, Transcript], by_class: bool = False) -> None:
    """Write `hyp.phn` by CTC or by frame classes, `hyp.txt` with the words, and the phones of a search beside, in `<system>_lm`.

    An older `hyp.txt` is removed where there are no words.
    """
    write_table(folder / "hyp.phn", {u: " ".join(t.by_class if by_class else t.by_ctc) for u, t in transcripts.items()})
    if by_class or any(t.words is None for t in transcripts.values()):
        (folder / "hyp.txt").unlink(missing_ok=True)
    else:
        write_table(folder / "hyp.txt", {u: t.words or "" for u, t in transcripts.items()})
    searched = {u: " ".join(t.by_search) for u, t in transcripts.items() if t.by_search is not None}
    if searched and not by_class:
        write_table(folder.parent.with_name(f"{folder.parent.name}_lm") / folder.name / "hyp.phn", searched)


def write_waves(
    folder: Path,
    waves: Mapping[str, torch.Tensor],
    rate_hz: int,
    rows: Sequence[Mapping[str, str]],
    seconds: Mapping[str, float],
) -> None:
    """Write `wav/*.wav`, `wav.scp` and, last, `index.tsv`: `rows` (with `id`), and the duration and computing time of each."""
    places = {}
    for utt, wave in waves.items():
        path = (folder / "wav" / f"{utt}.wav").absolute()
        make_folder(path.parent)
        write_audio(path, wave.float().numpy(), rate_hz)
        places[utt] = str(path)
    write_table(folder / "wav.scp", places)
    full = [
        {**row, "audio_s": f"{len(waves[row['id']]) / rate_hz:.4f}", "compute_s": f"{seconds[row['id']]:.4f}"} for row in rows
    ]
    write_tsv(folder / "index.tsv", full, list(full[0]))
