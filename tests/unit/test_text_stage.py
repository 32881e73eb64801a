"""What the text stage keeps and lists: phones of earlier runs, words in no dictionary, a user's own words."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctaplib.corpus.datadir import DataDir, read_words, write_datadir
from ctaplib.errors import ConfigError, DataError, DependencyError
from ctaplib.files import read_table, read_tsv
from ctaplib.text import cache as phone_cache
from ctaplib.text import phonemize
from ctaplib.text import prepare as prepare_text
from ctaplib.text.cache import Entry, PhoneCache, fingerprint
from ctaplib.text.frontends import MissingWordsError, TextConfig, make_frontend
from ctaplib.text.phonemize import find_phones
from ctaplib.text.pinyin import read_clause
from ctaplib.text.pinyin_syllables import pinyin_phones
from ctaplib.text.prepare import prepare

ROOT = Path(__file__).resolve().parents[2]
LEXICON = "A AH0\nCAT K AE1 T\nDOG D AO1 G\nSAT S AE1 T\nTHE DH AH0\n"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def lexicon_config(folder: Path, **values: object) -> TextConfig:
    return TextConfig(frontend="lexicon", lexicon=write(folder / "lexicon.txt", LEXICON), **values)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every attempt to reach a network fail loudly."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Texts that a front end was really asked for."""
    texts: list[str] = []
    real = phonemize.phones_of

    def noted(text: str, config: TextConfig) -> Entry:
        texts.append(text)
        return real(text, config)

    monkeypatch.setattr(phonemize, "phones_of", noted)
    phonemize._frontend.cache_clear()
    yield texts
    phonemize._frontend.cache_clear()


def test_symbols_without_a_rule_are_listed_with_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_text, "train_pieces", lambda *args: None)
    table = {
        "s-1": "the | cat",
        "s-2": "a cat",
        "s-3": "☃ the ~ dog ☃",
        "s-4": "the dog sat / sat",
        "s-5": "a dog*",
        "s-6": "a | dog",
    }
    folder = tmp_path / "data" / "train"
    write_datadir(DataDir(dict.fromkeys(table, "/x.wav"), {"utt2spk": dict.fromkeys(table, "s"), "text": table}), folder)
    write(folder / "text.phn", "s-6 AH0 D AO1 G\n")
    lexicon = LEXICON + "SLASH S L AE1 SH\n"
    config = TextConfig(frontend="lexicon", lexicon=write(tmp_path / "lexicon.txt", lexicon), max_dropped_pct=80, use_given=True)
    for _ in range(2):  # a second run counts nothing twice
        prepare(tmp_path / "data", tmp_path / "dump", ["train"], "train", config)
        assert read_tsv(folder / "oov.tsv") == [
            {"word": "☃", "count": "2", "phones": "dropped", "utts": "s-3"},
            {"word": "*", "count": "1", "phones": "dropped", "utts": "s-5"},
            {"word": "|", "count": "1", "phones": "dropped", "utts": "s-1"},
            {"word": "|", "count": "1", "phones": "given", "utts": "s-6"},
            {"word": "~", "count": "1", "phones": "dropped", "utts": "s-3"},
        ]
    reasons = {row["utt"]: row["reason"] for row in read_tsv(folder / "dropped_text.tsv")}
    assert set(reasons) == {"s-1", "s-3", "s-5"} and "unknown symbols ~ ☃" in reasons["s-3"]
    assert read_table(folder / "text.phn")["s-4"].split().count("S") == 3  # "the dog sat slash sat"


def test_what_was_found_is_not_looked_for_again(tmp_path: Path, asked: list[str]) -> None:
    config = lexicon_config(tmp_path)
    first = find_phones({"u1": "the cat", "u2": "a zebra", "u3": "the cat"}, config, 1, tmp_path / "cache")
    assert sorted(asked) == ["a zebra", "the cat"] and first["u1"] == first["u3"]
    again = find_phones({"u1": "the cat", "u2": "a zebra", "u4": "a dog"}, config, 1, tmp_path / "cache")
    assert asked[2:] == ["a dog"]
    assert again["u1"] == first["u1"] and again["u2"] == first["u2"] and again["u2"].unknown == ("zebra",)


