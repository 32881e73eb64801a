"""Run the stages of a recipe's plan, or print what would run (called by utils/stage.sh)."""

import argparse
import re
import sys
from pathlib import Path

from ctaplib.cli._plan_checks import PlanChecks
from ctaplib.errors import ConfigError
from ctaplib.recipe.driver import RunOptions, dry_run
from ctaplib.recipe.driver import run as run_plan
from ctaplib.recipe.stamps import read_plan


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ctap stage`."""
    parser.add_argument("--plan", default="-", help="file of the plan, - for standard input")
    parser.add_argument("--stage", default="1", help="first stage to run")
    parser.add_argument("--stop_stage", default="10000", help="last stage to run")
    parser.add_argument("--exp", default="exp", help="folder of log/")
    parser.add_argument("--dry_run", type=_boolean, default=False, help="true: only print what would run")
    parser.add_argument("--force", type=_boolean, default=False, help="true: run current stages too")
    parser.add_argument("--resume", type=_boolean, default=True, help="false: restart interrupted stages")
    parser.add_argument("--skip", default="", help="kinds of stages to skip: train eval")
    parser.add_argument("--command", default="the same command", help="command line of the user, for messages")
    parser.add_argument("--value", action="append", default=[], metavar="NAME=VALUE", help="value of @NAME in commands")


def run(args: argparse.Namespace) -> None:
    """Run `ctap stage`."""
    text = sys.stdin.read() if args.plan == "-" else Path(args.plan).read_text(encoding="utf-8")
    values = dict(_pair(word) for word in args.value)
    options = RunOptions(
        first=_whole("--stage", args.stage),
        last=_whole("--stop_stage", args.stop_stage),
        exp=Path(args.exp),
        command=args.command,
        skip_kinds=frozenset(args.skip.split()),
        force=args.force,
        resume=args.resume,
        values=values,
        check=PlanChecks(values),
    )
    (dry_run if args.dry_run else run_plan)(read_plan(text), options)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def _whole(option: str, text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise ConfigError(f"{option} {text}", expected="the number of a stage, for example 5 (./run.sh --help lists them)")
    return int(text)


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ConfigError(f"cannot use --value {word!r}", expected="NAME=VALUE")
    return name, value
