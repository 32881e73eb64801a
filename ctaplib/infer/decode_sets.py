"""All inference of a recipe: every system on every test set, from fixed lists.

Output goes to `exp/decode/<task>/<system>/<set>/`; see `outputs`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ctaplib.config import Config
from ctaplib.data.audio import read_audio
from ctaplib.data.dataset import SILENCE_LABEL, SpeechSet
from ctaplib.data.features import log_mel
from ctaplib.data.phones import SILENCE, fold
from ctaplib.files import read_table, read_tsv
from ctaplib.infer.convert import convert
from ctaplib.infer.ctc_search import SearchConfig, search_ctc
from ctaplib.infer.outputs import write_phones, write_waves, write_words
from ctaplib.infer.phone_ngram import PhoneNgram
from ctaplib.infer.prompts import MatchConfig, read_prompts
from ctaplib.infer.recognize import Transcript, recognize
from ctaplib.infer.synthesize import synthesize, with_pause_slots
from ctaplib.infer.vocode import MakesWaves, Speech, load_vocoder, vocode
from ctaplib.models.recognizer import Recognizer
from ctaplib.models.vqctap import VQCTAP
from ctaplib.runlog import get_logger
from ctaplib.tasks.base import is_trained, load_task
from ctaplib.tasks.speech import SpeechTask

log = get_logger("ctaplib.infer")
Mels = dict[str, torch.Tensor]


class DecodeConfig(Config):
    """What is decoded."""

    resynthesis_utts: int = 64
    """Utterances of each set that are resynthesised, taken in turn from all speakers."""
    match: MatchConfig = MatchConfig()
    """How far speech is moved toward its prompt's statistics."""
    search: SearchConfig = SearchConfig()
    """Search for phones with an n-gram of the training transcripts; its output is a system of its own, `..._lm`."""