def test_a_changed_lexicon_or_setting_starts_afresh(tmp_path: Path, asked: list[str]) -> None:
    config = lexicon_config(tmp_path)
    find_phones({"u1": "the cat"}, config, 1, tmp_path / "cache")
    before = fingerprint(config)
    (tmp_path / "lexicon.txt").write_text(LEXICON.replace("K AE1 T", "K AH1 T"))
    assert fingerprint(config) != before
    phonemize._frontend.cache_clear()
    assert find_phones({"u1": "the cat"}, config, 1, tmp_path / "cache")["u1"].phones == "DH AH0 K AH1 T"
    own = config.model_copy(update={"user_lexicon": write(tmp_path / "own.txt", "CAT K AO1 T\n")})
    assert find_phones({"u1": "the cat"}, own, 1, tmp_path / "cache")["u1"].phones == "DH AH0 K AO1 T"
    assert len(asked) == 3 and fingerprint(TextConfig()) != fingerprint(TextConfig(language="zh"))
    assert fingerprint(config) == fingerprint(config.model_copy(update={"spm_pieces": 999}))  # decides no phones


def test_another_version_of_a_package_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TextConfig(frontend="pypinyin", language="zh", foreign="")
    before = fingerprint(config)
    monkeypatch.setattr(phone_cache, "_version", lambda package: "99")
    assert fingerprint(config) != before


def test_a_damaged_file_is_passed_over_and_made_again(tmp_path: Path, asked: list[str], caplog: pytest.LogCaptureFixture) -> None:
    config = lexicon_config(tmp_path)
    good = find_phones({"u1": "the cat"}, config, 1, tmp_path / "cache")
    (path,) = (tmp_path / "cache").rglob("*.jsonl")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert find_phones({"u1": "the cat"}, config, 1, tmp_path / "cache") == good and asked == ["the cat", "the cat"]
    assert path.read_bytes() == content  # the same name, the same content
    assert any("is damaged" in record.getMessage() for record in caplog.records)


