"""Kaldi's own scripts and ours on the same directories: the same files, the same exit status."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from kaldi_beside import differences, needs_kaldi, ours, random_directory, tables, theirs

from ctaplib.corpus.datadir import read_datadir

pytestmark = needs_kaldi
SEEDS = range(3)
FORMS = pytest.mark.parametrize("segments", [False, True], ids=["whole", "segments"])
EACH = pytest.mark.parametrize("seed", SEEDS)


@EACH
@FORMS
def test_what_we_write_passes_their_check(tmp_path: Path, seed: int, segments: bool) -> None:
    data = random_directory(tmp_path / "d", seed, segments=segments)
    options = [] if "feats.scp" in data.utts else ["--no-feats"]
    found = theirs("validate_data_dir.sh", *options, tmp_path / "d")
    assert found.returncode == 0 and "Successfully validated" in found.stdout, found.stdout + found.stderr
    assert ours("validate_data_dir", "--quick", *options, tmp_path / "d").returncode == 0


@EACH
@FORMS
@pytest.mark.parametrize("how", ["", "--first", "--last"])
def test_subsets_by_number(tmp_path: Path, seed: int, segments: bool, how: str) -> None:
    data = random_directory(tmp_path / "d", seed, segments=segments)
    for count in {1, 2, 3, len(data.utt_ids) // 2 or 1, len(data.utt_ids), len(data.utt_ids) + 1}:
        words = [how] * bool(how)
        one = theirs("subset_data_dir.sh", *words, tmp_path / "d", count, tmp_path / f"t{count}")
        two = ours("subset_data_dir", *words, tmp_path / "d", count, tmp_path / f"o{count}")
        assert one.returncode == two.returncode, one.stderr + two.stderr
        if not one.returncode:
            assert differences(tables(tmp_path / f"t{count}"), tables(tmp_path / f"o{count}")) == {}


@EACH
@FORMS
def test_subsets_of_each_speaker(tmp_path: Path, seed: int, segments: bool) -> None:
    """Theirs takes one less than asked for of a speaker who has fewer than twice as many."""
    data = random_directory(tmp_path / "d", seed, segments=segments)
    for count in (1, 2, 3):
        assert ours("subset_data_dir", "--per-spk", tmp_path / "d", count, tmp_path / f"o{count}").returncode == 0
        kept = read_datadir(tmp_path / f"o{count}").spk2utt()
        theirs("subset_data_dir.sh", "--per-spk", tmp_path / "d", count, tmp_path / f"t{count}")
        lines = (tmp_path / f"t{count}" / "spk2utt").read_text().splitlines()
        kaldis = {line.split()[0]: line.split()[1:] for line in lines}
        for spk, utts in data.spk2utt().items():
            assert len(kept[spk]) == min(count, len(utts))
            assert kaldis[spk] == (kept[spk] if len(utts) >= 2 * count else kept[spk][: count - 1])


@EACH
@FORMS
def test_subsets_by_list(tmp_path: Path, seed: int, segments: bool) -> None:
    data, rng = random_directory(tmp_path / "d", seed, segments=segments), Random(seed)
    for what, ids in (("utt", data.utt_ids), ("spk", data.speakers)):
        chosen = rng.sample(ids, rng.randint(1, len(ids)))
        (tmp_path / "list").write_text("".join(f"{name} and more\n" for name in chosen))
        for number, run in enumerate((theirs, ours)):
            script = "subset_data_dir.sh" if run is theirs else "subset_data_dir"
            done = run(script, f"--{what}-list", tmp_path / "list", tmp_path / "d", tmp_path / f"{what}{number}")
            assert done.returncode == 0, done.stderr
        assert differences(tables(tmp_path / f"{what}0"), tables(tmp_path / f"{what}1")) == {}
        assert theirs("validate_data_dir.sh", "--no-feats", tmp_path / f"{what}1").returncode == 0


@EACH
@FORMS
def test_subsets_of_random_speakers_are_whole_and_large_enough(tmp_path: Path, seed: int, segments: bool) -> None:
    """Which speakers chance takes is not the same; how many utterances are enough is."""
    data = random_directory(tmp_path / "d", seed, segments=segments)
    count = len(data.utt_ids) // 2 or 1
    assert ours("subset_data_dir", "--speakers", tmp_path / "d", count, tmp_path / "o").returncode == 0
    assert theirs("subset_data_dir.sh", "--speakers", tmp_path / "d", count, tmp_path / "t").returncode == 0
    for folder in (tmp_path / "o", tmp_path / "t"):
        kept = read_datadir(folder)
        assert len(kept.utt_ids) >= count
        assert kept.utt_ids == [u for u in data.utt_ids if data.utts["utt2spk"][u] in kept.speakers]


@EACH
@FORMS
@pytest.mark.parametrize("per_utt", [False, True], ids=["speakers", "utterances"])
def test_splits(tmp_path: Path, seed: int, segments: bool, per_utt: bool) -> None:
    data = random_directory(tmp_path / "t", seed, segments=segments)
    shutil.copytree(tmp_path / "t", tmp_path / "o")
    words = ["--per-utt"] * per_utt
    there = len(data.utt_ids if per_utt else data.speakers)
    for parts in {1, 2, 3, there, there + 1}:
        one = theirs("split_data.sh", *words, tmp_path / "t", parts)
        two = ours("split_data", *words, tmp_path / "o", parts)
        assert one.returncode == two.returncode, one.stderr + two.stderr
        for number in range(1, parts + 1) if not one.returncode else ():
            own = tmp_path / "o" / f"split{parts}{'utt' * per_utt}" / str(number)
            kaldis = tmp_path / "t" / f"split{parts}{'utt' * per_utt}"  # older ones call both splitN
            kaldis = kaldis if kaldis.is_dir() else tmp_path / "t" / f"split{parts}"
            assert differences(tables(kaldis / str(number)), tables(own)) == {}


@EACH
@FORMS
def test_combining(tmp_path: Path, seed: int, segments: bool) -> None:
    """Of sources with and without segments, genders, languages; a directory of that name is replaced."""
    random_directory(tmp_path / "a", seed, segments=segments)
    random_directory(tmp_path / "b", seed + 100, segments=seed % 2 == 0, prefix="q")
    for name in ("t", "o"):
        random_directory(tmp_path / name, 7, segments=True)
    sources = [tmp_path / "b", tmp_path / "a"]
    one, two = theirs("combine_data.sh", tmp_path / "t", *sources), ours("combine_data", tmp_path / "o", *sources)
    assert one.returncode == two.returncode == 0, one.stdout + one.stderr + two.stderr
    assert differences(tables(tmp_path / "t"), tables(tmp_path / "o")) == {}
    found = theirs("validate_data_dir.sh", "--no-feats", tmp_path / "o")
    assert found.returncode == 0, found.stdout


@EACH
@FORMS
@pytest.mark.parametrize(
    "words", [[], ["--utt-prefix", "x-", "--spk-prefix", "x-"], ["--utt-suffix=-y"], ["--spk-suffix", "", "--utt-prefix", "p_"]]
)
def test_copying(tmp_path: Path, seed: int, segments: bool, words: list[str]) -> None:
    random_directory(tmp_path / "d", seed, segments=segments)
    if not segments:  # theirs forgets to rename it, and then refuses what it made
        (tmp_path / "d" / "reco2file_and_channel").unlink(missing_ok=True)
    kaldis = [part for word in words for part in word.split("=")]
    one = theirs("copy_data_dir.sh", *kaldis, "--validate-opts", "--no-spk-sort", tmp_path / "d", tmp_path / "t")
    two = ours("copy_data_dir", *words, "--validate-opts", "--no-spk-sort", tmp_path / "d", tmp_path / "o")
    assert one.returncode == two.returncode == 0, one.stdout + one.stderr + two.stderr
    assert differences(tables(tmp_path / "t"), tables(tmp_path / "o")) == {}
    assert theirs("copy_data_dir.sh", tmp_path / "d", tmp_path / "d").returncode == 1
    assert ours("copy_data_dir", tmp_path / "d", tmp_path / "d").returncode == 1


def same_numbers(one: bytes, two: bytes, tolerance: float) -> bool:
    """Whether two tables are the same but for the last digits of numbers."""
    first, second = ([line.split() for line in text.decode().splitlines()] for text in (one, two))
    words = [pair for a, b in zip(first, second, strict=True) for pair in zip(a, b, strict=True)]
    return all(a == b or abs(float(a) - float(b)) <= tolerance for a, b in words)


def same_but_for_rounding(one: dict[str, bytes], two: dict[str, bytes]) -> None:
    """They round to 6 digits, times of segments to 0.01 s; their sox reads WAV alone where ours asks the file what it is."""
    for name, (kaldis, own) in differences(one, two).items():
        assert own is not None, name
        if name == "wav.scp":
            assert kaldis.replace(b"sox -t wav /", b"sox /") == own
        else:
            assert same_numbers(kaldis, own, {"segments": 0.0051}.get(name, 0.0006)), (name, kaldis, own)


@EACH
@FORMS
@pytest.mark.parametrize("factor", ["0.9", "1.1"])
def test_other_speeds(tmp_path: Path, seed: int, segments: bool, factor: str) -> None:
    random_directory(tmp_path / "d", seed, segments=segments)
    one = theirs("perturb_data_dir_speed.sh", factor, tmp_path / "d", tmp_path / "t")
    two = ours("perturb_data_dir_speed", factor, tmp_path / "d", tmp_path / "o")
    assert two.returncode == one.returncode == 0, one.stdout + one.stderr + two.stderr
    same_but_for_rounding(tables(tmp_path / "t"), tables(tmp_path / "o"))


@EACH
@FORMS
def test_the_same_speakers_at_another_speed(tmp_path: Path, seed: int, segments: bool) -> None:
    """Theirs gives changed recordings the names of the originals, or a reco2dur that its own check refuses; ours renames them."""
    data = random_directory(tmp_path / "d", seed, segments=segments)
    words = ["--include-spk-prefix", "false", "0.9", tmp_path / "d"]
    theirs("perturb_data_dir_speed.sh", *words, tmp_path / "t")
    assert ours("perturb_data_dir_speed", *words, tmp_path / "o").returncode == 0
    own = tables(tmp_path / "o")
    kaldis = {name: text for name, text in tables(tmp_path / "t").items() if name in data.utts or name in ("spk2utt", "utt2uniq")}
    same_but_for_rounding(kaldis, own)
    assert read_datadir(tmp_path / "o").speakers == data.speakers
    found = theirs("validate_data_dir.sh", "--no-feats", tmp_path / "o")
    assert found.returncode == 0, found.stdout


@EACH
@FORMS
@pytest.mark.parametrize("words", [[], ["--always-include-prefix", "true"]])
def test_three_speeds(tmp_path: Path, seed: int, segments: bool, words: list[str]) -> None:
    random_directory(tmp_path / "d", seed, segments=segments)
    one = theirs("data/perturb_data_dir_speed_3way.sh", *words, tmp_path / "d", tmp_path / "t")
    two = ours("perturb_data_dir_speed_3way", *words, tmp_path / "d", tmp_path / "o")
    assert one.returncode == two.returncode, one.stdout + one.stderr + two.stderr
    if not one.returncode:
        same_but_for_rounding(tables(tmp_path / "t"), tables(tmp_path / "o"))


@EACH
def test_durations_of_segments(tmp_path: Path, seed: int) -> None:
    random_directory(tmp_path / "t", seed, segments=True)
    (tmp_path / "t" / "utt2dur").unlink()
    shutil.copytree(tmp_path / "t", tmp_path / "o")
    assert theirs("data/get_utt2dur.sh", tmp_path / "t").returncode == 0
    assert ours("get_utt2dur", tmp_path / "o").returncode == 0
    assert same_numbers((tmp_path / "t/utt2dur").read_bytes(), (tmp_path / "o/utt2dur").read_bytes(), 0.0001)


@EACH
def test_tables_turned_filtered_and_split(tmp_path: Path, seed: int) -> None:
    data, rng = random_directory(tmp_path / "d", seed, segments=False), Random(seed)
    (tmp_path / "list").write_text("".join(f"{u} x\n" for u in rng.sample(data.utt_ids, 2 if len(data.utt_ids) > 1 else 1)))
    (tmp_path / "spks").write_text(f"{data.speakers[0]}\n")
    folder = tmp_path / "d"
    for command, kaldi, *words in (
        ("utt2spk_to_spk2utt", "utt2spk_to_spk2utt.pl", folder / "utt2spk"),
        ("spk2utt_to_utt2spk", "spk2utt_to_utt2spk.pl", folder / "spk2utt"),
        ("filter_scp", "filter_scp.pl", tmp_path / "list", folder / "text"),
        ("filter_scp", "filter_scp.pl", "--exclude", tmp_path / "list", folder / "text"),
        ("filter_scp", "filter_scp.pl", "-f", 2, "--exclude", tmp_path / "spks", folder / "utt2spk"),
        ("filter_scp", "filter_scp.pl", "--exclude", "-f", 2, tmp_path / "spks", folder / "utt2spk"),
        ("split_scp", "split_scp.pl", "-j", 2, 1, folder / "text"),
        ("split_scp", "split_scp.pl", "-j", 2, 1, "--one-based", folder / "text"),
        ("split_scp", "split_scp.pl", "-j", 2, 2, "--one-based", folder / "text"),
        ("split_scp", "split_scp.pl", "-j", 2, 0, "--one-based", folder / "text"),
        ("split_scp", "split_scp.pl", "-j", 2, 2, folder / "text"),
        ("split_scp", "split_scp.pl", "-j", 2, 0, f"--utt2spk={folder}/utt2spk", folder / "text"),
        ("split_scp", "split_scp.pl", f"--utt2spk={folder}/utt2spk", folder / "text", *["/dev/null"] * 9),
        ("split_scp", "split_scp.pl", folder / "text", *["/dev/null"] * 99),
        ("split_scp", "split_scp.pl", folder / "text"),
        ("filter_scp", "filter_scp.pl", tmp_path / "absent", folder / "text"),
        ("filter_scp", "filter_scp.pl", "-f", 9, tmp_path / "list", folder / "utt2spk"),
    ):  # fmt: skip
        one, two = theirs(kaldi, *words), ours(command, *words)
        assert (one.returncode == 0) == (two.returncode == 0), (command, words, one.stderr, two.stderr)
        assert one.returncode or one.stdout == two.stdout, (command, words)
    for words in ([], [f"--utt2spk={folder}/utt2spk"]):
        for number in range(1, len(data.speakers) + 1):
            outs = {name: [tmp_path / f"{name}{k}" for k in range(number)] for name in "to"}
            assert theirs("split_scp.pl", *words, folder / "text", *outs["t"]).returncode == 0
            assert ours("split_scp", *words, folder / "text", *outs["o"]).returncode == 0
            assert [p.read_bytes() for p in outs["t"]] == [p.read_bytes() for p in outs["o"]]


@pytest.mark.parametrize(
    "command,kaldi,words,text",
    [
        ("utt2spk_to_spk2utt", "utt2spk_to_spk2utt.pl", [], "b s\na t\nc s\n"),
        ("utt2spk_to_spk2utt", "utt2spk_to_spk2utt.pl", [], "b s\na\n"),
        ("utt2spk_to_spk2utt", "utt2spk_to_spk2utt.pl", [], "b s\n\na s\n"),
        ("spk2utt_to_utt2spk", "spk2utt_to_utt2spk.pl", [], "s b a\nt c\n"),
        ("spk2utt_to_utt2spk", "spk2utt_to_utt2spk.pl", [], "s b a\nt\n"),
        ("filter_scp", "filter_scp.pl", ["LIST"], "b  two  spaces \n a\tx\nc\n"),
        ("filter_scp", "filter_scp.pl", ["LIST"], "b 1\nno end of line"),
        ("filter_scp", "filter_scp.pl", ["--exclude", "LIST"], "ü 1\na 2\n你 3\n"),
        ("filter_scp", "filter_scp.pl", ["LIST"], "b 1\n\nc 2\n"),
    ],
)
def test_odd_tables(tmp_path: Path, command: str, kaldi: str, words: list[str], text: str) -> None:
    (tmp_path / "list").write_text("a\nb x\n你\n")
    places = [tmp_path / "list" if word == "LIST" else word for word in words]
    one, two = theirs(kaldi, *places, stdin=text), ours(command, *places, stdin=text)
    assert (one.returncode == 0) == (two.returncode == 0), (one.stderr, two.stderr)
    assert one.returncode or one.stdout == two.stdout


def change(name: str, what: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Change the lines of a table."""

    def do(folder: Path) -> None:
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        (folder / name).write_text("".join(f"{line}\n" for line in what(lines)), encoding="utf-8")

    return do


