"""A trained recipe in Python: audio in, codes, phones, words or audio out.

model = CTAP.from_pretrained("egs/mini/exp")
codes = model.encode("mine.wav")
phones = model.recognize("mine.wav").by_ctc
wave = model.convert("mine.wav", prompt="yours.wav")
"""

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ctaplib.audio.features import f0_track, log_mel
from ctaplib.audio.files import read_audio
from ctaplib.errors import CheckpointError
from ctaplib.infer.batches import Features, encode
from ctaplib.infer.prompts import VoicePrompt, encode_prompts
from ctaplib.infer.recognize import Transcript, recognize
from ctaplib.infer.speak import convert, synthesize, with_pause_slots
from ctaplib.infer.vocode import MakesWaves, load_vocoder, vocode
from ctaplib.methods.base import Method, find_method
from ctaplib.models.abilities import CodedContent
from ctaplib.models.connector import Synthesis
from ctaplib.tasks.load import is_trained, load_model, load_task, require, trained_method
from ctaplib.tasks.speech import SpeechTask

Audio = str | Path | np.ndarray


class CTAP:
    """A pre-trained model with the runs trained around it. What its method cannot do is a `ConfigError` with the reason.

    `runs` is the folder of all runs, or None for the pre-trained model alone.
    """

    def __init__(self, task: SpeechTask[Any], method: Method, runs: Path | None = None) -> None:
        self.task, self.method, self.runs = task, method, runs
        self.rate_hz = task.features.rate_hz
        self._load = cache(load_task)

    @classmethod
    def from_pretrained(cls, folder: str | Path, method: str | None = None) -> Self:
        """Load a recipe's `exp` folder, an unpacked model, or the folder of one pre-trained run.

        The name of the method is needed only where the folder holds models of several.

        Raises:
            ConfigError, CheckpointError: the folder holds no trained model, or not that one.
        """
        folder, declared = Path(folder), None if method is None else find_method(method)
        if is_trained(folder):
            return cls(*load_model(folder, declared))
        declared = declared or trained_method(folder)
        return cls(*load_model(folder / declared.run("pretrain"), declared), folder)

    def mel(self, audio: Audio) -> torch.Tensor:
        """Compute the log-mel (T, n_mels) of a file, or of float samples at `rate_hz`."""
        return torch.from_numpy(log_mel(self._wave(audio), self.task.features))

    def content(self, audio: Audio) -> np.ndarray:
        """Encode audio as content frames (frames, width), as the decoder takes them."""
        require(self.method, "content")
        return encode(self.task.model, self._features(audio)).frames[0].float().numpy()

    def encode(self, audio: Audio) -> np.ndarray:
        """Encode audio as codes (frames,) int64."""
        require(self.method, "codes")
        content = encode(self.task.model, self._features(audio))
        assert isinstance(content, CodedContent)
        return content.codes[0].numpy()

    def recognize(self, audio: Audio, run: str | None = None) -> Transcript:
        """Recognise phones with the pre-trained model, or phones and words with a run such as "asr_finetuned"."""
        if run is None:
            require(self.method, "read")
        task = self.task if run is None else self._load(self._folder(run))
        return recognize(task, {"audio": self._features(audio)})["audio"]

    def convert(self, audio: Audio, prompt: Audio) -> np.ndarray:
        """Convert `audio` to the voice of `prompt`: float32 samples at `rate_hz`."""
        require(self.method, "content", "voice", "speak")
        speech, _ = convert(self.task.model, {"audio": self._features(audio)}, self._prompt(prompt))
        return self._vocode(speech["audio"])

    def synthesize(self, phones: Sequence[str], prompt: Audio, words: Sequence[str] = (), speed: float = 1.0) -> np.ndarray:
        """Synthesise phones of the model's token list, without silences, in the voice of `prompt`: float32 samples at `rate_hz`.

        `words` has the word number of every phone, so that pauses may come between words. A speed of 2 is twice as fast.
        """
        require(self.method, "tts", "phonemes", "voice", "speak")
        synthesis: Synthesis = self._load(self._folder(self.method.run("tts")), Synthesis).model
        texts = {"audio": with_pause_slots(phones, words)}
        speech, _ = synthesize(self.task, synthesis, texts, prompts=self._prompt(prompt), speed=speed)
        return self._vocode(speech["audio"])

    @cached_property
    def _vocoder(self) -> MakesWaves:
        run = self._folder("vocoder")
        return load_vocoder(run if is_trained(run) else None, self.task.features)

    def _vocode(self, speech: Features) -> np.ndarray:
        return vocode(self._vocoder, {"audio": speech})[0]["audio"].float().numpy()

    def _wave(self, audio: Audio) -> np.ndarray:
        return audio if isinstance(audio, np.ndarray) else read_audio(audio, self.rate_hz, as_16_bits=True)[0]

    def _features(self, audio: Audio) -> Features:
        wave = self._wave(audio)
        f0_hz = torch.from_numpy(f0_track(wave, self.task.features)) if self.task.model.uses_f0 else None
        return Features(self.mel(wave), f0_hz)

    def _prompt(self, prompt: Audio) -> dict[str, VoicePrompt]:
        return encode_prompts(self.task, {"audio": self.mel(prompt)})

    def _folder(self, run: str) -> Path:
        if self.runs is None:
            raise CheckpointError(
                f"there is no folder of runs to load {run} from", fix="load the recipe's exp folder, not one run"
            )
        return self.runs / run
