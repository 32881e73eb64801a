"""The synthetic corpus: the same bytes every time, true phone times, sets that share nothing."""

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ctaplib.corpus.alignment import read_ctm
from ctaplib.corpus.validate import validate_datadir
from ctaplib.errors import ConfigError, DataError
from ctaplib.files import read_table, read_tsv
from ctaplib.phones import SILENCE
from ctaplib.synthetic.engine import Job, Voice
from ctaplib.synthetic.labels import Labels, add_tones, intervals, word_index
from ctaplib.synthetic.languages import language
from ctaplib.synthetic.sentences import english_sentences, mandarin_sentences
from ctaplib.synthetic.speak_corpus import PlanRow, make_corpus, read_plan
from ctaplib.synthetic.speaking import Speech, speak_all, speak_once

MINI = Path(__file__).resolve().parents[2] / "egs" / "mini"
FOLDERS = ("", "tiny", "zh", "zh/tiny")
# Two of them have breath, which is noise and would differ from run to run without a seed of its own.
ROWS = [
    PlanRow("train", "f2", "f", Voice("en-gb-scotland", "f2"), 2),
    PlanRow("train", "m3", "m", Voice("en-us", "m3", 40, 170), 2),
    PlanRow("extra", "whisper", "m", Voice("en", "whisper"), 1),
]


def make(folder: Path, nj: int, rows: list[PlanRow] = ROWS, code: str = "en") -> dict[str, str]:
    """Make a small corpus; give the checksum of each file by its name."""
    make_corpus(rows, language(code), audio=folder / "wav", data=folder / "data", seed=3, nj=nj, unlabelled=("extra",))
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "wav.scp")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, make(folder, 1)


