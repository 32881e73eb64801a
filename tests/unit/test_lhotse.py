"""lhotse reads our data directories, and we read its manifests (left out where it is not installed: pip install lhotse)."""

from pathlib import Path

import numpy as np
import pytest
from small_corpora import MAKERS, tone

from ctaplib.audio.files import read_audio
from ctaplib.cli.main import main
from ctaplib.corpus.datadir import DataDir, Segment, read_datadir, read_spans, write_datadir
from ctaplib.corpus.validate import validate_datadir

lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed; pip install lhotse urllib3")
kaldi = pytest.importorskip("lhotse.kaldi")
RATE = 16000


@pytest.mark.parametrize("with_segments", [False, True])
def test_lhotses_importer_reads_what_we_write(tmp_path: Path, with_segments: bool) -> None:
    utts = {f"{spk}-{k}": spk for spk in ("anna", "björn") for k in range(3)}
    paths = {utt: tone(tmp_path / "audio" / f"{utt}.wav", 1.0 + k / 10) for k, utt in enumerate(utts)}
    tables = {"utt2spk": utts, "text": {utt: f"grüße {utt}" for utt in utts}, "utt2lang": dict.fromkeys(utts, "de")}
    wavs, segments = {utt: str(path) for utt, path in paths.items()}, None
    if with_segments:
        wavs = {f"{utt}-r": path for utt, path in wavs.items()}
        segments = {utt: Segment(f"{utt}-r", 0.1, 0.9) for utt in utts}
    write_datadir(DataDir(wavs, tables, {"spk2gender": {"anna": "f", "björn": "m"}}, segments=segments), tmp_path / "data")
    recordings, supervisions, _ = kaldi.load_kaldi_data_dir(tmp_path / "data", sampling_rate=RATE)
    assert len(recordings) == 6 and {s.id for s in supervisions} == set(utts)
    for supervision in supervisions:
        assert supervision.speaker == utts[supervision.id] and supervision.text == f"grüße {supervision.id}"
        assert supervision.language == "de" and supervision.gender == {"anna": "f", "björn": "m"}[supervision.speaker]
        heard = recordings[supervision.recording_id].load_audio(offset=supervision.start, duration=supervision.duration)[0]
        span = read_spans(tmp_path / "data")[supervision.id]
        ours, _ = read_audio(span.path, start_s=span.start_s, end_s=span.end_s)
        np.testing.assert_allclose(heard, ours, atol=1e-4)


def test_we_read_what_lhotse_writes(tmp_path: Path) -> None:
    MAKERS["kaldi"](tmp_path / "theirs", 2, 13)  # one of its recordings is a command, whose length lhotse wants to be told
    (tmp_path / "theirs" / "reco2dur").write_text("s0-r 7.8\ns1-r 7.8\n")
    recordings, supervisions, _ = kaldi.load_kaldi_data_dir(tmp_path / "theirs", sampling_rate=RATE)
    (tmp_path / "manifests").mkdir()
    recordings.to_file(tmp_path / "manifests" / "x_recordings_all.jsonl.gz")
    supervisions.to_file(tmp_path / "manifests" / "x_supervisions_all.jsonl.gz")
    command = ["data", "import", str(tmp_path / "manifests"), "--data", str(tmp_path / "data"), "--nj", "1", "--set", "all"]
    assert main(command) == 0
    given, taken = read_datadir(tmp_path / "theirs"), read_datadir(tmp_path / "data" / "all")
    for name in ("text", "utt2spk"):
        assert taken.utts[name] == given.utts[name]
    assert dict(taken.spks["spk2gender"]) == dict(given.spks["spk2gender"])
    assert given.segments is not None and taken.segments is not None
    for utt, segment in given.segments.items():
        assert taken.segments[utt].recording == segment.recording
        assert abs(taken.segments[utt].start_s - segment.start_s) < 1e-4 and abs(taken.segments[utt].end_s - segment.end_s) < 1e-4
    assert validate_datadir(tmp_path / "data" / "all").faults == []
