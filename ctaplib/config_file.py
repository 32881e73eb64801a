"""YAML files of configs, read without the classes that they fill; a file holds only what differs from its parent.

A file may name one parent with `extends:` (relative to itself). Repeated keys are errors that name the file and the line. A
mapping with another `name` than its parent's is another choice for that slot, and inherits nothing from it.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ctaplib.errors import ConfigError

Lines = dict[tuple[str, ...], str]
"""Place of a value, `file:line`, by the keys that lead to it."""


def read_saved(
    path: str | Path, expected: str = "the config.yaml of a trained run", fix: str = "name a run's folder"
) -> dict[str, Any]:
    """Read the document that `save_config` wrote.

    Args:
        path: The file.
        expected: What the file is, for the error where it is missing.
        fix: What to do then.

    Raises:
        ConfigError: the file is missing or is not a mapping.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path} is missing", expected=expected, fix=fix)
    values, _ = read_file(path)
    return values


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as `a.b.c` -> value; an empty mapping is a value."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loader that refuses repeated keys."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise ConfigError(
                f"{key.start_mark.name}:{line}: {name} stands twice (first in line {seen[name]})", fix="keep one of them"
            )
        seen[name] = line
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_file(path: Path, above: tuple[Path, ...] = ()) -> tuple[dict[str, Any], Lines]:
    """Read a file and its parents.

    Args:
        path: The file.
        above: The files that extend it.

    Returns:
        The values, and the place of each.

    Raises:
        ConfigError: a file is missing or is not YAML, holds no mapping, repeats a key or extends itself.
    """
    if path.resolve() in above:
        raise ConfigError(f"{path} extends itself by way of {above[-1]}", fix="break the circle")
    try:
        stream = io.StringIO(path.read_text(encoding="utf-8"))
        stream.name = str(path)  # for the marks of nodes
        loader = _Loader(stream)
        node = loader.get_single_node()
        values = loader.construct_document(node) if node is not None else {}
    except OSError as error:
        by = f", which {above[-1]} extends" if above else ""
        raise ConfigError(f"cannot read the config {path}{by}: {error.strerror}", fix="check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}", expected="a mapping of names to values")
    lines: Lines = {}
    if isinstance(node, yaml.MappingNode):
        _collect_lines(node, (), str(path), lines)
    parent = values.pop("extends", None)
    if parent is None:
        return values, lines
    base, base_lines = read_file(path.parent / str(parent), (*above, path.resolve()))
    return merge(base, values), {**base_lines, **lines}


def _collect_lines(node: yaml.MappingNode, prefix: tuple[str, ...], name: str, lines: Lines) -> None:
    for key, value in node.value:
        here = (*prefix, str(key.value))
        lines[here] = f"{name}:{key.start_mark.line + 1}"
        if isinstance(value, yaml.MappingNode):
            _collect_lines(value, here, name, lines)


def merge(base: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `top` over its own, nested mappings likewise; another `name` replaces all of a mapping."""
    merged = dict(base)
    for key, value in top.items():
        base_value = merged.get(key)
        merged[key] = value
        if isinstance(value, dict) and isinstance(base_value, dict):
            other = "name" in value and value["name"] != base_value.get("name", value["name"])
            merged[key] = value if other else merge(base_value, value)
    return merged
