"""The options of recipes: ESPnet's names and manners."""

import subprocess

import pytest

VISIBLE = ". ../../utils/stage.sh; visible_gpus"


@pytest.mark.parametrize("spelling", ["--stop-stage", "--stop_stage"])
def test_dashes_and_underscores_are_the_same(recipe, spelling):
    status, output = recipe.run("--dry-run", "true", spelling, "1")
    assert status == 0
    assert [line.split()[1] for line in output.splitlines() if line.startswith("Stage")] == ["1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--nonsense", "3"], "invalid option --nonsense; valid options: --align_args"),
        (["--stage=3"], "options are written --name value, not --name=value: --stage=3"),
        (["--dry_run", "yes"], "option --dry_run takes true or false, not 'yes'"),
        (["--stage"], "option --stage needs a value"),
        (["--config", "absent.sh"], "cannot read the file that --config names: absent.sh"),
    ],
)
def test_bad_options_end_with_status_1(recipe, options, message):
    status, output = recipe.run(*options)
    assert status == 1 and message in output
    assert recipe.calls() == []


def test_positional_arguments_are_refused(recipe):
    status, output = recipe.run("three")
    assert status == 2 and "there are no positional arguments: three" in output


def test_help_names_the_stages(recipe):
    status, output = recipe.run("--help")
    assert status == 0 and "5 pretrain" in output and "--dry_run true" in output


def test_options_of_the_data_are_parted_as_a_shell_parts_them_and_nothing_is_run(recipe):
    script = recipe.path / "local/data.sh"
    script.write_text(script.read_text().replace("echo data >>calls.log", "printf '%s\\n' \"$@\" >>calls.log"))
    opts = """--speech_only '/data/Stimmen für später/张 三'  --name "a \\"b\\" $c" two\\ words '' $(touch run) * \\\\"""
    words = ["--speech_only", "/data/Stimmen für später/张 三", "--name", 'a "b" $c', "two words", ""]
    words += ["$(touch", "run)", "*", "\\"]
    for locale in ("C", "C.UTF-8"):
        status, output = recipe.run("--stop_stage", "1", "--force", "true", "--local_data_opts", opts, LC_ALL=locale)
        assert status == 0, output
        called = recipe.calls()
        first = called.index("--speech_only")
        assert called[first : first + len(words)] == words and not (recipe.path / "run").exists()
    for open_ended in ("--speech_only '/data/my talks", '--name "a b', "--name \\"):
        status, output = recipe.run("--stop_stage", "1", "--local_data_opts", open_ended)
        assert status == 1 and "quotation mark or backslash in --local_data_opts has no end" in output
    assert recipe.calls() == []


def test_config_file_is_read_before_other_options(recipe):
    recipe.write("mine.sh", "stage=2\nstop_stage=3\n")
    output = recipe.run("--config", "mine.sh", "--stop_stage", "2", "--dry_run", "true")[1]
    assert [line.split()[1] for line in output.splitlines() if line.startswith("Stage")] == ["2"]


def test_another_language_writes_beside(recipe):
    output = recipe.run("--lang", "zh", "--dry_run", "true")[1]
    assert "local/data.sh --data data_zh --lang zh" in output
    assert "--exp exp_zh/vqctap" in output and "--dump dump_zh" in output
    assert " data/" not in output


def test_subset_carries_its_name(recipe):
    output = recipe.run("--subset", "100spk", "--dry_run", "true", "--stop_stage", "3")[1]
    assert "--subset 100spk" in output and "--train_set train_100spk" in output
    assert r"test_seen_100spk\ test_unseen_100spk" in output and "--dump dump_100spk" in output


def test_tag_changes_what_pretraining_writes_only(recipe):
    output = recipe.run("--tag", "b", "--dry_run", "true")[1]
    assert "--exp exp_b/vqctap" in output and "--exp exp/align" in output and "--dump dump " in output


def test_task_args_become_settings(recipe):
    output = recipe.run("--dry_run", "true", "--stage", "5", "--stop_stage", "5", "--pretrain_args", "a.b=c --resume x")[1]
    assert "--set a.b=c --resume x" in output


