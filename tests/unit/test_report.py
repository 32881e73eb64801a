"""The page and RESULTS.md: well-formed, self-contained, complete, honest about gaps."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from fake_exp import RATE_HZ, FakeExp
from PIL import Image

from ctaplib.cli.main import main
from ctaplib.errors import ConfigError
from ctaplib.evaluate.catalogue import METRIC_TITLES, METRICS
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.results import Row, write_results
from ctaplib.report import clips, plots, tables
from ctaplib.report import inputs as report_inputs
from ctaplib.report.paper_rows import DEFAULT_PATH, HOW, PaperRow, PaperRows, read_paper_rows, read_recipe_rows
from ctaplib.report.report import page_html, results_md
from ctaplib.runs.curves import read_curves

VOID = {"meta", "link", "img", "br", "hr", "input"}
ROWS = [
    Row("asr", "per", "test_unseen", "frozen_ctc", 12.345, "%", 20, (11.0, 13.5), config_hash="ab12", seed=3,
        commit="c0ffee", command="./run.sh <x> & y", note="45 phones"),
    Row("asr", "wer", "test_unseen", "frozen_ctc", None, "%", why="a frozen system has no <word> head"),
    Row("asr", "wer", "test_unseen", "finetuned", 25.0, "%", 20, (20.0, 30.0)),
    Row("asr", "per", "test_unseen", "finetuned", 10.0, "%", 20, (9.0, 11.0)),
    Row("asr", "per", "test_unseen", "supervised_ctc", None, "%", why="not measured: no output"),
    Row("vc", "per", "test_unseen", "vqctap", 14.0, "%", 12, None, judge="ctc_judge"),
]  # fmt: skip
PAPERS = PaperRows(
    rows=(PaperRow(task="asr", system="Other", metric="per", value=9, unit="%", how="stated", source="X", why_not="Y"),)
)


class Checker(HTMLParser):
    """Collects tags and complains about wrong nesting."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.links, self.ids, self.tags = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.links += [values[k] for k in ("src", "href") if k in values]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return FakeExp(tmp_path_factory.mktemp("fake"))


def inputs_of(fake):
    return Inputs(exp=fake.exp, align=fake.exp / "align", data=fake.data, dump=fake.dump, lists=fake.lists, sets=fake.sets)


@pytest.fixture(scope="module")
def html(made):
    return page_html("a <test>", inputs_of(made), ROWS, PAPERS, {"machine": "x & y"})


def test_the_page_is_well_formed_and_needs_nothing_else(html):
    checker = Checker()
    checker.feed(html)
    assert checker.faults == [] and checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    inner = {link[1:] for link in checker.links if link.startswith("#")}
    assert inner <= set(checker.ids) and len(inner) == 8
    assert all(link.startswith(("data:", "#")) for link in checker.links)
    assert not re.search(r"(src|href|url\()=?[\"']?https?:", html)
    assert "@import" not in html


def test_the_page_has_players_with_spectrograms_for_every_kind_of_speech(html):
    for label in ("source, ", "prompt, ", "converted, frozen", "converted, fine-tuned", "synthesised, frozen",
                  "original", "through the codes", "natural mel, trained vocoder", "natural mel, Griffin-Lim"):  # fmt: skip
        assert f"<figcaption>{label}" in html, label
    assert html.count("<audio ") == html.count('alt="Spectrogram') > 40
    assert html.count('alt="Curves of') == 8
    assert html.count('alt="Alignment of') == 6
    assert 'alt="Codes by phone"' in html and 'alt="Prompts by speaker"' in html
    assert "cross-sex" in html and "same sex" in html


def test_text_of_others_is_escaped(html):
    assert "a &lt;test&gt;" in html and "./run.sh &lt;x&gt; &amp; y" in html
    assert "no &lt;word&gt; head" in html
    assert "<word>" not in html


def test_numbers_intervals_gaps_and_published_rows_are_on_the_page(html):
    assert '<td title="PER: 12.345 %, n = 20">12.3<small>[11, 13.5]</small></td>' in html
    assert 'title="a frozen system has no &lt;word&gt; head">–</td>' in html
    assert "<code>supervised_ctc</code>: not measured: no output" in html
    assert "Published numbers, not comparable" in html
    assert "align</td><td>80.0</td><td>512" in html.replace("4 align", "align")


def test_a_clip_is_the_audio_itself(made):
    path = made.exp / "decode/vc/vqctap/test_unseen/wav/spk4-to-spk5.wav"
    clip = clips.make_clip(path, "x")
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(clip.audio_uri.split(",")[1])))
    assert rate == RATE_HZ
    np.testing.assert_array_equal(audio, soundfile.read(path)[0])
    picture = Image.open(io.BytesIO(base64.b64decode(clip.picture_uri.split(",")[1])))
    assert picture.height == 112 and picture.width == pytest.approx(clip.duration_s / 0.008, abs=3)


def test_the_spectrogram_shows_a_tone_where_it_is():
    tone = np.sin(2 * np.pi * 2000 * np.arange(16000) / 16000)
    picture = clips.spectrogram(tone, 16000)
    row = int(picture[:, 60].argmax())
    assert 8000 * (1 - (row + 0.5) / 112) == pytest.approx(2000, abs=120)
    assert clips.spectrogram(np.zeros(100), 16000).max() <= 127


