"""Inputs of the scoring: the outputs of all stages, read with checks that name what is missing.

A missing output is not an error: the rows get a reason (a string) in the place of a number. An output that contradicts its
list is an error.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ctaplib.audio.settings import read_feature_config
from ctaplib.audio.store import FeatureStore
from ctaplib.errors import DataError
from ctaplib.evaluate.frames import Frames
from ctaplib.files import read_table, read_tsv
from ctaplib.methods.base import Method, System, find_method

LISTS = {"vc": "vc_pairs.tsv", "tts": "tts.tsv"}
"""Fixed list of the items of a task."""


@dataclass(frozen=True)
class Decoded:
    """Audio of a system for the items of a list: the lines of its index, and the file of each item."""

    items: tuple[dict[str, str], ...]
    wavs: dict[str, Path]


@dataclass(frozen=True)
class Inputs:
    """Folders and names of one scoring.

    Attributes:
        exp: Folder of the runs and of decoded output (`exp/decode`).
        align: Folder of the aligner's run; other aligners' output is in `align/<system>/<set>`.
        sets: Test sets.
        method: Name of the method.
        train_set: Set that the speaker probe is fitted on.
        judge_max_per: Own PER (%) of the judge above which its judgements are null.
    """

    exp: Path
    align: Path
    data: Path
    dump: Path
    lists: Path
    sets: tuple[str, ...]
    method: str = "vqctap"
    train_set: str = "train"
    judge_max_per: float = 12.0

    @cached_property
    def declaration(self) -> Method:
        """Declaration of the method."""
        return find_method(self.method)

    def name(self, system: System) -> str:
        """Return a system's name in the rows and in `exp/decode`."""
        return self.declaration.system(system.task, system.name)

    def run(self, system: System) -> Path | None:
        """Return the folder of the run whose config and seed are in a system's rows; None for a system without a run."""
        run = self.declaration.run_of(system)
        return self.align if run == "align" else self.exp / run if run else None

    def missing(self, system: System) -> str | None:
        """Return why the method cannot have a system; None where it can."""
        return None if system.shared else self.declaration.missing(*system.needs)

    def table(self, set_: str, name: str) -> dict[str, str]:
        """Read a table of a data directory."""
        return read_table(self.data / set_ / name)

    def about(self, set_: str) -> str:
        """Return the note for all rows of a set: the file `about` of its data directory; empty without that file."""
        path = self.data / set_ / "about"
        return " ".join(path.read_text(encoding="utf-8").split()) if path.exists() else ""

    def audio(self, set_: str) -> dict[str, Path]:
        """Return the natural audio of a set at the feature rate."""
        return _wavs(self.dump / set_ / "wav.scp")

    def hop_s(self, set_: str) -> float:
        """Return the seconds from one feature frame of a set to the next."""
        return read_feature_config(self.dump / set_ / "features.yaml").hop_s

    def codes(self, set_: str) -> Path:
        """Return the folder of the method's codes and content."""
        return self.exp / self.declaration.run("pretrain") / "codes" / set_

    def codes_header(self, set_: str) -> dict[str, int]:
        """Read `codes.json` beside the codes; empty without that file."""
        path = self.codes(set_) / "codes.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def content_frames(self, set_: str) -> Frames:
        """Return the method's content frames; their length is computed from the archives where `codes.json` does not have it."""
        hop = self.codes_header(set_).get("hop_frames")
        if hop is None:
            content = FeatureStore(self.codes(set_) / "speech.scp").lengths()
            frames = read_table(self.dump / set_ / "utt2num_frames")
            hop = max(1, round(sum(int(frames[utt]) for utt in content) / sum(content.values())))
        return Frames(self.hop_s(set_), hop)

    def code_counts(self, set_: str) -> np.ndarray | None:
        """Count how often each utterance has each code, (utterances, size of the codebook); None without codes."""
        path, size = self.codes(set_) / "codes.scp", self.codes_header(set_).get("codebook_size")
        if not path.exists() or size is None:
            return None
        store = FeatureStore(path)
        return np.stack([np.bincount(np.asarray(store[utt], np.int64), minlength=size) for utt in sorted(store)])

    @cached_property
    def references(self) -> dict[str, tuple[str, ...]]:
        """Three natural utterances by speaker, from `references.tsv`; empty without that list."""
        path = self.lists / "references.tsv"
        if not path.exists():
            return {}
        return {row["spk"]: (row["utt1"], row["utt2"], row["utt3"]) for row in read_tsv(path)}

    @cached_property
    def natural(self) -> dict[str, Path]:
        """Natural audio of all test sets by utterance."""
        return {utt: path for set_ in self.sets for utt, path in self.audio(set_).items()}

    def reference_wavs(self, speaker: str) -> tuple[Path, ...]:
        """Return three natural utterances of a speaker, neither prompts nor sources; empty where there are not three."""
        wavs = tuple(self.natural[utt] for utt in self.references.get(speaker, ()) if utt in self.natural)
        return wavs if len(wavs) == 3 else ()

    def fixed_list(self, name: str, set_: str) -> list[dict[str, str]] | str:
        """Return the items of a fixed list that belong to a set; or why there are none."""
        path = self.lists / name
        if not path.exists():
            return f"there is no list {name}"
        items = [row for row in read_tsv(path) if row.get("set", set_) == set_]
        if not items and name == "vc_pairs.tsv" and len(set(self.table(set_, "utt2spk").values())) == 1:
            return f"{set_} has one speaker, so there is no other to convert to ({name} names no item of {set_})"
        return items or f"{name} names no item of {set_}"

    def decoded(self, task: str, system: str, set_: str) -> Decoded | str:
        """Return the decoded audio of a system; or why there is none.

        Raises:
            DataError: index and files disagree; lists every item.
        """
        folder = self.exp / "decode" / task / system / set_
        if not (folder / "index.tsv").exists():
            listed = self.fixed_list(LISTS[task], set_) if task in LISTS else ""
            why = f": {listed}" if isinstance(listed, str) and listed else ""
            return f"not measured: {system} made no audio of {set_} for {task}{why}"
        items, wavs = read_tsv(folder / "index.tsv"), _wavs(folder / "wav.scp")
        ids = [row["id"] for row in items]
        faults = [f"{id_}: not in {folder / 'wav.scp'}" for id_ in ids if id_ not in wavs]
        faults += [f"{id_}: {wavs[id_]} is missing" for id_ in ids if id_ in wavs and not wavs[id_].exists()]
        if faults or not items:
            raise DataError(f"{folder} holds {len(items)} items, {len(faults)} of them without audio", faults,
                            fix="run the stage decode (11) again")  # fmt: skip
        return Decoded(tuple(items), wavs)

    def recognised(self, *place: str, words: bool) -> dict[str, str] | str:
        """Read a recogniser's output under `exp/decode/<place>`; or why there is none."""
        path = self.exp.joinpath("decode", *place, "hyp.txt" if words else "hyp.phn")
        return read_table(path) if path.exists() else f"not measured: there is no {'/'.join(place)}/{path.name}"


def _wavs(scp: Path) -> dict[str, Path]:
    """Read an scp; its paths are relative to the working folder or, failing that, to the scp's own."""
    wavs = {utt: Path(value) for utt, value in read_table(scp).items()}
    return {utt: beside if not path.exists() and (beside := scp.parent / path).exists() else path for utt, path in wavs.items()}


def missing_note(items: Sequence[object], used: int, what: str) -> str | None:
    """Return a note that counts what could not be averaged; None when nothing was left out."""
    return None if used == len(items) else f"{len(items) - used} of {len(items)} left out: {what}"
