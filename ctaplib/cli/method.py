"""List the methods, or what one of them can do: abilities, tasks and folders of its runs."""

import argparse

from ctaplib.methods.base import ABILITIES, STAGES, Method, find_method, method_names


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", nargs="?", help="a method; without it all methods are listed")
    table = "print lines of: ability or stage, its task, its run's folder, why the method lacks it; separated by tabs, - for none"
    parser.add_argument("--table", action="store_true", help=table)


def run(args: argparse.Namespace) -> int:
    """Print the list, or one method."""
    methods = [find_method(name) for name in ([args.name] if args.name else method_names())]
    for method in methods:
        if args.table:
            print("\n".join("\t".join(row) for row in _rows(method)))
        elif args.name:
            print(_describe(method))
        else:
            print(f"{method.name:<12} {method.title:<12} {' '.join(a for a in ABILITIES if a in method.abilities)}")
    return 0


def _rows(method: Method) -> list[tuple[str, str, str, str]]:
    rows = [("title", "-", "-", method.title)]
    for need in (*ABILITIES, *STAGES):
        run = method.run(need) if need in method.tasks else "-"
        rows.append((need, method.tasks.get(need, "-"), run, method.missing(need) or "-"))
    return rows


def _describe(method: Method) -> str:
    lines = [f"{method.name}: {method.title}", "", "It can:"]
    lines += [f"  {name:<10}{text}" for name, text in ABILITIES.items() if name in method.abilities]
    lines += ["", "It trains:"]
    lines += [f"  {stage:<10}task {task}, run exp/{method.run(stage)}" for stage, task in method.tasks.items()]
    lacking = {need: why for need in (*ABILITIES, *STAGES) if (why := method.missing(need))}
    if lacking:
        lines += ["", "It lacks:", *(f"  {need:<10}{why}" for need, why in lacking.items())]
    return "\n".join(lines)
