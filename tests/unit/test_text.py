"""Normalisation, front ends, and the text stage."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import sentencepiece

from ctaplib.config_file import read_saved
from ctaplib.corpus.datadir import DataDir, write_datadir
from ctaplib.errors import ConfigError, DataError, DependencyError
from ctaplib.files import read_table, read_tsv
from ctaplib.normalize import english_rules, mandarin_rules
from ctaplib.normalize.english_numerals import spell_number, spell_ordinal
from ctaplib.normalize.normalizer import UnknownTextError, normalize_english, normalize_mandarin
from ctaplib.normalize.rules import Rule
from ctaplib.normalize.tables import read_tables
from ctaplib.synthetic.labels import engine_tones, sandhi
from ctaplib.text.cache import fingerprint
from ctaplib.text.frontends import TextConfig, frontend_names, make_frontend
from ctaplib.text.prepare import prepare, train_pieces
from ctaplib.text.tokens import read_token_list

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "text,words",
    [
        ("Hello, World!", "hello world"),
        ("It’s 5 o'clock -- really?", "it's five o'clock really"),
        ("$12.50 & 3%", "twelve dollars and fifty cents and three percent"),
        ("In 1999, 1,234 people", "in nineteen ninety nine one thousand two hundred thirty four people"),
        ("the 21st of May, 2005", "the twenty first of may two thousand five"),
        ("3.14", "three point one four"),
        ("Dr. Café", "doctor cafe"),
        ("£1", "one pound"),
        ("the 1990s", "the nineteen nineties"),
        ("B2B costs .5", "b two b costs point five"),
        ("She said no.", "she said no"),
        ("For my part I think so.", "for my part i think so"),
        ("James V. Smith met Ed. He ate a fig.", "james v smith met ed he ate a fig"),
        ("TV's best, the U.S.'s role", "t v's best the u s's role"),
        ("747s, 50/50, 9/11", "seven hundred forty sevens fifty fifty nine eleven"),
        ("Shh! HMM, she said", "shh hmm she said"),
        ("the rep. said, see Fig. 4", "the rep said see figure four"),
        ("'ok' vs. O.K., etc.", "okay versus o k et cetera"),
        ("a 5G network in room 12B", "a five g network in room twelve b"),
        ("$5-10 million, $1.5B, 2.5B", "five to ten million dollars one point five billion dollars two point five billion"),
        ("open 8am-5pm", "open eight a m to five p m"),
    ],
)
def test_english_is_written_as_it_is_said(text: str, words: str) -> None:
    assert normalize_english(text) == words
    assert normalize_english(words) == words


@pytest.mark.parametrize(
    "text,words",
    [
        ("他的电话是13812345678", "他的电话是幺三八幺二三四五六七八"),
        ("电话：010-12345678", "电话零幺零幺二三四五六七八"),
        ("得了COVID-19", "得了 covid 十九"),
    ],
)
def test_chinese_is_written_as_it_is_said(text: str, words: str) -> None:
    assert normalize_mandarin(text).split() == words.split()


@pytest.mark.parametrize("number,words", [(0, "zero"), (100, "one hundred"), (1000001, "one million one"), (-7, "minus seven")])
def test_numbers(number: int, words: str) -> None:
    assert spell_number(number) == words


@pytest.mark.parametrize("rules", [*english_rules.RULES.values(), *mandarin_rules.RULES.values()])
def test_every_rule_compiles_once_and_matches_no_empty_text(rules: list[Rule]) -> None:
    for rule in rules:
        assert rule.pattern is rule.pattern and not rule.pattern.fullmatch("")


@pytest.mark.parametrize("module", [english_rules, mandarin_rules])
def test_templates_of_rules_have_groups_and_forms_that_exist(module: ModuleType) -> None:
    tables = read_tables(Path(module.__file__).with_suffix(".tsv"))
    for name, rules in module.RULES.items():
        for rule, template in zip(rules, tables[name].values(), strict=True):
            for group, form in re.findall(r"\{(\w+)(?::(\w+))?\}", template):
                assert int(group) <= rule.pattern.groups if group.isdigit() else group in rule.pattern.groupindex
                assert not form or form in module.FORMS or form in module.WORDS, template


def test_ordinals() -> None:
    assert [spell_ordinal(n) for n in (1, 2, 3, 8, 12, 20, 101)] == [
        "first", "second", "third", "eighth", "twelfth", "twentieth", "one hundred first",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text,message",
    [
        ("abc ☃ def ™", "unknown symbols ☃"), ("...", "empty text"), ("你好", "unknown symbols 你 好"),
        ("a | b", r"unknown symbols \|"),
        ("~/home", "unknown symbols / ~"), ("price* applies", r"unknown symbols \*"), ("ℵ ^", r"unknown symbols \^ א"),
        ("Αθήνα", "unknown symbols α η θ ν"),
    ],
)  # fmt: skip
def test_text_that_cannot_be_spoken_is_an_error(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        normalize_english(text)


@pytest.mark.parametrize(
    "text,words",
    [
        ("98年夏天", "九八年夏天"), ("30年", "三十年"), ("80、90后", "八零九零后"), ("60-70%", "百分之六十到百分之七十"),
        ("-3℃", "零下三摄氏度"), ("2月2日2点2分2秒", "二月二日两点两分两秒"), ("1万2千", "一万两千"), ("3G/4G", "三 g 四 g"),
        ("上午9:05", "上午九点零五分"), ("11:1", "十一比一"), ("5,000元", "五千元"), ("10086", "一万零八十六"),
        ("Wi-Fi密码", "wi fi 密码"),
    ],
)  # fmt: skip
def test_mandarin_is_written_as_it_is_said(text: str, words: str) -> None:
    assert normalize_mandarin(text) == words == normalize_mandarin(words)


@pytest.mark.parametrize("text,symbols", [("甲|乙", "|"), ("好*好*", "**"), ("a^b", "^"), ("你#好_", "#_"), ("好/", "/")])
def test_mandarin_marks_are_said_or_named(text: str, symbols: str) -> None:
    with pytest.raises(UnknownTextError) as caught:
        normalize_mandarin(text)
    assert "".join(caught.value.unknown) == symbols
    assert normalize_mandarin("3*4，男/女，你好~") == "三乘四男或女你好"


def test_mandarin_keeps_characters_and_latin_words() -> None:
    assert normalize_mandarin("你好， 世界。") == "你好世界"
    assert normalize_mandarin("买3台iPhone") == "买三台 iphone"
    with pytest.raises(DataError, match="unknown symbols ☃"):
        normalize_mandarin("你☃")


def test_third_tones_change_before_third_tones() -> None:
    assert sandhi(list("333")) == list("223") and sandhi(list("3133")) == list("3123")
    assert engine_tones("ni214X'Au214_|\nts.'an214l'an214_|") == ["2", "3", "2", "3"]


def test_front_ends_are_found_by_name() -> None:
    assert {"given", "lexicon", "espeak", "gruut", "g2p_en", "pypinyin"} <= set(frontend_names())
    with pytest.raises(ConfigError, match=r"no text front end 'grut'; expected .*gruut"):
        make_frontend(TextConfig(frontend="grut"))
    for config in (TextConfig(frontend="grut"), TextConfig(frontend="grut", use_given=True)):
        with pytest.raises(ConfigError, match=r"no text front end 'grut'; expected .*gruut.*--text_args"):
            prepare(Path("nowhere"), Path("nowhere"), ["train"], "train", config)
        with pytest.raises(ConfigError, match=r"no text front end 'grut'"):
            fingerprint(config)
    with pytest.raises(ConfigError, match=r"no text front end 'g2p'.*`foreign`"):
        fingerprint(TextConfig(frontend="pypinyin", language="zh", foreign="g2p"))


def test_espeak_front_end_has_the_phones_of_the_corpus() -> None:
    found = make_frontend(TextConfig(frontend="espeak"))("The 2 foxes")
    assert found.phones == ("D", "@", "t", "'u:", "f", "'0", "k", "s", "I", "z")
    assert found.words == (0, 0, 1, 1, 2, 2, 2, 2, 2, 2)


def test_espeak_front_end_puts_tones_on_mandarin_vowels() -> None:
    found = make_frontend(TextConfig(frontend="espeak", language="zh"))("你好")
    assert found.phones == ("n", "i2", "X", "Au3")


def test_gruut_tells_homographs_apart_offline() -> None:
    found = make_frontend(TextConfig(frontend="gruut"))("I refuse the refuse.")
    assert found.phones[1:6] != found.phones[-6:-1] and found.words[-1] == 3


def test_pypinyin() -> None:
    found = make_frontend(TextConfig(frontend="pypinyin", language="zh"))("银行行长")
    assert found.phones == ("in2", "h", "ang2", "h", "ang2", "zh", "ang3") and found.words == (0, 1, 1, 2, 2, 3, 3)


def test_lexicon_names_all_words_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_text("A\tAH0_B\nCAT\tK AE1 T\nCAT\tK AH0 T\n")
    front = make_frontend(TextConfig(frontend="lexicon", lexicon=str(tmp_path / "lexicon.txt")))
    assert front("A cat.").phones == ("AH0", "K", "AE1", "T") and front("a cat").words == (0, 1, 1, 1)
    with pytest.raises(DataError, match="BAT ZEBRA"):
        front("a zebra, a bat")


def test_given_cannot_speak_new_text() -> None:
    with pytest.raises(DataError, match=r"conf/text\.yaml"):
        make_frontend(TextConfig())("hello")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every attempt to reach a network fail loudly."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
def test_g2p_en_works_offline() -> None:
    front = make_frontend(TextConfig(frontend="g2p_en"))
    found = front("I refuse to collect the refuse.")
    phones = " ".join(found.phones)
    assert "R IH0 F Y UW1 Z" in phones and "R EH1 F Y UW2" in phones  # the verb and the noun
    assert found.words[0] == 0 and found.words[-1] == 5
    assert len(front("blorptastic quuxes").phones) > 8  # not in any dictionary


def test_g2p_en_without_its_data_says_what_to_run(tmp_path: Path) -> None:
    code = (
        "import nltk.data; nltk.data.path[:] = []\n"
        "from ctaplib.text.frontends import TextConfig, make_frontend\n"
        "make_frontend(TextConfig(frontend='g2p_en'))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert DependencyError.__name__ in found.stderr and "tools/prepare_g2p_data.py" in found.stderr


def test_sox_runs_offline(tmp_path: Path) -> None:
    sox = shutil.which("sox")
    assert sox, "sox is not installed; tools/install.sh brings it"
    env = {"PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:9"}
    subprocess.run([sox, "-n", "-r", "16000", "-c", "1", tmp_path / "a.wav", "synth", "0.5", "sine", "300"], check=True, env=env)
    subprocess.run([sox, tmp_path / "a.wav", "-r", "8000", tmp_path / "b.wav"], check=True, env=env)
    assert subprocess.check_output([sox, "--i", "-r", tmp_path / "b.wav"], text=True).strip() == "8000"


@pytest.fixture
def no_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave SentencePiece out, for which a few words are too little text."""
    monkeypatch.setattr("ctaplib.text.prepare.train_pieces", lambda *args: None)


