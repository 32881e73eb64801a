"""What the driver finds before it starts, moves or stamps anything; and runs that come back with their settings."""

import pytest

UNTIL = ("--stop_stage", "5")
BEST = "exp/vqctap/checkpoints/best.pt"


def test_a_fault_found_before_the_start_costs_nothing_and_undoing_it_leaves_the_stage_current(recipe):
    assert recipe.run(*UNTIL)[0] == 0
    recipe.calls()
    before = recipe.tree()
    recipe.write("conf/pretrain.yaml", "extends: base.yaml\noptim:\n  lrr: 0.1\n")
    status, output = recipe.run("--stage", "5", *UNTIL)
    assert status == 1 and "stage 5 (pretrain): 1 fault in the config" in output and "did you mean optim.lr?" in output, output
    recipe.write("conf/pretrain.yaml", "extends: base.yaml\n")
    assert recipe.calls() == [] and recipe.tree() == before
    status, output = recipe.run("--stage", "5", *UNTIL)
    assert status == 0 and "Nothing to do: stage 5 asked for is current." in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pretrain_args", "train.max_stepz=3"), "there is no train.max_stepz, did you mean train.max_steps?"),
        (("--pretrain_args", "--nonsense 3"), "stage 5 (pretrain): ctap train: unrecognized arguments: --nonsense 3"),
        (("--pretrain_args", "optim.lr"), "unrecognized arguments: optim.lr; to fix it: write optim.lr=VALUE to set it"),
        (("--ngpu", "64", "--force", "true"), "64 GPU(s) were asked for, this machine has "),
        (("--ngpu", "two", "--force", "true"), "--ngpu two; expected a whole number, at least 0"),
        (("--cmd_backend", "nope", "--force", "true"), "--cmd_backend nope; expected local or slurm"),
        (("--tag", "a b"), "--tag 'a b': expected a name of letters, digits"),
        (("--num_nodes", "2", "--force", "true"), "--num_nodes 2 without slurm needs --rdzv_endpoint HOST:PORT"),
    ],
)
def test_a_dry_run_and_a_run_find_the_same_faults_and_change_nothing(recipe, options, message):
    before = recipe.tree()
    for dry in ("true", "false"):
        status, output = recipe.run(*options, "--dry_run", dry)
        assert status == 1 and message in output, output
        assert recipe.calls() == [] and recipe.tree() == before


def test_values_that_no_machine_can_use_are_told_where_nothing_is_to_run(recipe):
    assert recipe.run(*UNTIL)[0] == 0
    recipe.calls()
    for option, value in {"--nproc": "two", "--ngpu": "-1", "--nj": "0", "--batch_bins": "some", "--patience": "0.5"}.items():
        for dry in ("true", "false"):
            status, output = recipe.run(*UNTIL, option, value, "--dry_run", dry)
            assert status == 1 and f"{option} {value}; expected" in output and recipe.calls() == [], output


def test_every_config_is_looked_at_and_all_faults_are_told_at_once(recipe):
    recipe.write("conf/decode.yaml", "beem: 3\n")
    recipe.write("conf/features.yaml", "rate: 16000\n")
    recipe.write("conf/text.yaml", "languag: en\n")
    status, output = recipe.run("--dry_run", "true", "--corpus_dir", "absent/corpus", "--nj", "many")
    assert status == 1
    for told in ("there is no beem", "there is no rate", "did you mean language?", "needs absent/corpus", "--nj many"):
        assert told in output, output


def test_a_cluster_that_does_not_answer_is_told_of(recipe):
    sinfo = recipe.bin / "sinfo"
    sinfo.write_text("#!/usr/bin/env bash\necho 'slurm_load_partitions: Unable to contact slurm controller' >&2\nexit 1\n")
    sinfo.chmod(0o755)
    status, output = recipe.run("--cmd_backend", "slurm", "--force", "true")
    assert status == 1 and "no cluster answers on this machine; sinfo: slurm_load_partitions: Unable to contact" in output
    assert "correct conf/slurm.conf" not in output and recipe.calls() == []


def test_settings_tried_and_given_up_bring_the_earlier_run_back(recipe):
    assert recipe.run(*UNTIL)[0] == 0
    (recipe.path / BEST).write_text("the first run\n")
    recipe.calls()
    other = ("--stage", "5", *UNTIL, "--pretrain_args", "seed=2")
    output = recipe.run(*other, "--dry_run", "true")[1]
    assert "would move exp/vqctap to exp/old/" in output
    assert recipe.run(*other, FAIL_AT="vqctap")[0] == 1
    assert not (recipe.path / BEST).exists() and (recipe.path / "exp/old/vqctap.1/.stamp.json").exists()
    recipe.calls()
    output = recipe.run("--stage", "5", *UNTIL, "--dry_run", "true")[1]
    assert "would bring back exp/old/vqctap.1, made with these settings; nothing is left to do behind it" in output
    assert "would run" not in output
    status, output = recipe.run("--stage", "5", *UNTIL)
    assert status == 0 and "Brought exp/old/vqctap.1 back as exp/vqctap" in output, output
    assert (recipe.path / BEST).read_text() == "the first run\n" and recipe.calls() == []
    assert not (recipe.path / "exp/vqctap/.stamp.json").exists()
    assert "Nothing to do" in recipe.run(*UNTIL)[1]


