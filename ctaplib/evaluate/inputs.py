"""What is scored: where the outputs of all stages lie, read with checks that name what is missing.

An output that does not exist is not an error here but a reason (a string) that goes into the rows. One that
exists and contradicts its list is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.files import read_table, read_tsv

LISTS = {"vc": "vc_pairs.tsv", "tts": "tts.tsv"}
"""The list that says what is made, by task."""


@dataclass(frozen=True)
class Decoded:
    """Audio that a system made for the items of a list: the columns of its index, and a file per item."""

    items: tuple[dict[str, str], ...]
    wavs: dict[str, Path]


@dataclass(frozen=True)
class Options:
    """Choices of the scoring that do not depend on a corpus.

    Attributes:
        judge_max_per: Where the judge's own PER (%) is above, what it judged is null.
        probe_train_frames: 25 Hz frames that the speaker probe is fitted on, at most.
        probe_l2: Weight of the probe's L2 penalty, per frame.
        retrieval_frames: Queries of the phone retrieval, at most.
    """

    judge_max_per: float = 12.0
    probe_train_frames: int = 32000
    probe_l2: float = 1e-4
    retrieval_frames: int = 50000


@dataclass(frozen=True)
class Inputs:
    """Folders and names of one scoring.

    Attributes:
        exp: Folder of the runs (`exp/<run>`), of decoded output (`exp/decode`) and of codes.
        align: Folder of the aligner's run; other aligners' output is in `align/<system>/<set>`.
        sets: Test sets.
        method: The pre-training method; its run is `exp/<method>`.
        train_set: What the speaker probe is fitted on.
    """

    exp: Path
    align: Path
    data: Path
    dump: Path
    lists: Path
    sets: tuple[str, ...]
    method: str = "vqctap"
    train_set: str = "train"
    options: Options = Options()

    def table(self, set_: str, name: str) -> dict[str, str]:
        """A table of a data directory."""
        return read_table(self.data / set_ / name)

    def about(self, set_: str) -> str:
        """What readers of every row of a set must know: `about` in its data directory; empty without that file."""
        path = self.data / set_ / "about"
        return " ".join(path.read_text(encoding="utf-8").split()) if path.exists() else ""

    def audio(self, set_: str) -> dict[str, Path]:
        """Natural audio of a set at the feature rate."""
        return _wavs(self.dump / set_ / "wav.scp")

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

    def reference_wavs(self, speaker: str) -> tuple[Path, ...] | str:
        """Natural utterances of a speaker, neither prompts nor sources; or why there are none."""
        utts = self.references.get(speaker, ())
        wavs = tuple(self.natural[utt] for utt in utts if utt in self.natural)
        return wavs if len(wavs) == 3 else f"{speaker} has no three utterances in {self.lists / 'references.tsv'}"

    def fixed_list(self, name: str, set_: str) -> list[dict[str, str]] | str:
        """Items of a fixed list that belong to a set; or why there are none."""
        path = self.lists / name
        if not path.exists():
            return f"there is no list {name}"
        items = [row for row in read_tsv(path) if row.get("set", set_) == set_]
        if not items and name == "vc_pairs.tsv" and len(set(self.table(set_, "utt2spk").values())) == 1:
            return f"{set_} has one speaker, and there is nobody to convert to ({name} names no item of {set_})"
        return items or f"{name} names no item of {set_}"

    def decoded(self, task: str, system: str, set_: str) -> Decoded | str:
        """What a system made; or why there is nothing.

        Raises:
            DataError: index and files disagree; lists every item.
        """
        folder = self.exp / "decode" / task / system / set_
        if not (folder / "index.tsv").exists():
            listed = self.fixed_list(LISTS[task], set_) if task in LISTS else ""
            why = f": {listed}" if isinstance(listed, str) and listed else ""
            return f"not measured: {system} made no audio of {set_} for {task}{why}"
        items, wavs = read_tsv(folder / "index.tsv"), _wavs(folder / "wav.scp")
        faults = [f"{row['id']}: not in {folder / 'wav.scp'}" for row in items if row["id"] not in wavs]
        faults += [f"{row['id']}: {wavs[row['id']]} is missing" for row in items
                   if row["id"] in wavs and not wavs[row["id"]].exists()]  # fmt: skip
        if faults or not items:
            raise DataError(f"{folder} holds {len(items)} items, {len(faults)} of them without audio", faults,
                            fix="run the stage decode (11) again")  # fmt: skip
        return Decoded(tuple(items), wavs)

    def recognised(self, *place: str, words: bool) -> dict[str, str] | str:
        """A recogniser's output under `exp/decode/<place>`; or why there is none."""
        path = self.exp.joinpath("decode", *place, "hyp.txt" if words else "hyp.phn")
        return read_table(path) if path.exists() else f"not measured: there is no {'/'.join(place)}/{path.name}"


def _wavs(path: Path) -> dict[str, Path]:
    table = read_table(path)
    return {utt: _resolve(value, path) for utt, value in table.items()}


def _resolve(value: str, scp: Path) -> Path:
    """A path of an scp, taken from the working folder or, failing that, from the scp's own."""
    path = Path(value)
    beside = scp.parent / value
    return beside if not path.is_absolute() and not path.exists() and beside.exists() else path


def missing_note(items: Sequence[object], used: int, what: str) -> str | None:
    """A note that counts what could not be averaged; None when nothing was left out."""
    return None if used == len(items) else f"{len(items) - used} of {len(items)} left out: {what}"