WRITER = """
import sys
from pathlib import Path
from ctaplib.text.frontends import TextConfig
from ctaplib.text.cache import Entry, PhoneCache
cache = PhoneCache(Path(sys.argv[1]), TextConfig(frontend="given"))
for round in range(20):
    cache.add({f"text {round} of {sys.argv[2]}": Entry("A B", "0 1"), f"text {round} of all": Entry("C", "0")})
    known = cache.read()
    assert known[f"text {round} of {sys.argv[2]}"] == Entry("A B", "0 1")
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(n)], cwd=ROOT) for n in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    known = PhoneCache(tmp_path, TextConfig(frontend="given")).read()
    assert len(known) == 20 * 3 + 20
    assert not list(tmp_path.rglob("*.partial"))


def test_in_parallel_as_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TextConfig(frontend="pypinyin", language="zh", foreign="")
    texts = {f"u{n}": f"我有{n}个苹果" for n in range(230)}
    alone = find_phones(texts, config, 1)
    monkeypatch.setattr(phonemize, "WORTH_S", 0.0)
    monkeypatch.setattr(phonemize, "SAMPLE", 20)
    assert find_phones(texts, config, 2, tmp_path) == alone
    assert len(PhoneCache(tmp_path, config).read()) == 230


def test_a_missing_package_stops_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(config: TextConfig) -> None:
        raise DependencyError("the package gruut is not installed", fix="pip install gruut")

    phonemize._frontend.cache_clear()
    monkeypatch.setattr(phonemize, "make_frontend", absent)
    with pytest.raises(DependencyError, match="gruut is not installed"):
        find_phones({"u1": "a cat"}, TextConfig(frontend="gruut"), 1)


def test_words_in_no_dictionary_are_listed_with_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prepare_text, "train_pieces", lambda *args: None)
    table = {"s-1": "the zebra sat", "s-2": "a cat", "s-3": "Zebra, a lynx, a zebra", "s-4": "the dog"}
    owner = dict.fromkeys(table, "s")
    write_datadir(DataDir(dict.fromkeys(table, "/x.wav"), {"utt2spk": owner, "text": table}), tmp_path / "data" / "train")
    prepare(tmp_path / "data", tmp_path / "dump", ["train"], "train", lexicon_config(tmp_path, max_dropped_pct=60))
    assert read_tsv(tmp_path / "data/train/oov.tsv") == [
        {"word": "zebra", "count": "3", "phones": "dropped", "utts": "s-1 s-3"},
        {"word": "lynx", "count": "1", "phones": "dropped", "utts": "s-3"},
    ]
    assert set(read_table(tmp_path / "data/train/text.phn")) == {"s-2", "s-4"}
    assert any("2 words are in no dictionary or symbols without a rule, 4 times in all" in r.getMessage() for r in caplog.records)


@pytest.mark.usefixtures("offline")
def test_g2p_en_names_what_it_guessed() -> None:
    found = make_frontend(TextConfig(frontend="g2p_en"))("The blorptastic cat's tail and the quuxes")
    assert found.guessed == ("blorptastic", "quuxes")
    assert set(found.words) == set(range(7))


@pytest.mark.usefixtures("offline")
def test_gruut_names_what_it_guessed_and_keeps_our_words() -> None:
    found = make_frontend(TextConfig(frontend="gruut"))("At 5:30 the blorptastic rock 'n' roll o'clock")
    assert found.guessed == ("blorptastic",)
    assert set(found.words) == set(range(9))  # at five thirty the blorptastic rock 'n' roll o'clock


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("frontend", ["g2p_en", "gruut", "lexicon"])
def test_the_users_words_win(tmp_path: Path, frontend: str) -> None:
    own = write(tmp_path / "own.txt", "Read R EH9 D\nthe_x X\nZEBRA Z IY9\n")
    config = lexicon_config(tmp_path, user_lexicon=own).model_copy(update={"frontend": frontend})
    found = make_frontend(config)("A zebra: read the cat.")
    by_word = [" ".join(p for p, i in zip(found.phones, found.words) if i == word) for word in range(5)]
    assert by_word[1:3] == ["Z IY9", "R EH9 D"] and found.guessed == ()
    assert by_word[4] in {"K AE1 T", "k ˈæ t"}


@pytest.mark.usefixtures("offline")
def test_the_users_chinese_words_win(tmp_path: Path) -> None:
    own = write(tmp_path / "own.txt", "银行 yin4 xing4\n北京 B EY J\niphone AY9 F\n")
    config = TextConfig(frontend="pypinyin", language="zh", user_lexicon=own, foreign="")
    assert make_frontend(config)("北京银行，iPhone").phones == ("B", "EY", "J", "in4", "x", "ing4", "AY9", "F")


def test_espeak_takes_no_user_lexicon(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="espeak takes no user lexicon"):
        make_frontend(TextConfig(frontend="espeak", user_lexicon="x"))


def test_faults_of_a_user_lexicon_are_told_at_once(tmp_path: Path) -> None:
    config = lexicon_config(tmp_path, user_lexicon=write(tmp_path / "own.txt", "CAT\nDOG D\nCOW\n"))
    with pytest.raises(DataError, match=r"(?s)own.txt has 2 bad lines.*own.txt:1: CAT.*own.txt:3: COW"):
        make_frontend(config)
    with pytest.raises(DataError, match=r"there is no lexicon .*none\.txt; to fix it: set `user_lexicon`"):
        make_frontend(config.model_copy(update={"user_lexicon": str(tmp_path / "none.txt")}))
    (tmp_path / "own.txt").write_bytes("CAFÉ K\n".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8"):
        make_frontend(config)


def test_missing_words_are_given_each_time(tmp_path: Path) -> None:
    with pytest.raises(MissingWordsError) as caught:
        make_frontend(lexicon_config(tmp_path))("a yak, a yak and a gnu")
    assert caught.value.words == ("yak", "yak", "and", "gnu")


@pytest.mark.usefixtures("offline")
def test_latin_words_in_mandarin_are_read_in_english() -> None:
    config = TextConfig(frontend="pypinyin", language="zh")
    found = make_frontend(config)("我用Zoom。")
    assert found.phones == ("uo3", "iong4", "Z", "UW1", "M") and found.words == (0, 1, 2, 2, 2)
    with pytest.raises(DataError, match=r"the Latin word 'zoom'.*`foreign`"):
        make_frontend(config.model_copy(update={"foreign": ""}))("我用Zoom。")


@pytest.mark.parametrize(
    "text,pinyin",
    [
        ("三比一战胜", "san1 bi3 yi1 zhan4 sheng4"), ("一天比一天好", "yi4 tian1 bi3 yi4 tian1 hao3"),
        ("数了数一共有多少人", "shu3 le5 shu3 yi2 gong4 you3 duo1 shao5 ren2"), ("得重新排行", "dei3 chong2 xin1 pai2 hang2"),
        ("四十一个已取消", "si4 shi2 yi1 ge4 yi2 qu3 xiao1"), ("为改善居住条件", "wei4 gai3 shan4 ju1 zhu4 tiao2 jian4"),
        ("种地的农民种了三种水果", "zhong4 di4 de5 nong2 min2 zhong4 le5 san1 zhong3 shui2 guo3"),
        ("业内人士分析认为", "ye4 nei4 ren2 shi4 fen1 xi1 ren4 wei2"),
    ],
)  # fmt: skip
def test_neighbours_decide(text: str, pinyin: str) -> None:
    assert " ".join(syllable for _, syllable in read_clause(text)) == pinyin


def test_no_sandhi_over_a_pause() -> None:
    front = make_frontend(TextConfig(frontend="pypinyin", language="zh"))
    assert front("好，我").phones == ("h", "ao3", "uo3")
    assert front("好我").phones == ("h", "ao2", "uo3")


@pytest.mark.parametrize(
    "syllable,phones",
    [
        ("zhong1", "zh ong1"), ("er2", "er2"), ("huar1", "h ua1 rr"), ("dianr3", "d ian3 rr"), ("zi5", "z ii5"),
        ("zhi1", "zh iii1"), ("ri4", "r iii4"), ("ji2", "j i2"), ("ju4", "j v4"), ("xuan3", "x van3"), ("lv4", "l v4"),
        ("lü4", "l v4"), ("lve4", "l ve4"), ("lue4", "l ve4"), ("lun2", "l uen2"), ("jun1", "j vn1"), ("liu2", "l iou2"),
        ("gui4", "g uei4"), ("yi1", "i1"), ("you3", "iou3"), ("yuan2", "van2"), ("yue4", "ve4"), ("wu3", "u3"),
        ("wen2", "uen2"), ("ang2", "ang2"), ("e4", "e4"), ("r5", "rr"), ("ng2", "ng2"),
    ],
)  # fmt: skip
def test_a_syllable_is_initial_and_final_with_tone(syllable: str, phones: str) -> None:
    assert " ".join(pinyin_phones(syllable)) == phones


@pytest.mark.parametrize("syllable", ["", "ma", "ma6", "xyz1", "zh1", "hello3", "你3", "b4"])
def test_what_is_no_syllable_is_an_error(syllable: str) -> None:
    with pytest.raises(DataError, match="is no pinyin syllable"):
        pinyin_phones(syllable)


def test_words_as_they_are_said_are_kept_for_pieces_and_error_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(prepare_text, "train_pieces", lambda texts, *args: seen.append(dict(texts)))
    table = {"s-1": "The CAT sat.", "s-2": "A dog, 2 dogs", "s-3": "☃ cat"}
    owner = dict.fromkeys(table, "s")
    folder = tmp_path / "data" / "train"
    write_datadir(DataDir(dict.fromkeys(table, "/x.wav"), {"utt2spk": owner, "text": table}), folder)
    assert read_words(folder) == table
    prepare(tmp_path / "data", tmp_path / "dump", ["train"], "train", lexicon_config(tmp_path, max_dropped_pct=80))
    said = {"s-1": "the cat sat", "s-2": "a dog two dogs", "s-3": "☃ cat"}
    assert read_table(folder / "text.norm") == read_words(folder) == said and seen == [said]
    assert read_table(folder / "text") == table
    assert {row["utt"]: row["reason"] for row in read_tsv(folder / "dropped_text.tsv")}["s-3"].startswith("unknown symbols ☃")


def test_the_corpus_phones_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_text, "train_pieces", lambda *args: None)
    table = {"s-1": "银行", "s-2": "行"}
    owner = dict.fromkeys(table, "s")
    folder = tmp_path / "data" / "train"
    write_datadir(DataDir(dict.fromkeys(table, "/x.wav"), {"utt2spk": owner, "text": table}), folder)
    write(folder / "text.phn", "s-1 in2 x ing2\n")
    config = TextConfig(frontend="pypinyin", language="zh", use_given=True, foreign="")
    prepare(tmp_path / "data", tmp_path / "dump", ["train"], "train", config)
    assert read_table(folder / "text.phn") == {"s-1": "in2 x ing2", "s-2": "x ing2"}