@pytest.mark.parametrize("given_up", [True, False])
def test_a_dry_run_tells_what_follows_when_an_earlier_run_is_brought_back(recipe, given_up):
    """What it says is held to what the run then does, also of the stages that rest on it."""
    asked = ("--stage", "5", "--stop_stage", "7")
    assert recipe.run("--stop_stage", "7")[0] == 0
    status, _ = recipe.run(*asked, "--pretrain_args", "seed=2", **({"FAIL_AT": "vqctap"} if given_up else {}))
    assert status == given_up
    recipe.calls()
    output = recipe.run(*asked, "--dry_run", "true")[1]
    promised = [line.split("train ")[-1] for line in output.splitlines() if "would run" in line]
    assert not any("--task vqctap" in command for command in promised), output
    assert "would bring back exp/old/vqctap.1" in output
    status, output = recipe.run(*asked)
    assert status == 0, output
    assert len(recipe.calls()) == len(promised), output


def test_a_run_moved_back_by_hand_is_taken_as_it_is(recipe):
    assert recipe.run(*UNTIL)[0] == 0
    assert recipe.run(*UNTIL, "--pretrain_args", "seed=2")[0] == 0
    exp = recipe.path / "exp"
    (exp / "vqctap").rename(exp / "second")
    (exp / "old/vqctap.1").rename(exp / "vqctap")
    recipe.calls()
    status, output = recipe.run(*UNTIL)
    assert status == 0 and "Took exp/vqctap as it is" in output and recipe.calls() == [], output


def test_force_begins_anew_says_so_and_tells_how_to_go_on(recipe):
    assert recipe.run("--stop_stage", "7")[0] == 0
    status, output = recipe.run("--stage", "5", "--stop_stage", "7", "--force", "true", FAIL_AT="codes")
    assert status == 1 and "Stage 5 (pretrain): Pre-trains VQ-CTAP [forced]" in output
    onward = output.split("to go on: ")[1].splitlines()[0]
    alone = "./run.sh --stage 5 --stop_stage 7 --stage 6 --stop_stage 6"
    assert onward == f"{alone} && ./run.sh --stage 5 --stop_stage 7 --force true --stage 7"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stage", "20", "--stop_stage", "30"), "no stage lies between --stage 20 and --stop_stage 30"),
        (("--stage", "5", "--stop_stage", "3"), "no stage lies between --stage 5 and --stop_stage 3"),
        (("--stage", "one"), "error: --stage one; expected the number of a stage"),
    ],
)
def test_stages_that_are_none_are_an_error(recipe, options, message):
    status, output = recipe.run(*options)
    assert status == 1 and message in output and "usage:" not in output and "Successfully" not in output


def test_another_config_file_is_compared_by_its_values(recipe):
    assert recipe.run(*UNTIL)[0] == 0
    recipe.write("conf/mine.yaml", "extends: base.yaml\n")
    assert "Nothing to do" in recipe.run(*UNTIL, "--pretrain_config", "conf/mine.yaml")[1]
    recipe.write("conf/mine.yaml", "extends: base.yaml\noptim:\n  lr: 0.5\n")
    output = recipe.run(*UNTIL, "--pretrain_config", "conf/mine.yaml", "--dry_run", "true")[1]
    assert "stale        conf/mine.yaml: optim.lr 0.001 -> 0.5\n" in output, output


def test_reasons_stand_once(recipe):
    assert recipe.run("--stop_stage", "3")[0] == 0
    recipe.write("conf/text.yaml", "language: zh\n")
    recipe.write("local/data.sh", (recipe.path / "local/data.sh").read_text() + "# changed\n").chmod(0o755)
    (recipe.path / "dump/.stamps/01_data.json").unlink()
    output = recipe.run("--stop_stage", "3", "--dry_run", "true")[1]
    assert "stage 1 (data) runs again" in output and "ran again" not in output, output


def test_a_set_that_is_not_in_the_data_is_named(recipe):
    assert recipe.run()[0] == 0
    status, output = recipe.run("--stage", "6", "--test_sets", "test_seen nope")
    assert status == 1 and "there is no set nope in data/, which has dev, test_seen, train" in output, output
    assert "nope/" not in output.replace("decode/asr/frozen_ctc/nope/", "")


def test_help_and_the_list_of_options_agree(recipe):
    told = recipe.run("--help")[1]
    listed = recipe.run("--nonsense", "1")[1].split("valid options:")[1].split()
    assert "--config FILE" in told and "--config" in listed and "--default_lang" not in listed
    for option in listed:
        general = option.endswith(("_config", "_args"))
        assert option in told or (general and option.removeprefix("--").rpartition("_")[0] in told), option


def test_the_environment_chooses_the_backend_that_is_looked_at(recipe):
    recipe.write("cmd.sh", "export CTAP_CMD_BACKEND=nope\n")
    assert "--cmd_backend nope; expected local or slurm" in recipe.run("--dry_run", "true")[1]
