"""Properties of what is brought in: no table's text is changed but for its white space, every utterance is in one set."""

import csv
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctaplib.corpus.corpus_import import name_items, needs_speakers
from ctaplib.corpus.import_table import IMPORTER
from ctaplib.corpus.importing import ImportOptions, Item, clean_id
from ctaplib.corpus.set_split import SplitConfig, split_by_rule
from ctaplib.corpus.table_checks import out_of_order
from ctaplib.errors import DataError

anything = st.text(st.characters(min_codepoint=32, max_codepoint=0x9FFF, exclude_categories=("Cc", "Cs", "Cn")), max_size=20)
signs = st.text("ab,;|\t\"' \n1é中", max_size=12)


@given(st.lists(st.tuples(signs | anything, anything), min_size=1, max_size=8), st.sampled_from(",;|\t"))
@example([("", ""), ("\n1", "")], ",")  # a line of a text is called as an audio file
@settings(max_examples=60, deadline=None)
def test_a_table_gives_its_texts_back_whatever_stands_in_them(rows: list[tuple[str, str]], delimiter: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        with open(table, "w", encoding="utf-8-sig", newline="") as out:
            writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writerow(["path", "text", "speaker", "comment"])
            for number, (text, comment) in enumerate(rows):
                (Path(folder) / f"{number}.wav").touch()
                writer.writerow([f"{number}.wav", text, "s", comment])
        found = IMPORTER.read(table, ImportOptions())
    assert not found.faults and not found.left_out
    assert [item.text for item in found.items] == [" ".join(text.split()) for text, _ in rows]


@given(
    st.lists(st.text(st.sampled_from('ab"" '), max_size=6), min_size=1, max_size=8),
    st.sampled_from(",;|\t"),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=200, deadline=None)
def test_no_row_is_lost_to_a_stray_quotation_mark(texts: list[str], delimiter: str, text_last: bool, end: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.tsv"
        header = ["path", "speaker", "text"] if text_last else ["path", "text", "speaker"]
        lines = [delimiter.join(header)]
        for number, text in enumerate(texts):
            (Path(folder) / f"{number}.wav").touch()
            lines.append(delimiter.join([f"{number}.wav", *(["s", text] if text_last else [text, "s"])]))
        table.write_text(end.join(lines) + end, encoding="utf-8", newline="")
        plain = IMPORTER.read(table, ImportOptions(quotes="plain"))
        try:
            found = IMPORTER.read(table, ImportOptions())
        except DataError as error:
            assert error.faults and all(f"{table}:" in fault for fault in error.faults)
            found = plain
    assert [item.text for item in plain.items] == [" ".join(text.split()) for text in texts]
    assert [item.name for item in found.items] == [str(number) for number in range(len(texts))] and not found.left_out


@given(anything, st.sampled_from(["", "-"]))
def test_a_clean_name_is_an_id_and_stays_as_it_is(name: str, more: str) -> None:
    made = clean_id(name, more)
    assert clean_id(made, more) == made and "/" not in made and not any(c.isspace() for c in made)


@given(st.lists(st.tuples(anything, anything), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_named_items_are_different_and_sorted_as_their_speakers_or_told(pairs: list[tuple[str, str]]) -> None:
    items = [Item(name, f"/{k}.wav", f"place {k}", speaker=spk) for k, (spk, name) in enumerate(pairs)]
    faults: list[str] = []
    named = name_items(items, faults, keeps_ids=False, with_speaker=needs_speakers(items))
    assert len(named) + len(faults) == len(items)
    assert out_of_order({utt: item.speaker for utt, item in named.items()}) is None


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.sampled_from("pqrstuvwxyz"), min_size=40, max_size=90),
    st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_every_utterance_is_in_one_set(utt2spk: dict[str, str], seed: int) -> None:
    config = SplitConfig(seed=seed)
    split = split_by_rule(utt2spk, {}, {}, config)
    assert sorted((*split.train, *split.dev, *split.test)) == sorted(utt2spk)
    assert split.train and split.dev and split.test
    speakers = {utt2spk[utt] for utt in split.test}
    if len(set(utt2spk.values())) >= 6:
        assert not speakers & {utt2spk[utt] for utt in (*split.train, *split.dev)}
