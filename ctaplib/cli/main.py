"""The command line `ctap <noun> [verb]`.

A noun is a module of `ctaplib.cli` with `configure(parser)` and `run(args)`; adding the file adds the command. The list of
commands is read from the docstrings of the files, so that help imports none of them.
"""

import argparse
import ast
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctaplib import __version__
from ctaplib.cluster.processes import RUN_ID, end_with_parent
from ctaplib.errors import KEYBOARD, STOPPED, CtapError, missing_package

_HERE = Path(__file__).parent


class _VerbParsers(argparse._SubParsersAction):  # the documented way to change what add_subparsers makes
    """Parsers of verbs that report unknown options with the usage of the verb."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Parse the arguments after the verb, all of which belong to it."""
        super().__call__(parser, namespace, values, option_string)
        unknown = getattr(namespace, argparse._UNRECOGNIZED_ARGS_ATTR, None)
        if unknown:
            self.choices[values[0]].error(f"unrecognized arguments: {' '.join(unknown)}")


class Parser(argparse.ArgumentParser):
    """Argument parser for which `--foo-bar` and `--foo_bar` are the same option; abbreviations are refused."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        self.register("action", "parsers", _VerbParsers)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse after spelling every long option as it was declared."""
        words = list(sys.argv[1:] if args is None else args)
        end = words.index("--") if "--" in words else len(words)
        return super().parse_known_args([self._spelt(word) for word in words[:end]] + words[end:], namespace)

    def _spelt(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            return word
        bare = name[2:].replace("-", "_")
        for candidate in (name, f"--{bare}", f"--{bare.replace('_', '-')}"):
            if candidate in self._option_string_actions:
                return candidate + equals + value
        return word


def commands() -> dict[str, str]:
    """Return every noun with the first line of its module's docstring; imports none of the modules."""
    found = {}
    for path in sorted(_HERE.glob("*.py")):
        if path.stem != "main" and not path.stem.startswith("_"):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found[path.stem] = text.split("\n", 1)[0]
    return found


def _help() -> str:
    known = commands()
    width = max((len(name) for name in known), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in known.items()]
    head = ["usage: ctap COMMAND [VERB] [options]", "", "commands:"]
    return "\n".join([*head, *lines, "", "ctap COMMAND --help says more."])


def _prepare_process() -> None:
    """Set what must be set before torch is imported and memory is allocated."""
    if RUN_ID in os.environ:  # a command of a stage ends with the driver, also where that is killed
        end_with_parent()
    # oneDNN compiles products for every shape that batches have, and keeps 1024 of them by default.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")
    # A training step frees and allocates the same blocks again and again. glibc gives large ones back to the kernel, which clears
    # them each time: up to a third of a step on virtual machines. Have it keep them, unless MALLOC_* variables say otherwise.
    if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
        import ctypes

        trim_threshold, mmap_threshold, largest_mmap_threshold = -1, -3, 32 << 20
        change = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
        if change is not None:
            change(mmap_threshold, largest_mmap_threshold)
            change(trim_threshold, 2**31 - 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] == "--version":
        print(__version__)
        return 0
    noun, rest = words[0].replace("-", "_"), words[1:]
    if noun in ("main",) or noun.startswith("_") or not (_HERE / f"{noun}.py").exists():
        import difflib

        near = difflib.get_close_matches(noun, commands(), 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(commands())}"
        print(f"error: ctap has no command {words[0]!r}; {hint}", file=sys.stderr)
        return 2
    _prepare_process()
    try:
        if os.environ.get("CTAP_METHOD_PATH"):
            importlib.import_module("ctaplib.find").check_method_path()
        module = importlib.import_module(f"ctaplib.cli.{noun}")
        parser = Parser(prog=f"ctap {noun}", description=module.__doc__)
        module.configure(parser)
        args = parser.parse_args(rest)
        return int(module.run(args) or 0)
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"error: {missing_package(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        signal_name = str(stop)  # empty for Ctrl-C
        print(f"error: stopped by {signal_name or 'the keyboard'}", file=sys.stderr)
        return STOPPED if signal_name else KEYBOARD
    except BrokenPipeError:
        sys.stderr.close()
        return 141


if __name__ == "__main__":
    sys.exit(main())
