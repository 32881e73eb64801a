import pytest

from ctaplib.errors import ConfigError, StageError
from ctaplib.recipe.stamps import Stage, Stamp, Stamps, differences, read_plan, read_values

PLAN = "\n".join(
    [
        "stage\t1\tfirst\thome\t-\tMakes a\trecipe.sh:1:main",
        "makes\ta",
        "does\tmake --size 3 a",
        "stage\t2\tsecond\thome\ttrain\tMakes b\trecipe.sh:5:main",
        "needs\ta",
        "needs\ta",
        "config\tc.yaml",
        "makes\tb",
        "does\tmake --rate 1 b",
    ]
)


@pytest.fixture
def stages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("optim:\n  lr: 1\n")
    return read_plan(PLAN)


def done(stamps, stage):
    status = stamps.status(stage)
    stamp = Stamp(stage.number, stage.name, "done", status.fingerprint, status.parts, "id", 1, "now")
    stamp.write(stage.stamp_path)


def finish(stages):
    stamps = Stamps(stages)
    for stage, path in zip(stages, "ab"):
        done(stamps, stage)
        (stage.home.parent / path).write_text(path)
    done(stamps, stages[1])
    return Stamps(stages)


def test_plan_is_read(stages):
    assert [s.label for s in stages] == ["stage 1 (first)", "stage 2 (second)"]
    assert stages[1].needs == ["a"] and stages[1].kind == "train"
    assert Stamps(stages).rests_on(stages[1]) == [stages[0]]


@pytest.mark.parametrize("line", ["makes\ta", "stage\t1\tx", "nonsense\ta", ""])
def test_bad_plan_names_the_line(line):
    with pytest.raises(StageError, match="line 1 of the plan is not understood"):
        read_plan(line + "\n")


def test_finished_stages_are_current(stages):
    stamps = finish(stages)
    assert [stamps.status(s).state for s in stages] == ["current", "current"]


def test_never_run_is_missing(stages):
    status = Stamps(stages).status(stages[0])
    assert (status.state, status.reasons) == ("missing", ("it was never run",))


def test_changed_command_makes_later_stages_stale_once_it_ran(stages):
    finish(stages)
    stages[0].commands[0] = "make --size 4 --loud a"
    stamps = Stamps(stages)
    status = stamps.status(stages[0])
    assert status.state == "stale"
    assert status.reasons == ("option --size 3 a -> 4", "option --loud (unset) -> a")
    assert stamps.status(stages[1]).state == "current"
    assert stamps.status(stages[1], will_run={1}).reasons == ("stage 1 (first) runs again",)
    done(stamps, stages[0])
    assert Stamps(stages).status(stages[1]).reasons == ("stage 1 (first) ran again",)


def test_changed_config_value_is_named(stages):
    finish(stages)
    stages[1].home.parent.joinpath("c.yaml").write_text("# a remark\noptim:\n  lr: 2\n")
    assert Stamps(stages).status(stages[1]).reasons == ("c.yaml: optim.lr 1 -> 2",)


def test_a_file_that_a_config_names_is_an_input(stages, tmp_path):
    (tmp_path / "own.txt").write_text("CAT K AE1 T\n")
    (tmp_path / "c.yaml").write_text("optim:\n  lr: 1\nlexicon: own.txt\n")
    finish(stages)
    assert Stamps(stages).status(stages[1]).state == "current"
    (tmp_path / "own.txt").write_text("CAT K AH0 T\n")
    assert Stamps(stages).status(stages[1]).reasons == ("own.txt changed",)


def test_remark_in_a_config_changes_nothing(stages):
    finish(stages)
    stages[1].home.parent.joinpath("c.yaml").write_text("# a remark\noptim: {lr: 1}\n")
    assert Stamps(stages).status(stages[1]).state == "current"


def test_changed_input_is_named(stages):
    finish(stages)
    stages[1].home.parent.joinpath("a").write_text("edited")
    assert Stamps(stages).status(stages[1]).reasons == ("a changed",)


def test_started_stage_is_interrupted(stages):
    finish(stages)
    path = stages[1].stamp_path
    path.write_text(path.read_text().replace('"done"', '"running"'))
    assert Stamps(stages).status(stages[1]).state == "interrupted"


def test_missing_config_is_told(stages):
    with pytest.raises(ConfigError, match=r"the config absent\.yaml is missing"):
        read_values("absent.yaml")


def test_differences_tell_of_parts_that_came_and_went():
    lines = differences({"command 1": "x", "c.yaml: a": "1"}, {"command 2": "y", "file f": "0"})
    assert lines == ["new command: y", "f changed", "dropped command: x", "c.yaml: a 1 -> (unset)"]


def test_label_and_paths(tmp_path):
    stage = Stage(5, "pretrain", tmp_path, "train", "", "")
    assert stage.stamp_path == tmp_path / ".stamps" / "05_pretrain.json"