def with_method(recipe, name, *stages, abilities=()):
    """Options for a method that is declared in a folder of the test."""
    (recipe.path / "mine/methods").mkdir(parents=True)
    tasks = dict.fromkeys(("pretrain", *stages), "align")  # any task will do
    words = f"name={name!r}, title={name.upper()!r}, abilities=frozenset({list(abilities)}), tasks={tasks}"
    recipe.write(f"mine/methods/{name}.py", f"from ctaplib.methods.base import Method\n\nMETHOD = Method({words})\n")
    recipe.write(f"conf/{name}.yaml", "{}\n")
    for stage in stages:
        recipe.write(f"conf/{name}_{stage}.yaml", "{}\n")
    return "--method_path", "mine", "--method", name


def test_method_names_tasks_folders_and_configs(recipe):
    output = recipe.run("--dry_run", "true", *with_method(recipe, "ctap", "vc", abilities=("content", "codes")))[1]
    assert "--task align --config conf/ctap.yaml" in output and "--exp exp/ctap/pretrain" in output
    assert "--config conf/ctap_vc.yaml" in output and "--exp exp/ctap/vc" in output
    assert "--init pretrained=exp/ctap/pretrain" in output
    assert "--exp exp/asr_supervised" in output and "--exp exp/vocoder" in output


def test_a_config_may_lie_with_the_method(recipe):
    options = with_method(recipe, "ctap")
    (recipe.path / "mine/conf").mkdir()
    (recipe.path / "conf/ctap.yaml").rename(recipe.path / "mine/conf/ctap.yaml")
    output = recipe.run("--dry_run", "true", *options)[1]
    assert "/mine/conf/ctap.yaml" in output and "the config" not in output
    environment = {"CTAP_METHOD_PATH": f"{recipe.path}/other:{recipe.path}/mine"}
    (recipe.path / "other/methods").mkdir(parents=True)
    assert "/mine/conf/ctap.yaml" in recipe.run("--dry_run", "true", *options[2:], **environment)[1]


def test_a_folder_of_methods_is_handed_on_as_an_absolute_path(recipe):
    status, output = recipe.run("--method_path", "nowhere", "--dry_run", "true")
    assert status == 1 and "--method_path nowhere: there is no such folder" in output
    (recipe.path / "own/methods").mkdir(parents=True)
    recipe.write("local/data.sh", '#!/usr/bin/env bash\necho "${CTAP_METHOD_PATH}" >methods\n').chmod(0o755)
    recipe.run("--method_path", "own", "--stop_stage", "1")
    assert (recipe.path / "methods").read_text() == f"{recipe.path}/own\n"


def test_another_method_runs_to_the_end(recipe):
    options = with_method(recipe, "ctap", "asr", "tts", "vc", abilities=("content", "codes", "read"))
    status, output = recipe.run(*options, "--tag", "b")
    assert status == 0, output
    assert (recipe.path / "exp_b/decode/asr/ctap_frozen_ctc/test_seen/hyp.phn").exists()
    assert "is skipped" not in output


def test_stages_that_a_method_does_not_have_are_skipped_with_the_reason(recipe):
    options = with_method(recipe, "mine", abilities=("content",))
    status, output = recipe.run("--dry_run", "true", *options)
    assert status == 0, output
    assert "Stage  8 tts       skipped      MINE does not train synthesis" in output
    assert "would skip a part: MINE does not train a fine-tuned recogniser" in output
    assert "--task tts" not in output and "--exp exp/mine/asr" not in output and "--exp exp/asr_supervised" in output
    status, output = recipe.run(*options)
    assert status == 0, output
    assert "Stage 8 (tts) is skipped: MINE does not train synthesis." in output
    assert "Stage 9 (vc) is skipped: MINE does not train a fine-tuned converter." in output
    assert "Stage 7 (asr): a part is skipped: MINE does not train a fine-tuned recogniser." in output
    assert (recipe.path / "exp/mine/pretrain/codes/test_seen/speech.scp").exists()
    assert "Nothing to do: all 12 stages asked for are current." in recipe.run(*options)[1]


