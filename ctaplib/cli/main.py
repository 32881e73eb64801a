"""The command `ctap <noun> [verb]`: finds the module of the noun, reads the options, runs it.

A noun is a module of `ctaplib.cli` that offers `configure(parser)` and `run(args)`; adding the file adds
the command. The list of commands is read from the files' docstrings, so help imports none of them.
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
from ctaplib.errors import KEYBOARD, STOPPED, CtapError, missing_package

_HERE = Path(__file__).parent


class _VerbParsers(argparse._SubParsersAction):  # the documented way to change what add_subparsers makes
    """Verbs whose unknown options are told with the verb's own usage."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Parse what stands behind the verb; all of it is the verb's."""
        super().__call__(parser, namespace, values, option_string)
        unknown = getattr(namespace, argparse._UNRECOGNIZED_ARGS_ATTR, None)
        if unknown:
            self.choices[values[0]].error(f"unrecognized arguments: {' '.join(unknown)}")


class Parser(argparse.ArgumentParser):
    """An argument parser that takes `--foo-bar` and `--foo_bar` for the same option, and no abbreviations."""

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
    """Every noun with the first line of its module's docstring; imports none of the modules."""
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
    return "\n".join([*head, *lines, "", "ctap COMMAND --help tells more."])


def _end_with_parent() -> None:
    """Ask the kernel (Linux) to end this process when the stage that started it is killed."""
    if "CTAP_RUN_ID" in os.environ and sys.platform == "linux":
        import ctypes
        import signal

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _keep_freed_memory() -> None:
    """Ask glibc to keep freed memory for the next use instead of giving it back to the kernel.

    A training step frees and takes the same blocks again; having the kernel clear them each time costs up to a
    third of a step on virtual machines. What MALLOC_* variables say is left as it is.
    """
    if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
        import ctypes

        trim_threshold, mmap_threshold, largest_mmap_threshold = -1, -3, 32 << 20
        change = getattr(ctypes.CDLL(None), "mallopt", None)  # another C library has no such function
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
    _end_with_parent()
    _keep_freed_memory()
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")  # products are compiled for every shape they meet
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
        signal_name = str(stop)  # where a signal was made one
        print(f"error: stopped by {signal_name or 'the keyboard'}", file=sys.stderr)
        return STOPPED if signal_name else KEYBOARD
    except BrokenPipeError:
        sys.stderr.close()
        return 141


if __name__ == "__main__":
    sys.exit(main())
