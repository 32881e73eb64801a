"""Token lists."""

from pathlib import Path

import pytest

from ctaplib.errors import DataError
from ctaplib.phones import english_phone, fold, mandarin_phone
from ctaplib.text.tokens import make_phone_list, read_token_list, write_token_list


def test_special_tokens_come_first_then_phones_in_c_order() -> None:
    tokens = make_phone_list([["b", "a", "sil"], ["B", "'a", "b"]])
    assert tokens.tokens == ("<blank>", "<unk>", "sil", "'a", "B", "a", "b")
    assert tokens.ids(["sil", "a"]) == [2, 5] and tokens.tokens[5] == "a"
    assert tokens.phones == ("'a", "B", "a", "b") and "zz" not in tokens and len(tokens) == 7


def test_unknown_symbols_are_all_named() -> None:
    with pytest.raises(DataError, match=r"unknown symbols q z"):
        make_phone_list([["a"]]).ids(["z", "a", "q"])


def test_nearest_ignores_stress() -> None:
    tokens = make_phone_list([["AH0", "AH1", "K"]])
    assert tokens.nearest("AH1") == "AH1" and tokens.nearest("AH2") == "AH0" and tokens.nearest("EH0") is None


def test_write_and_read(tmp_path: Path) -> None:
    tokens = make_phone_list([["a", "@L"]])
    write_token_list(tokens, tmp_path / "tokens.txt")
    assert read_token_list(tmp_path / "tokens.txt") == tokens


@pytest.mark.parametrize(
    "text,message",
    [
        ("<unk>\n<blank>\na\n", "expected <blank> and then <unk>"),
        ("<blank>\n<unk>\na\nb\na\n", ":5: a was there before"),
        ("<blank>\n<unk>\na b\n", ":3: 'a b' is not one token"),
    ],
)
def test_a_bad_list_names_line_and_fault(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tokens.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_token_list(tmp_path / "tokens.txt")


def test_a_missing_list_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="text stage"):
        read_token_list(tmp_path / "tokens.txt")


@pytest.mark.parametrize(
    "phone,folded",
    [("AY1", "AY"), ("AY0_B", "AY"), ("K_E", "K"), ("'aI", "aI"), (",3:", "3:"), ("iang4", "iang4"), ("Au3", "Au3"),
     ("sil", "sil"), ("IY", "IY"), ("t", "t")],
)  # fmt: skip
def test_folding_drops_stress_and_position_and_keeps_tone(phone: str, folded: str) -> None:
    assert fold(phone) == folded and fold(folded) == folded


@pytest.mark.parametrize(
    "mnemonic,phone",
    [("'I#", "'I"), ("@2", "@"), ("_:", "sil"), ("", "sil"), ("(en)", "sil"), (";", "j"), ("'eI", "'eI"), ("a#", "a-")],
)
def test_engine_names_become_safe_phones(mnemonic: str, phone: str) -> None:
    assert english_phone(mnemonic) == phone
    assert "#" not in phone and " " not in phone


def test_mandarin_phones_lose_stress() -> None:
    assert mandarin_phone("'Au") == "Au" and mandarin_phone("_|") == "sil"
