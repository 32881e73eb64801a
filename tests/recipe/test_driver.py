"""The recipe driver: options, stamps, failures, kills."""

import json
import os
import signal
import time
from pathlib import Path

import pytest


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(process):
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def test_all_stages_run_in_order(finished):
    output = finished.first_output
    places = [output.index(f"Stage {n} (") for n in range(1, 15)]
    assert places == sorted(places)
    assert "(recipe.sh:" in output and ":main) Stage 5 (pretrain): " in output
    assert output.rstrip().splitlines()[-1].startswith("Successfully finished. [elapsed=")
    trained = [line.split()[2] for line in finished.first_calls if line.startswith("train ")]
    assert trained == ["align", "vqctap", "asr", "asr", "tts", "vc", "vocoder", "asr"]
    log = (finished.path / "exp/log/05_pretrain.log").read_text()
    assert log.startswith("# ") and "# Ended (code 0)" in log


def test_second_run_does_nothing_and_says_so(finished):
    before, started = finished.tree(), time.monotonic()
    status, output = finished.run()
    assert status == 0
    assert "Nothing to do: all 14 stages asked for are current." in output
    assert finished.calls() == [] and finished.tree() == before
    assert time.monotonic() - started < 10


def test_settings_of_the_machine_make_nothing_stale(finished):
    status, output = finished.run("--nj", "7", "--nproc", "2")
    assert status == 0 and "Nothing to do" in output
    assert finished.calls() == []


def test_dry_run_changes_nothing(recipe):
    before = recipe.tree()
    status, output = recipe.run("--dry_run", "true")
    assert status == 0 and recipe.tree() == before
    assert "Stage  5 pretrain  missing" in output
    assert "would run: local/data.sh --data data --lang en" in output


def test_dry_run_tells_what_is_missing(recipe):
    (recipe.path / "conf/vocoder.yaml").unlink()
    (recipe.path / "lists/tts.tsv").unlink()
    (recipe.path / "local/data.sh").chmod(0o644)
    status, output = recipe.run("--dry_run", "true")
    assert status == 1 and "3 faults were found; nothing was started or moved" in output
    assert "stage 10 (vocoder): the config conf/vocoder.yaml is missing" in output
    assert "stage 11 (decode) needs lists/tts.tsv, which no stage makes" in output
    assert "missing program: local/data.sh (stage 1 (data))" in output


def test_missing_config_is_found_before_anything_runs(recipe):
    (recipe.path / "conf/vocoder.yaml").unlink()
    status, output = recipe.run()
    assert status == 1 and "the config conf/vocoder.yaml is missing" in output
    assert recipe.calls() == []


def test_a_folder_of_runs_that_cannot_be_made_is_told(recipe):
    recipe.write("taken", "a file in the way")
    code, output = recipe.run("--expdir", "taken", "--stage", "5", "--stop_stage", "5", "--dry_run", "true")
    assert "Traceback" not in output
    code, output = recipe.run("--dumpdir", "taken", "--stop_stage", "1")
    assert code and "Traceback" not in output
    assert "error: cannot make the folder taken/.stamps: taken is no folder" in output


def test_changed_config_value_is_named_and_old_run_kept(recipe):
    assert recipe.run("--stop_stage", "6")[0] == 0
    recipe.calls()
    recipe.write("conf/base.yaml", "optim:\n  lr: 0.002\n")
    status, output = recipe.run("--stop_stage", "6", "--dry_run", "true")
    assert "stale        conf/pretrain.yaml: optim.lr 0.001 -> 0.002" in output
    assert "stale        stage 5 (pretrain) runs again" in output
    status, output = recipe.run("--stop_stage", "6")
    assert status == 0
    assert "Stage 4 (align) is current." in output
    assert "[stale: conf/pretrain.yaml: optim.lr 0.001 -> 0.002]" in output
    assert "[stale: stage 5 (pretrain) ran again]" in output
    assert [line.split()[0] for line in recipe.calls()] == ["train", "codes"]
    assert (recipe.path / "exp/old/vqctap.1/checkpoints/best.pt").exists()


def test_changed_option_and_changed_input_are_named(recipe):
    assert recipe.run("--stop_stage", "5")[0] == 0
    recipe.write("data/train/text", "a corrected\n")
    output = recipe.run("--stop_stage", "5", "--dry_run", "true", "--pretrain_args", "optim.lr=0.1 seed=2")[1]
    assert "stale        data/train/text changed" in output
    assert "option --set (unset) -> optim.lr=0.1 seed=2" in output
    assert "Stage  1 data      current" in output


@pytest.mark.parametrize("changed", ["db.sh", "local/corpus.yaml", "local/download.sh"])
def test_a_download_is_asked_for_again_when_what_it_should_fetch_has_changed(recipe, changed):
    recipe.write("db.sh", 'PARTS="one two"\n')
    recipe.write("local/corpus.yaml", "name: corpus\n")
    recipe.write("local/download.sh", '#!/usr/bin/env bash\n. ./db.sh\necho "download ${PARTS}" >>calls.log\n').chmod(0o755)
    fetch = ("--stage", "-1", "--stop_stage", "-1")
    assert recipe.run(*fetch)[0] == 0 and recipe.calls() == ["download one two"]
    assert recipe.run(*fetch)[0] == 0 and recipe.calls() == []
    before = (recipe.path / changed).read_text()
    recipe.write(changed, before.replace("two", "two three") + "# a remark\n")
    status, output = recipe.run(*fetch)
    assert status == 0 and f"{changed} changed" in output, output
    assert recipe.calls() == ["download one two three" if changed == "db.sh" else "download one two"]