def first(edit: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    """Change the first line."""
    return lambda lines: [edit(lines[0]), *lines[1:]]


def added(name: str, line: str) -> Callable[[Path], None]:
    """Add a line in its place."""
    return change(name, lambda lines: sorted([*lines, line], key=str.encode))


def value(name: str, text: str) -> Callable[[Path], None]:
    """Give the first line another value."""
    return change(name, first(lambda line: f"{line.split()[0]} {text}".rstrip()))


def fresh(name: str, text: str, by: str = "utt2spk") -> Callable[[Path], None]:
    """Make a table with one value for every id of another one."""

    def do(folder: Path) -> None:
        ids = [line.split()[0] for line in (folder / by).read_text(encoding="utf-8").splitlines()]
        (folder / name).write_text("".join(f"{key} {text}\n" for key in ids), encoding="utf-8")

    return do


def rewritten(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change a file as bytes."""
    return lambda folder: (folder / name).write_bytes(edit((folder / name).read_bytes())) and None


UTTS = ("utt2spk", "text", "wav.scp", "utt2dur")
DAMAGES: dict[str, Callable[[Path], object]] = {
    **{f"{n} gone": lambda d, n=n: (d / n).unlink() for n in ("utt2spk", "spk2utt", "text", "wav.scp")},
    **{f"{n} empty": lambda d, n=n: (d / n).write_text("") for n in (*UTTS, "spk2utt", "utt2lang", "spk2gender")},
    **{f"{n} unsorted": change(n, lambda lines: lines[::-1]) for n in (*UTTS, "spk2utt", "segments", "spk2gender")},
    **{f"{n} twice": change(n, lambda lines: [lines[0], *lines]) for n in (*UTTS, "spk2utt", "segments", "spk2gender")},
    **{
        f"{n} lacks one": change(n, lambda lines: lines[1:])
        for n in (
            *UTTS,
            "spk2utt",
            "segments",
            "spk2gender",
            "utt2lang",
            "utt2uniq",
            "utt2num_frames",
            "feats.scp",
            "cmvn.scp",
            "vad.scp",
            "reco2dur",
            "reco2file_and_channel",
        )
    },
    **{f"{n} has one more": added(n, "zzz x") for n in (*UTTS, "spk2utt", "spk2gender", "utt2lang", "cmvn.scp", "reco2dur")},
    **{f"{n} without end": rewritten(n, lambda text: text[:-1]) for n in (*UTTS, "spk2utt", "segments", "spk2gender")},
    **{
        f"{n} with CR": rewritten(n, lambda text: text.replace(b"\n", b"\r\n"))
        for n in ("text", "utt2dur", "spk2gender", "segments")
    },
    "full-width space": value("text", "a\u3000b"),
    "no-break space": value("text", "a\u00a0b"),
    "control": value("text", "a\x01b"),
    "unassigned": value("text", "a\u0378b"),
    "tab": value("text", "a\tb"),
    "start word": value("text", "a <s> b"),
    "start in word": value("text", "a-<s>-b"),
    "start between letters": value("text", "a<s>b"),
    "number sign": value("text", "#0.5"),
    "number sign 1": value("text", "#01"),
    "spaces": value("text", "a   b"),
    "accents": value("text", "ça 你好 … “x”"),
    "tilde": value("wav.scp", "~/a.wav"),
    "tilde within": value("wav.scp", "cat ~/a.wav |"),
    "backwards": value("segments", "a 2 1"),
    "three fields": value("segments", "a 2"),
    "unknown recording": value("segments", "zz 1 2"),
    "duration 0": value("utt2dur", "0"),
    "negative": value("utt2dur", "-1"),
    "no number": value("utt2dur", "x"),
    "two durations": value("utt2dur", "1.0 2.0"),
    "frames 0": fresh("utt2num_frames", "0"),
    "frames 1.5": fresh("utt2num_frames", "1.5"),
    "recording 0": value("reco2dur", "0"),
    "recording x": value("reco2dur", "x"),
    "two lengths": value("reco2dur", "1 2"),
    "gender": value("spk2gender", "male"),
    "two genders": value("spk2gender", "f f"),
    "capital": value("spk2gender", "F"),
    "channel": fresh("reco2file_and_channel", "x C", "wav.scp"),
    "channel 1": fresh("reco2file_and_channel", "x 1", "wav.scp"),
    "two columns": fresh("reco2file_and_channel", "x", "wav.scp"),
    "warp": fresh("utt2warp", "1.0"),
    "warp 2": fresh("utt2warp", "2"),
    "spk warp": fresh("spk2warp", "1.0", "spk2utt"),
    "spk warp 0.5": fresh("spk2warp", "0.5", "spk2utt"),
    "spk warp of utts": fresh("spk2warp", "1.0"),
    "another owner": value("utt2spk", "zzz"),
    "other spk2utt": value("spk2utt", "zzz"),
    "spk2utt order": change("spk2utt", lambda lines: [" ".join([line.split()[0], *line.split()[:0:-1]]) for line in lines]),
}
STRICTER = {"utt2dur with CR", "segments with CR", "no number", "recording x"}
"""Damages that ours refuses and theirs passes: see `validate_data_dir.sh --help`."""


@FORMS
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_they_refuse_we_refuse(tmp_path: Path, damage: str, segments: bool) -> None:
    everything = (
        {"spk2gender": "f", "cmvn.scp": "a"},
        {"utt2lang": "en", "utt2uniq": "u", "utt2num_frames": "9", "feats.scp": "a", "vad.scp": "a"},
    )
    random_directory(tmp_path / "d", 1, segments=segments)
    for table, by in zip(everything, ("spk2utt", "utt2spk")):
        for name, text in table.items():
            fresh(name, text, by)(tmp_path / "d")
    fresh("reco2file_and_channel", "x A", "wav.scp")(tmp_path / "d")
    before = theirs("validate_data_dir.sh", tmp_path / "d")
    assert before.returncode == 0, before.stdout
    assert ours("validate_data_dir", "--quick", tmp_path / "d").returncode == 0
    if not segments and (damage.startswith("segments") or damage in ("backwards", "three fields", "unknown recording")):
        pytest.skip("there are no segments to damage")
    DAMAGES[damage](tmp_path / "d")
    one, two = theirs("validate_data_dir.sh", tmp_path / "d"), ours("validate_data_dir", "--quick", tmp_path / "d")
    passed = one.returncode == 0 and "Successfully" in one.stdout
    assert passed or damage not in STRICTER
    assert (two.returncode == 0) == (passed and damage not in STRICTER), (
        damage,
        one.stdout + one.stderr,
        two.stdout + two.stderr,
    )


REPAIRED = (
    "wav.scp lacks one",
    "text lacks one",
    "utt2spk lacks one",
    "segments lacks one",
    "spk2gender lacks one",
    "cmvn.scp lacks one",
    "utt2lang lacks one",
    "feats.scp lacks one",
    "utt2spk unsorted",
    "text unsorted",
    "segments unsorted",
    "wav.scp twice",
    "text twice",
    "utt2spk has one more",
    "spk2gender has one more",
    "duration 0",
    "spk2utt gone",
    "other spk2utt",
)


@FORMS
@pytest.mark.parametrize("damage", REPAIRED)
def test_a_repair_keeps_the_same_utterances_and_passes_their_check(tmp_path: Path, damage: str, segments: bool) -> None:
    if not segments and damage.startswith("segments"):
        pytest.skip("there are no segments to damage")
    random_directory(tmp_path / "t", 1, segments=segments)
    for name, text, by in (("spk2gender", "f", "spk2utt"), ("cmvn.scp", "a", "spk2utt"), ("utt2lang", "en", "utt2spk")):
        fresh(name, text, by)(tmp_path / "t")
    fresh("feats.scp", "a", "utt2spk")(tmp_path / "t")
    DAMAGES[damage](tmp_path / "t")
    shutil.copytree(tmp_path / "t", tmp_path / "o")
    before = tables(tmp_path / "o")
    one, two = theirs("fix_data_dir.sh", tmp_path / "t"), ours("fix_data_dir", "--quick", tmp_path / "o")
    assert one.returncode == two.returncode == 0, (damage, one.stdout, two.stdout + two.stderr)
    for name in ("utt2spk", "spk2utt", "text", "wav.scp", "utt2lang", "feats.scp", "spk2gender", "cmvn.scp"):
        assert (tmp_path / "t" / name).read_bytes() == (tmp_path / "o" / name).read_bytes(), (damage, name)
    assert tables(tmp_path / "o" / ".backup") == before
    found = theirs("validate_data_dir.sh", tmp_path / "o")
    assert found.returncode == 0, found.stdout