@dataclass(frozen=True)
class Decoder:
    """The trained runs of a recipe and the sets that they are applied to."""

    exp: Path
    data: Path
    dump: Path
    lists: Path
    config: DecodeConfig
    method: str = "vqctap"
    train_set: str = "train"

    @cached_property
    def task(self) -> SpeechTask[VQCTAP]:
        """The pre-trained model."""
        return load_task(self.exp / self.method)

    @cached_property
    def converter(self) -> SpeechTask[VQCTAP]:
        """The fine-tuned converter."""
        return load_task(self.exp / "vc")

    @cached_property
    def vocoder(self) -> MakesWaves:
        """The trained vocoder, or Griffin-Lim, which says so."""
        run = self.exp / "vocoder"
        return load_vocoder(run if is_trained(run) else None, self.task.features)

    @property
    def voices(self) -> dict[str, VQCTAP]:
        """Models that decode codes, by the name of the system."""
        return {self.method: self.task.model, "finetuned": self.converter.model}

    def mels(self, name: str) -> Mels:
        """Features of a set."""
        speech = SpeechSet(self.data, self.dump, name, None)
        return {u: speech.mel(u) for u in speech.utts}

    def rows(self, list_name: str, name: str) -> list[dict[str, str]]:
        """Rows of a fixed list that belong to a set."""
        return [row for row in read_tsv(self.lists / list_name) if row["set"] == name]

    def decode(self, name: str) -> None:
        """All systems on one set, whose lists `listed.check_listed` has found to fit."""
        mels = self.mels(name)
        self.recognize_set(name, mels)
        self.resynthesize_set(name, mels)
        self.convert_set(name, mels)
        self.synthesize_set(name, mels)

    def recognize_set(self, name: str, mels: Mels) -> None:
        """Frozen by class and by CTC, fine-tuned, supervised."""
        prefix = "" if self.method == "vqctap" else f"{self.method}_"
        found = recognize(self.task, mels, self.search)
        write_phones(self.folder("asr", f"{prefix}frozen_class", name), {u: t.by_class for u, t in found.items()})
        self._write_ctc(f"{prefix}frozen_ctc", name, found)
        for system, run in ((f"{prefix}finetuned", "asr_finetuned"), ("supervised_ctc", "asr_supervised")):
            found = recognize(load_task(self.exp / run), mels, self.search)
            write_words(self.folder("asr", system, name), found)
            self._write_ctc(system, name, found)

    def _write_ctc(self, system: str, name: str, found: Mapping[str, Transcript]) -> None:
        write_phones(self.folder("asr", system, name), {u: t.by_ctc for u, t in found.items()})
        searched = {u: t.by_search for u, t in found.items() if t.by_search is not None}
        if searched:
            write_phones(self.folder("asr", f"{system}_lm", name), searched)

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

    def resynthesize_set(self, name: str, mels: Mels) -> None:
        """Codes and an utterance's own vector; natural mel by the vocoder; natural mel by Griffin-Lim."""
        chosen = spread(read_table(self.data / name / "utt2spk"), mels, self.config.resynthesis_utts)
        part = {u: mels[u] for u in chosen}
        rows = [{"id": u} for u in chosen]
        for system, model in self.voices.items():
            made, seconds = convert(model, part, read_prompts(model, part), self.config.match)
            self._speak("resynthesis", system, name, made, rows, seconds)
        natural = {u: Speech(m) for u, m in part.items()}
        self._speak("resynthesis", "vocoder", name, natural, rows, {})
        waves, seconds = vocode(load_vocoder(None, self.task.features), natural)
        self._write("resynthesis", "griffin_lim", name, waves, seconds, rows, {})

    def convert_set(self, name: str, mels: Mels) -> None:
        """Every pair of the list, frozen and fine-tuned."""
        rows = self.rows("vc_pairs.tsv", name)
        if not rows:
            return
        prompts = {r["prompt_utt"]: mels[r["prompt_utt"]] for r in rows}
        for system, model in self.voices.items():
            voices = read_prompts(model, prompts)
            sources = {r["id"]: mels[r["source_utt"]] for r in rows}
            made, seconds = convert(model, sources, {r["id"]: voices[r["prompt_utt"]] for r in rows}, self.config.match)
            self._speak("vc", system, name, made, rows, seconds)

    def synthesize_set(self, name: str, mels: Mels) -> None:
        """Every sentence of the list in the voice of its prompt."""
        rows = self.rows("tts.tsv", name)
        if not rows:
            return
        phones = read_table(self.data / name / "text.phn")
        path = self.data / name / "phn2word"
        words = read_table(path) if path.exists() else {}
        texts = {r["id"]: with_pause_slots(phones[r["text_utt"]].split(), words.get(r["text_utt"], "").split()) for r in rows}
        synthesis = load_task(self.exp / "tts").model
        for system, model in self.voices.items():
            frozen = read_prompts(self.task.model, {r["prompt_utt"]: mels[r["prompt_utt"]] for r in rows})
            own = read_prompts(model, {r["prompt_utt"]: mels[r["prompt_utt"]] for r in rows})
            made, seconds = synthesize(
                model,
                synthesis,
                self.task.tokens,
                texts,
                duration_prompts={r["id"]: frozen[r["prompt_utt"]] for r in rows},
                prompts={r["id"]: own[r["prompt_utt"]] for r in rows},
                match=self.config.match,
            )
            self._speak("tts", system, name, made, rows, seconds)

    def judge(self, name: str) -> None:
        """The judge on the natural audio of a set and on everything that was made from it."""
        judge: SpeechTask[Recognizer] = load_task(self.exp / "judge")
        self._transcribe(judge, "natural", "natural", name, self.mels(name))
        for index in sorted((self.exp / "decode").glob(f"*/*/{name}/index.tsv")):
            system, task = index.parent.parent, index.parent.parent.parent
            if task.name == "judge":
                continue
            waves = read_table(index.parent / "wav.scp")
            mels = {u: self._mel_of(p) for u, p in waves.items()}
            self._transcribe(judge, task.name, system.name, name, mels)

    def _transcribe(self, judge: SpeechTask[Recognizer], task: str, system: str, name: str, mels: Mels) -> None:
        found = recognize(judge, mels)
        folder = self.exp / "decode" / "judge" / task / system / name
        write_words(folder, found)
        write_phones(folder, {u: t.by_ctc for u, t in found.items()})

    def _mel_of(self, path: str) -> torch.Tensor:
        features = self.task.features
        wave, _ = read_audio(path, features.rate_hz)
        return torch.from_numpy(log_mel(wave, features))

    def folder(self, task: str, system: str, name: str) -> Path:
        """Where the output of a system on a set goes."""
        return self.exp / "decode" / task / system / name

    def _speak(
        self,
        task: str,
        system: str,
        name: str,
        said: Mapping[str, Speech],
        rows: Sequence[Mapping[str, str]],
        before: Mapping[str, float],
    ) -> None:
        waves, seconds = vocode(self.vocoder, said)
        self._write(task, system, name, waves, seconds, rows, before)

    def _write(
        self,
        task: str,
        system: str,
        name: str,
        waves: Mels,
        seconds: Mapping[str, float],
        rows: Sequence[Mapping[str, str]],
        before: Mapping[str, float],
    ) -> None:
        total = {u: s + before.get(u, 0.0) for u, s in seconds.items()}
        write_waves(self.folder(task, system, name), waves, self.task.features.rate_hz, rows, total)
        log.info("%s %s %s: %d utterances", task, system, name, len(waves))


def spread(speakers: Mapping[str, str], known: Mapping[str, object], count: int) -> list[str]:
    """Utterances taken in turn from all speakers, up to a number."""
    turns: dict[str, int] = {}
    order = []
    for utt in sorted(u for u in speakers if u in known):
        turns[speakers[utt]] = turns.get(speakers[utt], -1) + 1
        order.append((turns[speakers[utt]], utt))
    return sorted(u for _, u in sorted(order)[:count])