def test_a_method_without_content_is_scored(recipe):
    status, output = recipe.run(*with_method(recipe, "mine"))
    assert status == 0, output
    assert "Stage 6 (codes) is skipped: MINE cannot encode speech as content frames." in output
    assert (recipe.path / "exp/results.json").exists() and not (recipe.path / "exp/mine/pretrain/codes").exists()


def test_an_unknown_method_is_refused_with_the_nearest(recipe):
    status, output = recipe.run("--method", "vqtap")
    assert status == 1 and "did you mean vqctap?" in output and "Traceback" not in output


def test_the_command_to_go_on_can_be_typed(recipe):
    status, output = recipe.run("--pretrain_args", "optim.lr=0.1 seed=2", FAIL_AT="tts")
    assert status == 1 and r"to go on: ./run.sh --pretrain_args optim.lr=0.1\ seed=2" in output


def test_config_without_a_file_says_so(recipe):
    status, output = recipe.run("--config")
    assert status == 1 and "option --config needs a value" in output


def test_changed_alignments_from_elsewhere_are_taken_again(recipe):
    (recipe.path / "mfa").mkdir()
    recipe.write("mfa/test.ctm", "a 1 0.0 0.1 x\n")
    options = ("--stop_stage", "4", "--alignment_dir", "mfa")
    fake = recipe.bin / "ctap"  # the import makes what the aligner would make
    fake.write_text(fake.read_text().replace('"align run")', '"align run" | "align import")'))
    assert recipe.run(*options)[0] == 0
    assert "Nothing to do" in recipe.run(*options)[1]
    recipe.write("mfa/test.ctm", "a 1 0.0 0.2 x\n")
    recipe.calls()
    assert recipe.run(*options)[0] == 0
    assert [line.split()[:2] for line in recipe.calls()] == [["align", "import"]]


def test_foreign_alignments_replace_the_aligner(recipe):
    output = recipe.run("--dry_run", "true", "--stage", "4", "--stop_stage", "4", "--alignment_dir", "mfa")[1]
    assert "ctap align import --from mfa" in output and "--task align" not in output


@pytest.mark.parametrize(
    ("visible", "found"),
    [(None, 4), ("", 0), ("2", 1), ("0,1", 2), ("1, 3", 2), ("0,1,2,3,4,5", 4), ("0,9,1", 1), ("-1", 0), ("NoDevFiles", 0),
     ("GPU-8932f937,GPU-45cbf7b6", 2), ("MIG-1", 1)],
)  # fmt: skip
def test_gpus_are_counted_as_a_process_would_see_them(recipe, visible, found):
    smi = recipe.bin / "nvidia-smi"
    smi.write_text('#!/usr/bin/env bash\nfor n in 0 1 2 3; do echo "GPU $n: H200 (UUID: GPU-$n)"; done\n')
    smi.chmod(0o755)
    environment = recipe.environment()
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    done = subprocess.run(["bash", "-c", VISIBLE], cwd=recipe.path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{found}\n"


def test_a_recipe_asks_for_the_gpus_that_it_sees(recipe):
    smi = recipe.bin / "nvidia-smi"
    smi.write_text('#!/usr/bin/env bash\nfor n in 0 1 2 3; do echo "GPU $n: H200 (UUID: GPU-$n)"; done\n')
    smi.chmod(0o755)
    output = recipe.run("--dry_run", "true", CUDA_VISIBLE_DEVICES="1,3")[1]
    assert "launch.sh --ngpu 2 --nproc" in output, output


def test_without_a_gpu_none_is_counted_whatever_is_said_to_be_visible(recipe):
    script = f"command() {{ return 1; }}; {VISIBLE}"
    environment = {**recipe.environment(), "CUDA_VISIBLE_DEVICES": "0,1"}
    done = subprocess.run(["bash", "-c", script], cwd=recipe.path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_speed_perturbation_makes_the_set_that_is_trained_on(recipe):
    output = recipe.run("--speed_perturb_factors", "0.9 1.0 1.1", "--dry_run", "true")[1]
    assert r"ctap data perturb --factors 0.9\ 1.0\ 1.1" in output and "data/train data/train_sp" in output
    assert "--train_set train_sp" in output and "--train_set train " not in output
    assert "data perturb" not in recipe.run("--dry_run", "true")[1]
