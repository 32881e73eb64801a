import argparse
import gc

import pytest

from ctaplib.cli import main as cli
from ctaplib.cli import train
from ctaplib.cli._common import fast_imports
from ctaplib.errors import ConfigError, CtapError
from ctaplib.find import find, offering


@pytest.fixture
def noun(tmp_path, monkeypatch):
    """Put a module in the place of every command's; return a function that sets its `run`."""
    module = argparse.Namespace(__doc__="A command.")
    seen = {}

    def configure(parser):
        parser.add_argument("--train_set")
        parser.add_argument("--dry-run", action="store_true")
        verbs = parser.add_subparsers(dest="verb")
        verbs.add_parser("go").add_argument("--spk_list")

    module.configure = configure
    module.run = seen.update
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)

    def set_run(run):
        module.run = run

    return set_run


@pytest.mark.parametrize("spelling", ["--train_set", "--train-set"])
@pytest.mark.parametrize("other", ["--dry_run", "--dry-run"])
@pytest.mark.parametrize("inner", ["--spk_list", "--spk-list"])
def test_dashes_and_underscores_are_the_same(noun, spelling, other, inner):
    seen = []
    noun(seen.append)
    assert cli.main(["stage", spelling, "a-b", other, "go", inner, "x_y"]) == 0
    assert (seen[0].train_set, seen[0].dry_run, seen[0].spk_list) == ("a-b", True, "x_y")


def test_values_after_an_equals_sign_are_kept(noun):
    seen = []
    noun(seen.append)
    assert cli.main(["stage", "--train-set=a-b_c"]) == 0
    assert seen[0].train_set == "a-b_c"


def test_abbreviations_are_refused(noun, capsys):
    with pytest.raises(SystemExit):
        cli.main(["stage", "--train=x"])
    assert "unrecognized arguments: --train=x" in capsys.readouterr().err


def test_known_errors_become_one_line(noun, capsys):
    def fail(args):
        raise CtapError("a tap leaks", fix="close it")

    noun(fail)
    assert cli.main(["stage"]) == 1
    assert capsys.readouterr().err == "error: a tap leaks; to fix it: close it\n"


def test_exit_status_of_the_command_is_passed_on(noun):
    noun(lambda args: 7)
    assert cli.main(["stage"]) == 7


def test_keyboard_ends_with_130(noun):
    def stop(args):
        raise KeyboardInterrupt

    noun(stop)
    assert cli.main(["stage"]) == 130


@pytest.mark.parametrize(("word", "hint"), [("stge", "did you mean stage?"), ("qqqq", "there are ")])
def test_unknown_command_names_the_nearest(word, hint, capsys):
    assert cli.main([word]) == 2
    assert f"error: ctap has no command '{word}'; {hint}" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["main", "_private", "../stage"])
def test_inner_modules_are_no_commands(word):
    assert cli.main([word]) == 2


def test_help_lists_every_command_with_its_line(capsys):
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert "  stage" in shown and "main " not in shown
    for name, line in cli.commands().items():
        assert name in shown and line and line in shown


def test_every_option_of_training_is_described_with_its_default(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for words in ("(default: train)", "(default: dev)", "(default: data)", "(default: dump)", "(default: 0)", "(default: 30)"):
        assert words in told
    assert told.count("may be repeated") == 2
    parser = cli.Parser()
    train.configure(parser)
    assert all(action.help for action in parser._actions)


def test_an_unknown_option_behind_a_verb_is_told_with_the_verbs_usage(noun, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["stage", "go", "--spk_lost", "x"])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "usage: ctap stage go" in told and "unrecognized arguments: --spk_lost x" in told


def test_what_is_offered_are_the_modules_that_define_it():
    tasks = offering("tasks", "TASK")
    assert {"align", "asr", "tts", "vc", "vocoder", "vqctap"} == set(tasks)
    with pytest.raises(ConfigError, match=rf"there is no 'nope' in ctaplib.tasks; expected one of {', '.join(tasks)}$"):
        find("tasks", "nope", "TASK")
    with pytest.raises(ConfigError, match=r"there is no 'preview' in ctaplib.tasks that defines TASK"):
        find("tasks", "preview", "TASK")


@pytest.fixture
def collecting():
    """The garbage collector as it is when a process starts."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_rests_while_modules_are_imported_and_leaves_them_alone_behind(collecting):
    with fast_imports():
        kept = [[]]
        assert not gc.isenabled() and gc.is_tracked(kept)
    assert gc.isenabled() and gc.get_freeze_count() > 0
    assert all(kept is not one for one in gc.get_objects())


def test_the_collector_rests_once_in_a_process(collecting):
    with fast_imports():
        pass
    with fast_imports():
        assert gc.isenabled()
        later = [[]]
    assert any(later is one for one in gc.get_objects())


def test_the_collector_works_again_behind_a_fault(collecting):
    with pytest.raises(ImportError), fast_imports():
        raise ImportError
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_a_collector_that_is_off_stays_off(collecting):
    gc.disable()
    with fast_imports():
        pass
    assert not gc.isenabled()