def test_the_same_bytes_every_time_whatever_the_number_of_processes(corpus: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    sums = make(tmp_path, 3)
    assert sums == corpus[1]
    assert sum(name.endswith(".wav") for name in sums) == 5


def test_an_utterance_does_not_depend_on_what_was_said_before() -> None:
    jobs = [Job(f"u-{i}", f"number {i} is here", Voice("en", "f2")) for i in range(3)]
    alone = [speak_once(job) for job in jobs]
    again = [speak_once(job) for job in reversed(jobs)][::-1]
    for a, b in zip(alone, again, strict=True):
        np.testing.assert_array_equal(a.samples, b.samples)
        assert a.starts == b.starts


def test_the_directories_are_valid_and_agree(corpus: tuple[Path, dict[str, str]]) -> None:
    data = corpus[0] / "data" / "train"
    report = validate_datadir(data, rate_hz=22050)
    assert report.faults == [] and report.utts == 4 and report.speakers == 2
    phones = read_table(data / "text.phn")
    for utt, alignment in read_ctm(data / "phones_true.ctm").items():
        info = soundfile.info(read_table(data / "wav.scp")[utt])
        assert [i.phone for i in alignment if i.phone != SILENCE] == phones[utt].split()
        assert alignment[0].start_s == 0 and alignment[0].phone == SILENCE == alignment[-1].phone
        assert alignment[-1].end_s == pytest.approx(info.duration, abs=2e-4)
        for left, right in itertools.pairwise(alignment):
            assert left.end_s == pytest.approx(right.start_s, abs=2e-4)
            assert not left.phone == right.phone == SILENCE
        assert all(i.end_s > i.start_s for i in alignment)


def test_words_of_phones_are_the_words_of_the_text(corpus: tuple[Path, dict[str, str]]) -> None:
    data = corpus[0] / "data" / "train"
    words = read_table(data / "text")
    for utt, line in read_table(data / "phn2word").items():
        numbers = [int(n) for n in line.split()]
        assert numbers == sorted(numbers) and numbers[0] == 0 and numbers[-1] == len(words[utt].split()) - 1


def test_silence_is_where_nothing_sounds(corpus: tuple[Path, dict[str, str]]) -> None:
    data = corpus[0] / "data" / "train"
    loud, quiet = [], []
    for utt, alignment in read_ctm(data / "phones_true.ctm").items():
        samples, rate = soundfile.read(read_table(data / "wav.scp")[utt])
        for i in alignment:
            part = samples[round(i.start_s * rate) : round(i.end_s * rate)]
            (quiet if i.phone == SILENCE else loud).append(float(np.sqrt(np.mean(part**2))))
    assert np.median(loud) > 30 * max(np.median(quiet), 1e-6)


def test_speech_without_text_has_none(corpus: tuple[Path, dict[str, str]]) -> None:
    names = {path.name for path in (corpus[0] / "data" / "extra").iterdir()}
    assert names == {"wav.scp", "utt2spk", "spk2utt", "utt2dur", "utt2lang", "spk2gender", "dropped.tsv"}


def test_level_is_even_and_never_clipped(corpus: tuple[Path, dict[str, str]]) -> None:
    for path in (corpus[0] / "wav").rglob("*.wav"):
        samples, _ = soundfile.read(path, dtype="int16")
        assert 8000 < np.abs(samples.astype(int)).max() <= 29000


def test_mandarin_vowels_carry_tones_and_what_disagrees_is_listed(tmp_path: Path) -> None:
    rows = [PlanRow("train", "m3", "m", Voice("cmn", "m3"), 12), PlanRow("train", "f2", "f", Voice("cmn", "f2"), 12)]
    make(tmp_path, 2, rows, "zh")
    data = tmp_path / "data" / "train"
    dropped = read_tsv(data / "dropped.tsv")
    text = read_table(data / "text")
    assert len(text) + len(dropped) == 24 and len(text) >= 18
    assert all("disagree" in row["reason"] for row in dropped)
    for utt, line in read_table(data / "text.phn").items():
        toned = [phone for phone in line.split() if phone[-1].isdigit()]
        assert len(toned) == len(text[utt]) and {phone[-1] for phone in toned} <= set("12345")


def test_disagreeing_syllables_are_a_reason() -> None:
    said = Labels("u", 1.0, (("n", 0.0, 0.1), ("i", 0.1, 0.2)), (0, 0), "ni214X'Au214")
    assert add_tones("你", said) == "1 characters, 2 tones and 1 syllables in the speech disagree"


def test_an_unknown_voice_and_an_unknown_language_are_named() -> None:
    with pytest.raises(DataError, match=r"u-1: the speech engine has no voice xx-nowhere\+m3"):
        speak_once(Job("u-1", "hello", Voice("xx-nowhere", "m3")))
    with pytest.raises(ConfigError, match="no language 'fr'; expected en or zh"):
        language("fr")


def keep_length(job: Job, spoken: Speech) -> tuple[str, int]:
    return job.utt, len(spoken.samples)


def test_results_come_in_the_order_of_the_jobs() -> None:
    jobs = [Job(f"u-{i}", "yes " * (1 + i % 3), Voice("en", "m3")) for i in range(20)]
    assert [utt for utt, _ in speak_all(jobs, keep_length, 2)] == [job.utt for job in jobs]


def test_neighbouring_silences_become_one() -> None:
    spoken = Speech("u", np.zeros(100, np.int16), 100, ("_", "_:", "a", "_"), (0, 10, 30, 60), ((30, 0),))
    assert intervals(spoken, lambda label: SILENCE if label[0] == "_" else label) == [
        (SILENCE, 0.0, 0.3), ("a", 0.3, 0.6), (SILENCE, 0.6, 1.0),
    ]  # fmt: skip
    assert word_index(spoken, "a b") == [-1, -1, 0, 0]


@pytest.mark.parametrize("stream", [english_sentences, mandarin_sentences])
def test_sentences_are_many_distinct_and_repeatable(stream: Callable) -> None:
    first, again = (list(itertools.islice(stream(1), 2200)) for _ in range(2))
    assert first == again and first != list(itertools.islice(stream(2), 2200))
    assert len({s.text for s in first}) == 2200


def test_english_sentences_use_several_hundred_words_evenly() -> None:
    texts = [s.text for s in itertools.islice(english_sentences(1), 1500)]
    counts: dict[str, int] = {}
    for word in " ".join(texts).split():
        counts[word] = counts.get(word, 0) + 1
    assert len(counts) > 700 and sum(count >= 3 for count in counts.values()) > 600
    assert all(3 <= len(text.split()) <= 16 for text in texts)
    assert not any(f" a {vowel}" in text for text in texts for vowel in ("apple", "orange", "oyster", "onion", "engine"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_voices_of_unseen_and_dev_occur_nowhere_else(folder: str) -> None:
    rows = read_plan(MINI / "lists" / folder / "voices.tsv")
    voices: dict[str, set[str]] = {}
    for row in rows:
        voices.setdefault(row.set, set()).add(row.voice.variant)
    for name in ("test_unseen", "dev"):
        others = set().union(*(found for other, found in voices.items() if other != name))
        assert not voices[name] & others
    assert voices["test_seen"] <= voices["train"] and not voices["train_speech"] & voices["train"]
    by_speaker: dict[str, set[tuple[str, int, int]]] = {}
    for row in rows:
        by_speaker.setdefault(row.speaker, set()).add((row.voice.accent, row.voice.pitch, row.voice.rate_wpm))
    assert all(len(found) == 1 for found in by_speaker.values())  # a speaker has one accent, pitch and rate


def test_the_full_plan_is_as_large_as_promised() -> None:
    rows = read_plan(MINI / "lists" / "voices.tsv")
    count = {name: sum(row.set == name for row in rows) for name in {row.set for row in rows}}
    assert count == {"train": 127, "dev": 4, "train_speech": 15, "test_unseen": 8, "test_seen": 40}
    assert all(row.utts == 20 for row in rows if row.set == "test_unseen")
    assert len({row.voice.accent for row in rows if row.set == "train"}) >= 6
    unseen = [row.gender for row in rows if row.set == "test_unseen"]
    assert unseen.count("f") == unseen.count("m") == 4


@pytest.mark.parametrize("folder", FOLDERS)
def test_fixed_lists_fit_the_corpus(folder: str) -> None:
    lists = MINI / "lists" / folder
    rows = [row for row in read_plan(lists / "voices.tsv") if row.set == "test_unseen"]
    genders = {row.speaker: row.gender for row in rows}
    known = {f"{row.speaker}-{i + 1:04d}" for row in rows for i in range(row.utts)}
    pairs, tts = read_tsv(lists / "vc_pairs.tsv"), read_tsv(lists / "tts.tsv")
    references = {row["spk"]: {row["utt1"], row["utt2"], row["utt3"]} for row in read_tsv(lists / "references.tsv")}
    assert references.keys() == genders.keys() and all(len(utts) == 3 for utts in references.values())
    used = {row[k] for row in pairs for k in ("source_utt", "prompt_utt")} | {
        row[k] for row in tts for k in ("text_utt", "prompt_utt")
    }
    assert used <= known and not used & set().union(*references.values())
    assert len({row["id"] for row in pairs}) == len(pairs) == (16 if "tiny" in folder else 112)
    assert len({row["id"] for row in tts}) == len(tts) == (8 if "tiny" in folder else 48)
    for row in pairs:
        source = row["source_utt"].rsplit("-", 1)[0]
        assert source != row["target_spk"] == row["prompt_utt"].rsplit("-", 1)[0]
        assert (row["cross_sex"] == "yes") == (genders[source] != genders[row["target_spk"]])
    assert sum(row["cross_sex"] == "yes" for row in pairs) * 2 == len(pairs)
    assert all(row["text_utt"] != row["prompt_utt"] and row["prompt_utt"].startswith(row["spk"] + "-") for row in tts)
    assert {row["set"] for row in (*pairs, *tts)} == {"test_unseen"}
