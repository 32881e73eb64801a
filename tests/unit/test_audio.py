"""Reading, checking and writing audio: each bad file has a message of its own."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ctaplib.audio.files import inspect, read_audio, resample, write_audio
from ctaplib.errors import AudioError

RATE = 16000


def tone(seconds: float = 0.5, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def kinds(path: Path, rate_hz: int | None = RATE) -> set[str]:
    return {fault.kind for fault in inspect(path, rate_hz).faults}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_bad(kind: str, path: Path) -> Path:
    """Write an audio file with one fault."""
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "unreadable":
        path.write_bytes(b"this is not audio at all" * 10)
    elif kind == "zero_length":
        soundfile.write(path, np.zeros(0, np.float32), RATE, subtype="PCM_16")
    elif kind == "stereo":
        soundfile.write(path, np.stack([tone(), tone()], 1), RATE, subtype="PCM_16")
    elif kind == "low_resolution":
        soundfile.write(path, tone(), RATE, subtype="PCM_U8")
    elif kind == "wrong_rate":
        soundfile.write(path, tone(), 8000, subtype="PCM_16")
    elif kind == "not_finite":
        bad = tone()
        bad[10] = np.nan
        soundfile.write(path, bad, RATE, subtype="FLOAT")
    elif kind == "silent":
        soundfile.write(path, np.zeros(RATE, np.float32), RATE, subtype="PCM_16")
    elif kind == "clipped":
        soundfile.write(path, np.clip(tone(level=4.0), -1, 1), RATE, subtype="PCM_16")
    elif kind == "truncated":
        soundfile.write(path, tone(), RATE, subtype="PCM_16")
        truncate(path)
    return path


BAD = {
    "missing": "the file is missing",
    "empty": "0 bytes",
    "unreadable": "cannot be read as audio",
    "zero_length": "no samples",
    "stereo": "2 channels",
    "low_resolution": "8 bits",
    "wrong_rate": "8000 Hz; expected 16000 Hz",
    "not_finite": "1 samples are NaN",
    "silent": "silent",
    "clipped": "clipped",
    "truncated": "fewer than its header says",
}
USABLE = {"low_resolution", "wrong_rate", "clipped", "silent"}


@pytest.mark.parametrize("kind", BAD)
def test_each_bad_file_is_told_apart_and_has_a_remedy(tmp_path: Path, kind: str) -> None:
    path = make_bad(kind, tmp_path / "a.wav")
    faults = inspect(path, RATE).faults
    assert [fault.kind for fault in faults] == [kind]
    assert BAD[kind] in faults[0].message
    assert "to fix it: " in faults[0].message
    assert faults[0].fatal == (kind not in USABLE - {"silent"})


@pytest.mark.parametrize("kind", sorted(BAD.keys() - USABLE))
def test_reading_a_bad_file_raises_and_names_it(tmp_path: Path, kind: str) -> None:
    path = make_bad(kind, tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"a\.wav"):
        read_audio(path)


def test_a_good_file_has_no_faults_and_its_length(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", tone(0.75), RATE)
    info = inspect(tmp_path / "a.wav", RATE)
    assert info.faults == () and info.rate_hz == RATE and info.duration_s == 0.75


def test_any_rate_is_good_where_none_is_asked_for(tmp_path: Path) -> None:
    assert kinds(make_bad("wrong_rate", tmp_path / "a.wav"), None) == set()


def test_a_few_samples_at_full_scale_are_not_clipping(tmp_path: Path) -> None:
    loud = tone()
    loud[100:103] = 1.0
    soundfile.write(tmp_path / "a.wav", loud, RATE, subtype="PCM_16")
    assert kinds(tmp_path / "a.wav") == set()


def test_write_then_read_returns_the_samples(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", tone(), RATE)
    samples, rate = read_audio(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_allclose(samples, tone(), atol=2 / 32768)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.wav"]


def test_writing_nan_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="finite"):
        write_audio(tmp_path / "a.wav", np.array([0.0, np.nan], np.float32), RATE)
    assert list(tmp_path.iterdir()) == []


def test_a_segment_is_the_same_as_the_cut_of_the_whole(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", tone(1.0), RATE)
    whole, _ = read_audio(tmp_path / "a.wav")
    part, _ = read_audio(tmp_path / "a.wav", start_s=0.25, end_s=0.5)
    np.testing.assert_array_equal(part, whole[RATE // 4 : RATE // 2])


@pytest.mark.parametrize("start_s,end_s", [(0.0, 2.0), (-1.0, 0.5), (0.6, 0.2)])
def test_a_segment_outside_the_file_is_an_error(tmp_path: Path, start_s: float, end_s: float) -> None:
    write_audio(tmp_path / "a.wav", tone(1.0), RATE)
    with pytest.raises(AudioError, match="lies outside"):
        read_audio(tmp_path / "a.wav", start_s=start_s, end_s=end_s)


def test_resampling_keeps_pitch_and_length(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", tone(1.0), RATE)
    samples, rate = read_audio(tmp_path / "a.wav", 24000)
    assert rate == 24000 and abs(len(samples) - 24000) <= 2
    assert abs(int(np.argmax(np.abs(np.fft.rfft(samples)))) - 220) <= 1
    assert resample(tone(), RATE, 8000).dtype == np.float32


def test_a_command_is_read_as_the_file_that_it_makes(tmp_path: Path) -> None:
    write_audio(tmp_path / "a b.wav", tone(1.0), RATE)
    command = f"cat '{tmp_path}/a b.wav' |"
    whole, rate = read_audio(tmp_path / "a b.wav")
    for start_s, end_s in ((0.0, None), (0.25, 0.5)):
        np.testing.assert_array_equal(
            read_audio(command, start_s=start_s, end_s=end_s)[0], whole[int(start_s * rate) : int((end_s or 1) * rate)]
        )
    assert inspect(command, RATE).duration_s == 1.0 and inspect(command, RATE).faults == ()
    assert inspect(command, 8000).faults[0].kind == "wrong_rate"


@pytest.mark.parametrize(
    "command,message",
    [
        ("echo no >&2; false |", "`echo no >&2; false` ended with status 1 and printed: no"),
        ("false | cat |", "ended with status 1 and printed: nothing"),
        ("true |", "wrote no audio and printed: nothing"),
        ("echo text |", "cannot be read as audio"),
    ],
)
def test_a_command_that_fails_says_which_and_what_it_printed(command: str, message: str) -> None:
    assert message in inspect(command).faults[0].message and inspect(command).faults[0].fatal
    with pytest.raises(AudioError) as error:
        read_audio(command)
    assert message in str(error.value)


def test_a_place_in_an_archive_is_told_from_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "wav.ark").write_bytes(b"x")
    assert "a place in an archive" in inspect(tmp_path / "wav.ark:12").faults[0].message


@pytest.mark.parametrize(
    "form,subtype", [("FLAC", "PCM_16"), ("AIFF", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
)
def test_half_a_file_is_found_in_every_form(tmp_path: Path, form: str, subtype: str) -> None:
    path = tmp_path / f"a.{form.lower()}"
    noise = 0.1 * np.random.default_rng(0).standard_normal(48000)
    soundfile.write(path, noise, 48000, format=form, subtype=subtype)
    assert inspect(path).faults == () and inspect(path).duration_s == pytest.approx(1.0, abs=0.05)
    truncate(path)
    assert next(fault.kind for fault in inspect(path).faults if fault.fatal) in ("truncated", "unreadable", "zero_length")