LEXICON = "A AH0\nCAT K AE1 T\nDOG D AO1 G\nSAT S AE1 T\nTHE DH AH0\n"


def corpus(tmp_path: Path, texts: dict[str, dict[str, str]]) -> TextConfig:
    """Write data directories without phones, and give a config with a lexicon."""
    (tmp_path / "lexicon.txt").write_text(LEXICON)
    for name, table in texts.items():
        owner = dict.fromkeys(table, "s")
        write_datadir(DataDir(dict.fromkeys(table, "/x.wav"), {"utt2spk": owner, "text": table}), tmp_path / "data" / name)
    return TextConfig(frontend="lexicon", lexicon=str(tmp_path / "lexicon.txt"), spm_pieces=14, max_dropped_pct=60)


def run(tmp_path: Path, config: TextConfig) -> None:
    prepare(tmp_path / "data", tmp_path / "dump", ("train", "test"), "train", config)


def test_the_stage_writes_phones_tokens_and_pieces(tmp_path: Path) -> None:
    config = corpus(
        tmp_path, {"train": {"s-1": "The cat sat.", "s-2": "a dog", "s-3": "the dog sat"}, "test": {"t-1": "the dog"}}
    )
    run(tmp_path, config)
    assert read_table(tmp_path / "data/train/text.phn")["s-1"] == "DH AH0 K AE1 T S AE1 T"
    assert read_table(tmp_path / "data/train/phn2word")["s-1"] == "0 0 1 1 1 2 2 2"
    lists = tmp_path / "dump" / "token_list"
    assert read_token_list(lists / "phn" / "tokens.txt").tokens[:4] == ("<blank>", "<unk>", "sil", "AE1")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(lists / "spm14" / "bpe.model"))
    assert [pieces.id_to_piece(i) for i in range(2)] == ["<blank>", "<unk>"] and len(pieces) == 14
    assert read_token_list(lists / "spm14" / "tokens.txt").tokens == tuple(pieces.id_to_piece(i) for i in range(14))
    assert pieces.decode(pieces.encode("the cat")) == "the cat"
    kept = read_saved(lists / "text.yaml")
    assert TextConfig.model_validate({name: kept[name] for name in TextConfig.model_fields}) == config