def test_output_that_is_gone_is_made_again(recipe):
    assert recipe.run("--stop_stage", "3")[0] == 0
    (recipe.path / "dump/dev/f0.scp").unlink()
    status, output = recipe.run("--stop_stage", "3")
    assert status == 0 and "[missing: dump/dev/f0.scp is gone]" in output
    assert (recipe.path / "dump/dev/f0.scp").exists()


def test_missing_input_names_the_stage_that_makes_it(recipe):
    status, output = recipe.run("--stage", "5")
    assert status == 1
    assert "stage 5 (pretrain) needs data/train/phones.ctm, which stage 4 (align) makes" in output
    assert "start at --stage 4" in output


def test_stale_stage_that_was_not_asked_for_is_warned_of(recipe):
    assert recipe.run("--stop_stage", "4")[0] == 0
    recipe.write("conf/features.yaml", "hop_samples: 200\n")
    status, output = recipe.run("--stage", "4", "--stop_stage", "5")
    assert status == 0
    assert "Warning: stage 3 (features) is stale (conf/features.yaml: hop_samples (unset) -> 200)" in output


def test_failure_tells_first_error_log_and_how_to_go_on(recipe):
    status, output = recipe.run("--nj", "2", FAIL_AT="tts")
    assert status == 1
    assert "error: stage 8 (tts) failed after" in output and "(exit status 3)" in output
    assert "first error: RuntimeError: the tts broke" in output
    assert f"log: {recipe.path}/exp/log/08_tts.log" in output
    assert "to go on: ./run.sh --nj 2" in output
    recipe.calls()
    status, output = recipe.run("--nj", "2")
    assert status == 0 and "Stage 7 (asr) is current." in output
    assert "[interrupted: it did not come to its end]" in output
    assert recipe.calls()[0].startswith("train --task tts")


def test_stage_that_makes_nothing_fails(recipe):
    recipe.write("local/data.sh", "#!/usr/bin/env bash\n").chmod(0o755)
    status, output = recipe.run()
    assert status == 1
    assert "stage 1 (data) ended without an error but did not make data/train/wav.scp" in output


@pytest.mark.parametrize("whom", ["driver", "group"])
def test_killed_run_goes_on_with_the_same_command(recipe, whom):
    child = recipe.start(HANG_AT="vqctap")
    wait_for((recipe.path / "hanging.pid").exists)
    worker = int((recipe.path / "hanging.pid").read_text())
    os.kill(child.pid, signal.SIGKILL)
    if whom == "group":
        os.kill(worker, signal.SIGKILL)
    child.wait()
    recipe.calls()
    status, output = recipe.run()
    assert status == 0, output
    assert "Stage 4 (align) is current." in output
    assert "[interrupted: it did not come to its end]" in output
    assert (recipe.path / "exp/vqctap/checkpoints/half.pt").exists(), "an interrupted run is gone on with"
    wait_for(lambda: not alive(worker))
    if whom == "driver":
        assert "that a killed run of stage 5 (pretrain) had left" in output


def test_resume_false_begins_again(recipe):
    child = recipe.start("--stop_stage", "5", HANG_AT="vqctap")
    wait_for((recipe.path / "hanging.pid").exists)
    child.send_signal(signal.SIGTERM)
    output = child.communicate(timeout=30)[0]
    assert "Stopped in stage 5 (pretrain). To go on: ./run.sh --stop_stage 5" in output
    assert recipe.run("--stop_stage", "5", "--resume", "false")[0] == 0
    assert not (recipe.path / "exp/vqctap/checkpoints/half.pt").exists()
    assert (recipe.path / "exp/old/vqctap.1/checkpoints/half.pt").exists()


def test_two_runs_do_not_share_a_stage(recipe):
    child = recipe.start("--stop_stage", "5", HANG_AT="vqctap")
    wait_for((recipe.path / "hanging.pid").exists)
    status, output = recipe.run("--stop_stage", "5")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert status == 1 and "stage 5 (pretrain) is being run by process" in output


def test_unfinished_stage_is_not_built_upon(recipe):
    assert recipe.run("--stop_stage", "5")[0] == 0
    stamp = recipe.path / "exp/.stamps/05_pretrain.json"
    stamp.write_text(stamp.read_text().replace('"done"', '"running"'))
    status, output = recipe.run("--stage", "6", "--stop_stage", "6")
    assert status == 1 and "rests on stage 5 (pretrain), which did not come to its end" in output


def test_stamp_that_is_no_stamp(recipe):
    assert recipe.run("--stop_stage", "1")[0] == 0
    (recipe.path / "dump/.stamps/01_data.json").write_text("{")
    status, output = recipe.run("--stop_stage", "1")
    assert status == 1 and "dump/.stamps/01_data.json is not a stamp" in output and "delete it" in output


def test_stamp_holds_times_and_parts(finished):
    stamp = json.loads((finished.path / "exp/.stamps/05_pretrain.json").read_text())
    assert stamp["state"] == "done" and stamp["stage"] == 5
    assert stamp["parts"]["conf/pretrain.yaml: optim.lr"] == "0.001"
    assert "stage 4 (align)" in stamp["parts"]


def test_force_runs_a_current_stage(recipe):
    assert recipe.run("--stop_stage", "2")[0] == 0
    recipe.calls()
    assert recipe.run("--stage", "2", "--stop_stage", "2", "--force", "true")[0] == 0
    assert [line.split()[0] for line in recipe.calls()] == ["text"]


def test_skip_train_and_skip_eval(finished):
    output = finished.run("--dry_run", "true", "--skip_train", "true", "--skip_eval", "true", "--tag", "b")[1]
    skipped = [line.split()[1] for line in output.splitlines() if " skipped " in line]
    assert skipped == "4 5 7 8 9 10 11 12".split()
