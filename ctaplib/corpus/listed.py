"""Whether what the fixed lists name came through the stages, told before hours of work rest on it.

Stage 2 asks for the words of what is spoken, and stage 11, before it loads a model, for the features of everything as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ctaplib.corpus.build import LIST_FIELDS
from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import read_table, read_tsv

SPOKEN = ("text_utt", "source_utt")
"""Columns with utterances whose phones are needed: they are synthesised, or what is heard is compared with them."""
SHOWN = 50


def check_listed(lists: Path, data: Path, sets: Sequence[str], dump: Path | None = None) -> None:
    """Make sure that the utterances of the lists are in the sets with all that is needed of them.

    Args:
        lists: folder of `vc_pairs.tsv`, `tts.tsv`, `references.tsv`; those that are not there yet are not looked at.
        data: folder of the data directories.
        sets: names of the sets to look at.
        dump: folder of the features; None: there are none yet.

    Raises:
        DataError: some are not; every one of them, with the reason where a stage noted one.
    """
    faults = [fault for name in sets for fault in _set_faults(lists, data, name, dump)]
    if faults:
        shown = shortened(faults, SHOWN)
        raise DataError(
            f"the lists in {lists} name {counted(len(faults), 'utterance that was', 'utterances that were')} left out", shown,
            expected="lists of utterances that can be used",
            fix="correct what the reasons name; or copy the lists without these utterances to a folder and give it as --listdir",
        )  # fmt: skip


def _set_faults(lists: Path, data: Path, name: str, dump: Path | None) -> list[str]:
    phones = read_table(data / name / "text.phn")
    heard = read_table(data / name / "utt2spk" if dump is None else dump / name / "feats.scp")
    reasons: dict[str, str] = {}
    for path in (data / name / "dropped.tsv", data / name / "dropped_text.tsv", (dump or data) / name / "dropped_features.tsv"):
        if path.exists():
            reasons |= {row["utt"]: f"{row['reason']} ({path})" for row in read_tsv(path)}
    faults: dict[str, None] = {}  # each utterance once a list and column
    for file, columns in LIST_FIELDS.items():
        path = lists / file
        for row in read_tsv(path) if path.exists() else ():
            if row.get("set") != name:
                continue
            for column in columns:
                utt = row[column]
                lacks = "" if utt in heard else "in the set" if dump is None else "among the features"
                lacks = lacks or ("among the phones" if column in SPOKEN and utt not in phones else "")
                if lacks:
                    why = reasons.get(utt, "no stage noted why")
                    faults[f"{path}: {column} {utt} is not {lacks} ({name}): {why}"] = None
    return list(faults)