@pytest.mark.usefixtures("no_pieces")
def test_what_cannot_be_used_is_listed_with_its_reason(tmp_path: Path) -> None:
    texts = {"train": {"s-1": "the cat sat", "s-2": "", "s-3": "a zebra", "s-4": "cat"}, "test": {"t-1": "a dog", "t-2": "cat"}}
    run(tmp_path, corpus(tmp_path, texts))
    dropped = {
        row["utt"]: row["reason"] for name in ("train", "test") for row in read_tsv(tmp_path / f"data/{name}/dropped_text.tsv")
    }
    assert dropped["s-2"] == "empty text" and "ZEBRA" in dropped["s-3"]
    assert dropped["t-1"].startswith("unknown symbols AO1 D G: phones that train does not have")
    assert set(read_table(tmp_path / "data/train/text.phn")) == {"s-1", "s-4"}
    assert set(read_table(tmp_path / "data/test/text.phn")) == {"t-2"}


@pytest.mark.usefixtures("no_pieces")
def test_too_many_drops_fail_with_an_example(tmp_path: Path) -> None:
    config = corpus(tmp_path, {"train": {"s-1": "the cat"}, "test": {"t-1": "a zebra"}})
    with pytest.raises(DataError, match=r"(?s)test: 1 utterances \(100\.0 %\) dropped, e\.g\. t-1.*ZEBRA"):
        run(tmp_path, config)
    assert not (tmp_path / "dump" / "token_list").exists()