def test_an_empty_experiment_still_makes_a_page(tmp_path):
    for set_ in ("test",):
        for folder in ("data", "dump"):
            (tmp_path / folder / set_).mkdir(parents=True)
    inputs = Inputs(
        exp=tmp_path / "exp", align=tmp_path / "exp/align", data=tmp_path / "data", dump=tmp_path / "dump",
        lists=tmp_path / "lists", sets=("test",),
    )  # fmt: skip
    html = page_html("empty", inputs, [], PaperRows(), {})
    checker = Checker()
    checker.feed(html)
    assert checker.faults == []
    for text in ("the stage decode (11) makes it", "No run has left", "the stage align (4)", "the stage codes (6)"):
        assert text in html


def test_curves_keep_the_schedule_and_pass_over_a_half_written_line(tmp_path):
    lines = [
        '{"step": 1, "split": "train", "loss": 2.0, "lr": 0.1, "weight/kl": 0.0, "weight/off": 0.0}',
        '{"step": 2, "split": "train", "loss": null, "weight/kl": 0.5, "weight/off": 0.0}',
        '{"step": 2, "split": "valid", "loss": 1.5}',
        '{"step": 3, "spl',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    curves = read_curves(tmp_path)
    assert curves.train == {"loss": ([1], [2.0])}
    assert curves.valid == {"loss": ([2], [1.5])}
    assert curves.weights == {"kl": ([1, 2], [0.0, 0.5])}
    assert read_curves(tmp_path / "none").train == {}


def test_codes_stand_as_the_phone_they_mostly_fall_on(made):
    codes = report_inputs.code_map(inputs_of(made), "test_unseen")
    assert sorted(codes.phones) == ["a", "e", "i", "o", "sil", "u"]
    assert codes.counts[0] == codes.counts.max()
    places = plots.flat_map(codes.vectors)
    assert places.shape == (6, 2) and np.isfinite(places).all()
    np.testing.assert_array_equal(places, plots.flat_map(codes.vectors))


def test_results_md_has_header_tables_gaps_and_published_rows():
    text = results_md("mini", [*ROWS, replace(ROWS[0], set="test_seen", value=3.0)], PAPERS, {"python": "3.11"})
    assert "* command: `./run.sh <x> & y`" in text and "* commit: `c0ffee`" in text and "* python: 3.11" in text
    assert "| `frozen_ctc` | 12.3 [11, 13.5] | – | 20 |" in text
    assert "* `supervised_ctc`: not measured: no output" in text
    assert "* frozen_ctc (WER): a frozen system has no <word> head" in text
    assert "* frozen_ctc (PER): 45 phones" in text
    assert "| Other | PER | 9 % | X (stated there) | Y |" in text
    assert "PER, % (ctc_judge)" in text
    assert "| asr | `frozen_ctc` | `ab12` | 3 |" in text
    assert text.index("## Recognition") < text.index("### Published") < text.index("## Conversion")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (25.0, "25"), (0.12345, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1234"), (-0.5, "-0.500")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert tables.number(value) == text


def test_published_rows_are_all_explained():
    papers = read_paper_rows(DEFAULT_PATH)
    assert len(papers.rows) > 10
    for row in papers.rows:
        assert row.how in HOW and row.why_not and row.source
        assert row.metric in METRIC_TITLES and row.task in tables.TASK_TITLES


def test_a_missing_or_broken_file_of_published_rows(tmp_path):
    assert "no none.yaml" in read_paper_rows(tmp_path / "none.yaml").missing[0]
    (tmp_path / "bad.yaml").write_text("rows: [{task: asr}]")
    with pytest.raises(ConfigError, match=r"bad.yaml:1: rows.0.system: Field required"):
        read_paper_rows(tmp_path / "bad.yaml")


def test_the_command_writes_both_and_keeps_rows_of_other_runs(made, tmp_path, monkeypatch):
    monkeypatch.chdir(made.root)
    write_results(made.exp / "results.json", ROWS)
    kept = replace(ROWS[0], value=50.0), replace(ROWS[0], set="test_100spk", value=40.0)
    write_results(made.root / "results" / "old.json", kept)
    out, results_md = tmp_path / "report", tmp_path / "RESULTS.md"
    assert main(["report", "--out", str(out), "--results_md", str(results_md), "--title", "mini", "--kept", "results"]) == 0
    text = results_md.read_text()
    assert "### test_100spk" in text and "| 40 [" in text and "50 [" not in text
    assert (out / "index.html").stat().st_size > 100_000
    assert [p.name for p in out.iterdir()] == ["index.html"]


@pytest.mark.parametrize("recipe", ["libritts", "vctk"])
def test_a_recipe_shows_its_own_published_rows_before_those_of_all(recipe: str) -> None:
    folder = DEFAULT_PATH.parents[1] / "egs" / recipe
    papers = read_recipe_rows(folder)
    shared = read_paper_rows()
    assert papers.rows[-len(shared.rows) :] == shared.rows and len(papers.rows) > len(shared.rows)
    assert all(row.why_not and row.source and row.how in HOW for row in papers.rows)
    assert all(row.metric in {metric.name for metric in METRICS[row.task]} for row in papers.rows)
    measured = (folder / "results").exists()
    if not measured:
        assert (folder / "RESULTS.md").read_text() == results_md(recipe, [], papers, {})
