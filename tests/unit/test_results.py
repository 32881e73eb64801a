"""Rows of results: rules, rounding, merging, files; intervals by bootstrap."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ctaplib.errors import DataError
from ctaplib.evaluate import catalogue, intervals
from ctaplib.evaluate.intervals import Estimate
from ctaplib.evaluate.results import Row, check, merge, read_results, significant, write_results
from ctaplib.evaluate.rows import Outcome, RowMaker
from ctaplib.methods.base import Method, find_method

ROW = Row("asr", "per", "test", "frozen_ctc", 12.3456789, "%", 10, (11.0, 13.0), config_hash="ab", seed=1)


def test_a_row_goes_to_the_file_and_back(tmp_path):
    null = Row("asr", "wer", "test", "frozen_ctc", None, "%", why="no word head")
    write_results(tmp_path / "results.json", [ROW, null])
    documents = json.loads((tmp_path / "results.json").read_text())
    assert list(documents[0]) == [
        "task", "metric", "set", "system", "value", "unit", "n", "ci95", "judge", "config_hash", "commit",
        "seed", "command",
    ]  # fmt: skip
    assert documents[0]["value"] == 12.3457
    assert documents[1]["value"] is None and documents[1]["why"] == "no word head"
    assert read_results(tmp_path / "results.json") == [replace(ROW, value=12.3457), null]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": None}, "the value is null without a why"),
        ({"value": float("nan")}, "expected a finite number or null with a why"),
        ({"value": float("inf")}, "expected a finite number"),
        ({"why": "but why"}, "it has a value and a why"),
        ({"n": 0}, "n is 0"),
        ({"ci95": (2.0, 1.0)}, "is not an interval"),
        ({"unit": ""}, "unit is empty"),
    ],
)
def test_a_faulty_row_is_not_written(tmp_path, change, message):
    path = tmp_path / "results.json"
    path.write_text("earlier")
    with pytest.raises(DataError, match=message):
        write_results(path, [replace(ROW, **change)])
    assert path.read_text() == "earlier"


def test_rows_are_unique_by_task_metric_set_system_judge():
    with pytest.raises(DataError, match="asr per test frozen_ctc: there are two such rows"):
        check([ROW, replace(ROW, value=1.0)], "rows")
    check([ROW, replace(ROW, judge="whisper")], "rows")


def test_merging_keeps_the_newer_row_in_the_older_place():
    other = replace(ROW, system="finetuned")
    newer = replace(ROW, value=9.0)
    assert merge([ROW, other], [newer, replace(ROW, set="dev")]) == [newer, other, replace(ROW, set="dev")]


def test_a_kept_number_outlives_a_row_that_was_not_measured_but_no_other():
    absent = replace(ROW, value=None, ci95=None, n=0, why="not measured: no aligner ran")
    assert merge([ROW], [absent]) == [ROW]
    assert merge([absent], [ROW]) == [ROW]
    refused = replace(absent, why="ctc_judge has a PER of 50 %")
    assert merge([ROW], [refused]) == [refused]


def test_a_file_that_is_no_list_of_rows_is_refused(tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(DataError, match=r"results.json is missing.*stage score"):
        read_results(path)
    path.write_text('[{"task": "asr"}]')
    with pytest.raises(DataError, match="row 1: 'metric, set, system, value"):
        read_results(path)
    path.write_text("{}")
    with pytest.raises(DataError, match="is a dict; expected a list of rows"):
        read_results(path)
    path.write_text("[")
    with pytest.raises(DataError, match="is not JSON"):
        read_results(path)


def test_six_significant_digits():
    assert [significant(x) for x in (12.34567890, 0.000123456789, 1234567.0)] == [
        12.3457,
        0.000123457,
        1234570.0,
    ]


def test_ratio_is_a_micro_average():
    estimate = intervals.ratio([1, 9], [10, 10], 100.0)
    assert estimate.value == 50.0 and estimate.n == 2
    assert estimate.ci95 == (10.0, 90.0)


def test_an_interval_covers_and_shrinks_with_more_items():
    random = np.random.default_rng(0)
    few, many = (intervals.mean(random.normal(5, 1, n)) for n in (20, 2000))
    for estimate in (few, many):
        assert estimate.ci95[0] < estimate.value < estimate.ci95[1]
    width = [e.ci95[1] - e.ci95[0] for e in (few, many)]
    assert width[1] == pytest.approx(2 * 1.96 / np.sqrt(2000), rel=0.15)
    assert width[0] > 5 * width[1]


def test_the_same_items_give_the_same_interval():
    values = np.random.default_rng(1).random(30)
    assert intervals.mean(values) == intervals.mean(values)


def test_a_single_item_has_no_interval():
    assert intervals.mean([3.0]) == Estimate(3.0, 1, None)


@pytest.mark.parametrize("groups", [[[1, 2], [3]], [[1], [2], [10], [4]], [[5, 5, 5], [1]]])
def test_the_median_is_that_of_all_numbers(groups):
    estimate = intervals.median(groups)
    assert estimate.value == np.median(np.concatenate(groups))
    assert estimate.n == len(groups)
    assert estimate.ci95[0] <= estimate.value <= estimate.ci95[1]


def test_the_interval_of_a_biased_statistic_is_moved_back():
    random = np.random.default_rng(3)
    counts = np.stack([np.bincount(random.integers(0, 200, 5), minlength=200) for _ in range(60)])
    estimate = intervals.statistic(counts, lambda sets: 100.0 * (sets > 0).mean(1))
    assert estimate.value == 100.0 * (counts.sum(0) > 0).mean()
    assert estimate.ci95[0] < estimate.value < estimate.ci95[1]


def test_no_items_is_an_error():
    with pytest.raises(ValueError, match="cannot average 0 items"):
        intervals.mean([])
    with pytest.raises(ValueError, match="no numbers in 2 items"):
        intervals.median([[], []])


def test_the_catalogue_names_every_place_once():
    keys = catalogue.keys(find_method("vqctap"), ["test_seen", "test_unseen"])
    assert len(keys) == len(set(keys))
    assert ("vc", "per", "test_unseen", "natural", "ctc_judge") in keys
    assert ("tts", "secs", "test_seen", "finetuned", "resemblyzer") in keys


def test_another_method_puts_its_name():
    method = Method("ctap", "CTAP", frozenset(), {"pretrain": "ctap"})
    systems = {(task, system) for task, _, _, system, _ in catalogue.keys(method, ["test"])}
    assert {("asr", "ctap_frozen_ctc"), ("vc", "ctap"), ("vc", "ctap_finetuned"), ("vc", "natural")} <= systems
    assert not any("vqctap" in system for _, system in systems)


def test_rows_of_other_methods_are_those_of_neither_this_method_nor_all():
    rows = [replace(ROW, system=name) for name in ("frozen_ctc", "frozen_ctc_lm", "ctap_frozen_ctc_lm", "supervised_ctc")]
    assert catalogue.rows_of_others(rows, find_method("vqctap")) == [rows[2]]
    assert catalogue.rows_of_others(rows, Method("ctap", "CTAP", frozenset(), {"pretrain": "ctap"})) == rows[:2]


def test_an_outcome_becomes_a_row_with_a_number_or_a_reason(tmp_path):
    (tmp_path / "config.yaml").write_text("config_hash: 'ab'\nseed: 3\n")
    make = RowMaker("abc", "./run.sh", {"test": "about"})
    outcomes = {"secs_target": Outcome(Estimate(0.8, 5, (0.7, 0.9)), "note"), "rtf": Outcome("nothing there")}
    number, reason = make("vc", "test", "vqctap", outcomes, tmp_path)
    assert (number.value, number.n, number.judge, number.seed, number.command, number.note) == (
        0.8, 5, "resemblyzer", 3, "./run.sh", "note; about",
    )  # fmt: skip
    assert (reason.metric, reason.value, reason.why, reason.note) == ("rtf", None, "nothing there", "about")
    assert number.faults() == reason.faults() == []
    assert {row.why for row in make("vc", "test", "vqctap", "no such thing", None)} == {"no such thing"}