@pytest.mark.usefixtures("no_pieces")
def test_a_phone_of_unseen_stress_takes_the_known_one(tmp_path: Path) -> None:
    config = corpus(tmp_path, {"train": {"s-1": "the cat"}, "test": {"t-1": "cat"}})
    (tmp_path / "data/test/text.phn").write_text("t-1 K AE2 T\n")
    run(tmp_path, config.model_copy(update={"use_given": True}))
    assert read_table(tmp_path / "data/test/text.phn") == {"t-1": "K AE1 T"}


@pytest.mark.usefixtures("no_pieces")
def test_given_phones_stay_byte_for_byte(tmp_path: Path) -> None:
    config = corpus(tmp_path, {"train": {"s-1": "the cat", "s-2": "a"}, "test": {"t-1": "cat"}})
    for name, line in (("train", "s-1 X Y\ns-2 Y\n"), ("test", "t-1 Y X\n")):
        (tmp_path / "data" / name / "text.phn").write_text(line)
    before = (tmp_path / "data/train/text.phn").stat().st_mtime_ns
    run(tmp_path, config.model_copy(update={"frontend": "given"}))
    assert (tmp_path / "data/train/text.phn").stat().st_mtime_ns == before


@pytest.mark.usefixtures("no_pieces")
def test_silence_in_given_phones_is_refused(tmp_path: Path) -> None:
    config = corpus(tmp_path, {"train": {"s-1": "the cat"}, "test": {"t-1": "cat"}})
    (tmp_path / "data/train/text.phn").write_text("s-1 X sil Y\n")
    with pytest.raises(DataError, match="holds the phone sil"):
        run(tmp_path, config.model_copy(update={"use_given": True}))


def test_too_many_pieces_name_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="spm_pieces"):
        train_pieces({"s-1": "a cat"}, tmp_path, TextConfig(spm_pieces=500))


def test_a_bad_line_of_a_word_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("table\twritten\tspoken\n# Units.\nunit\tkm\tkilometer\ncrowd\tpeople\n")
    assert read_tables(path) == {"unit": {"km": "kilometer"}, "crowd": {"people": ""}}
    path.write_text("table\twritten\tspoken\nunit km kilometer\n")
    with pytest.raises(DataError, match=r"words\.tsv:2: 'unit km kilometer'.*separated by tabs"):
        read_tables(path)
