"""All inference of a recipe: every system on every test set, from fixed lists.

Output goes to `exp/decode/<task>/<system>/<set>/`; see `outputs`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ctaplib.audio.features import log_mel
from ctaplib.audio.files import read_audio
from ctaplib.config import Config
from ctaplib.data.dataset import SpeechSet
from ctaplib.data.labels import SILENCE_LABEL
from ctaplib.files import read_table, read_tsv
from ctaplib.infer.convert import convert
from ctaplib.infer.ctc_search import SearchConfig, search_ctc
from ctaplib.infer.outputs import write_phones, write_waves, write_words
from ctaplib.infer.phone_ngram import PhoneNgram
from ctaplib.infer.prompts import MatchConfig, read_prompts
from ctaplib.infer.recognize import Transcript, recognize
from ctaplib.infer.synthesize import synthesize, with_pause_slots
from ctaplib.infer.vocode import MakesWaves, VocoderInput, load_vocoder, vocode
from ctaplib.models.connector import Synthesis
from ctaplib.models.recognizer import Recognizer
from ctaplib.models.vqctap import VQCTAP
from ctaplib.phones import SILENCE, fold
from ctaplib.runs.log import get_logger
from ctaplib.tasks.load import is_trained, load_task
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
        return load_task(self.exp / self.method, VQCTAP)

    @cached_property
    def converter(self) -> SpeechTask[VQCTAP]:
        """The fine-tuned converter."""
        return load_task(self.exp / "vc", VQCTAP)

    @cached_property
    def vocoder(self) -> MakesWaves:
        """The trained vocoder, or Griffin-Lim, which says so."""
        run = self.exp / "vocoder"
        return load_vocoder(run if is_trained(run) else None, self.task.features)

    def voice(self, system: str) -> VQCTAP:
        """The model that decodes codes for a system."""
        return (self.converter if system == "finetuned" else self.task).model

    def mels(self, name: str) -> Mels:
        """Features of a set."""
        speech = SpeechSet(self.data, self.dump, name, None, hop=self.task.hop)
        return {u: speech.mel(u) for u in speech.utts}

    def rows(self, list_name: str, name: str) -> list[dict[str, str]]:
        """Rows of a fixed list that belong to a set."""
        return [row for row in read_tsv(self.lists / list_name) if row["set"] == name]

    @property
    def parts(self) -> list[tuple[str, str]]:
        """What there is to do for each set: the method of this class, and the system; none needs another."""
        spoken = [(kind, system) for kind in ("convert_set", "synthesize_set") for system in (self.method, "finetuned")]
        resynthesis = [("resynthesize_set", system) for system in (self.method, "finetuned", "vocoder", "griffin_lim")]
        return [("recognize_set", s) for s in ("frozen", "asr_finetuned", "asr_supervised")] + resynthesis + spoken

    def decode(self, name: str, parts: Sequence[tuple[str, str]] = ()) -> None:
        """All systems on one set, or some parts of it."""
        mels = self.mels(name)
        for kind, system in parts or self.parts:
            getattr(self, kind)(name, mels, system)

    def recognize_set(self, name: str, mels: Mels, run: str) -> None:
        """Frozen by class and by CTC, fine-tuned or supervised."""
        prefix = "" if self.method == "vqctap" else f"{self.method}_"
        if run == "frozen":
            found = recognize(self.task, mels, self.search)
            write_phones(self.folder("asr", f"{prefix}frozen_class", name), {u: t.by_class for u, t in found.items()})
            self._write_ctc(f"{prefix}frozen_ctc", name, found)
            return
        system = f"{prefix}finetuned" if run == "asr_finetuned" else "supervised_ctc"
        found = recognize(load_task(self.exp / run, Recognizer), mels, self.search)
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

    def resynthesize_set(self, name: str, mels: Mels, system: str) -> None:
        """Codes and an utterance's own vector; natural mel by the vocoder; natural mel by Griffin-Lim."""
        chosen = spread(read_table(self.data / name / "utt2spk"), mels, self.config.resynthesis_utts)
        part = {u: mels[u] for u in chosen}
        rows = [{"id": u} for u in chosen]
        natural = {u: VocoderInput(m) for u, m in part.items()}
        if system == "griffin_lim":
            waves, seconds = vocode(load_vocoder(None, self.task.features), natural)
            self._write("resynthesis", system, name, waves, seconds, rows, {})
        elif system == "vocoder":
            self._speak("resynthesis", system, name, natural, rows, {})
        else:
            model = self.voice(system)
            made, seconds = convert(model, part, read_prompts(model, part), self.config.match)
            self._speak("resynthesis", system, name, made, rows, seconds)

    def convert_set(self, name: str, mels: Mels, system: str) -> None:
        """Every pair of the list."""
        rows = self.rows("vc_pairs.tsv", name)
        if not rows:
            return
        prompts = {r["prompt_utt"]: mels[r["prompt_utt"]] for r in rows}
        model = self.voice(system)
        voices = read_prompts(model, prompts)
        sources = {r["id"]: mels[r["source_utt"]] for r in rows}
        made, seconds = convert(model, sources, {r["id"]: voices[r["prompt_utt"]] for r in rows}, self.config.match)
        self._speak("vc", system, name, made, rows, seconds)

    def synthesize_set(self, name: str, mels: Mels, system: str) -> None:
        """Every sentence of the list in the voice of its prompt."""
        rows = self.rows("tts.tsv", name)
        if not rows:
            return
        phones = read_table(self.data / name / "text.phn")
        path = self.data / name / "phn2word"
        words = read_table(path) if path.exists() else {}
        texts = {r["id"]: with_pause_slots(phones[r["text_utt"]].split(), words.get(r["text_utt"], "").split()) for r in rows}
        synthesis = load_task(self.exp / "tts", Synthesis).model
        model = self.voice(system)
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

    def judged(self, name: str) -> list[tuple[str, str]]:
        """Task and system of everything of a set that the judge listens to: natural audio, and what was made."""
        made = sorted((self.exp / "decode").glob(f"*/*/{name}/index.tsv"))
        names = [(index.parent.parent.parent.name, index.parent.parent.name) for index in made]
        return [("natural", "natural"), *((task, system) for task, system in names if task != "judge")]

    @cached_property
    def listener(self) -> SpeechTask[Recognizer]:
        """The judge."""
        judge: SpeechTask[Recognizer] = load_task(self.exp / "judge", Recognizer)
        return judge

    def judge(self, name: str, task: str, system: str) -> None:
        """The judge on the audio of one system."""
        if task == "natural":
            mels = self.mels(name)
        else:
            waves = read_table(self.folder(task, system, name) / "wav.scp")
            mels = {u: self._mel_of(p) for u, p in waves.items()}
        found = recognize(self.listener, mels)
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
        said: Mapping[str, VocoderInput],
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
