"""Sizes of modules, functions, classes and scripts; docstrings of public names."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "ctaplib").rglob("*.py"))
RECIPES = sorted(p.parent for p in (ROOT / "egs").glob("*/run.sh"))
FORBIDDEN_CALLS = {"torch.load": "weights_only=True"}


def lines(path):
    return path.read_text(encoding="utf-8").count("\n")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_budgets_of_a_module(path):
    text = path.read_text(encoding="utf-8")
    faults = [] if lines(path) <= 400 else [f"{lines(path)} lines, the budget is 400"]
    for node in ast.walk(ast.parse(text)):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if not isinstance(node, kinds):
            continue
        budget = 250 if isinstance(node, ast.ClassDef) else 60
        length = node.end_lineno - node.lineno + 1
        if length > budget:
            faults.append(f"line {node.lineno}: {node.name} has {length} lines, the budget is {budget}")
    assert not faults


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_weights_are_loaded_safely(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS:
            assert FORBIDDEN_CALLS[ast.unparse(node.func)] in ast.unparse(node), f"line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_exception_is_swallowed(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            named = ast.unparse(node.type) if node.type else ""
            silent = all(isinstance(inner, ast.Pass | ast.Continue) for inner in node.body)
            assert named, f"line {node.lineno}: a bare except"
            assert not (silent and named in ("Exception", "BaseException")), f"line {node.lineno} swallows all"


def test_budget_of_the_driver():
    assert lines(ROOT / "utils/recipe.sh") <= 250


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: p.name)
def test_recipe_folder(recipe):
    assert lines(recipe / "run.sh") <= 40
    for name in ("run.sh", "cmd.sh", "path.sh", "db.sh", "conf", "local/data.sh"):
        assert (recipe / name).exists(), f"{recipe.name} lacks {name}"
    if recipe.name != "TEMPLATE":
        assert (recipe / "README.md").exists(), f"{recipe.name} lacks README.md"


def test_extended_configs_are_there():
    known = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in known.stdout.split():
        path = ROOT / name
        if not path.exists():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key == "extends":
                parent = value.split("#")[0].strip().strip("\"'")
                assert (path.parent / parent).exists(), f"{name} extends {parent}, which is not there"
