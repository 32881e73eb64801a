"""Typed configuration: pydantic models beside their components, YAML files that say only what differs.

A YAML file may name one parent with `extends:` (relative to itself). Unknown keys, wrong types and
repeated keys are errors that name the file, the line and the nearest valid name. A mapping with another
`name` than its parent's is another choice for that slot, and takes nothing over from it.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ctaplib.errors import ConfigError
from ctaplib.files import atomic_write

C = TypeVar("C", bound="Config")
Lines = dict[tuple[str, ...], str]


class Config(BaseModel):
    """Base of every configuration: frozen, strict about names, docstrings explain the fields.

    Attributes:
        RUNNING: Fields that change no number of what is made; a run may go on with other values of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    RUNNING: ClassVar[frozenset[str]] = frozenset()


def load_config(cls: type[C], path: str | Path | None = None, overrides: Sequence[str] = ()) -> C:
    """Read a config.

    Args:
        cls: The config class.
        path: A YAML file, or None for the defaults.
        overrides: `a.b=value` words; the value is read as YAML.

    Raises:
        ConfigError: the file or a word cannot be used; lists every fault.
    """
    values, lines = _read(Path(path), ()) if path is not None else ({}, {})
    for word in overrides:
        _override(values, lines, word)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise _explain(cls, error, lines) from None


def save_config(config: Config, path: str | Path, **extra: str) -> None:
    """Write the complete config with its hash as `config_hash`; `extra` words go on top."""
    document = {"config_hash": config_hash(config), **extra, **config.model_dump(mode="json")}
    with atomic_write(path) as out:
        yaml.safe_dump(document, out, sort_keys=False, allow_unicode=True)


def read_saved(path: str | Path) -> dict[str, Any]:
    """The document that `save_config` wrote.

    Raises:
        ConfigError: the file is missing or is not a mapping.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path} is missing", expected="the config.yaml of a trained run", fix="name a run's folder")
    values, _ = _read(path, ())
    return values


def config_hash(config: Config, *, of_numbers: bool = False) -> str:
    """Twelve hexadecimal digits that change when any value does; `of_numbers`: when one does that changes numbers."""
    values = config.model_dump(mode="json")
    for name in sorted(running_settings(config)) if of_numbers else ():
        *parts, last = name.split(".")
        holder = values
        for part in parts:
            holder = holder[part]
        del holder[last]
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def running_settings(config: Config) -> set[str]:
    """Names `a.b.c` of the settings that change no number; the name of a part stands for all of it."""
    found = set(config.RUNNING)
    for name in type(config).model_fields:
        if name not in found and isinstance(value := getattr(config, name), Config):
            found |= {f"{name}.{inner}" for inner in running_settings(value)}
    return found


class _Loader(yaml.SafeLoader):
    """Safe loader that refuses repeated keys."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
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


def _read(path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], Lines]:
    if path.resolve() in above:
        raise ConfigError(f"{path} extends itself by way of {above[-1]}", fix="break the circle")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        by = f", which {above[-1]} extends" if above else ""
        raise ConfigError(f"cannot read the config {path}{by}: {error.strerror}", fix="check the path") from error
    try:
        loader = _Loader(text)
        loader.name = str(path)
        values = loader.get_single_data()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
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
    base, base_lines = _read(path.parent / str(parent), (*above, path.resolve()))
    return _merge(base, values), {**base_lines, **lines}


def _collect_lines(node: yaml.MappingNode, prefix: tuple[str, ...], name: str, lines: Lines) -> None:
    for key, value in node.value:
        here = (*prefix, str(key.value))
        lines[here] = f"{name}:{key.start_mark.line + 1}"
        if isinstance(value, yaml.MappingNode):
            _collect_lines(value, here, name, lines)


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        base_value = merged.get(key)
        merged[key] = value
        if isinstance(value, dict) and isinstance(base_value, dict):
            other = "name" in value and value["name"] != base_value.get("name", value["name"])
            merged[key] = value if other else _merge(base_value, value)
    return merged


def _override(values: dict[str, Any], lines: Lines, word: str) -> None:
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise ConfigError(f"cannot use {word!r}", expected="name.of.value=value", fix="for example optim.lr=0.001")
    keys = tuple(name.split("."))
    inner = values
    for key in keys[:-1]:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    inner[keys[-1]] = yaml.safe_load(text) if text else None
    for depth in range(1, len(keys) + 1):
        lines[keys[:depth]] = f"--set {word}"


def _explain(cls: type[Config], error: ValidationError, lines: Lines) -> ConfigError:
    faults = []
    for item in error.errors():
        keys = tuple(str(k) for k in item["loc"])
        where = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), "config")
        name = ".".join(keys)
        if item["type"] == "extra_forbidden":
            known = _fields_at(cls, keys[:-1])
            near = difflib.get_close_matches(keys[-1], known, 1)
            hint = f", did you mean {near[0]}?" if near else f", known are {', '.join(known)}"
            faults.append(f"{where}: there is no {name}{hint}")
        else:
            faults.append(f"{where}: {name}: {item['msg']}, found {item.get('input')!r}")
    return ConfigError(f"{len(faults)} fault(s) in the config: " + "; ".join(faults))


def _fields_at(cls: type[Config], keys: tuple[str, ...]) -> list[str]:
    here: Any = cls
    for key in keys:
        field = here.model_fields.get(key) if isinstance(here, type) and issubclass(here, Config) else None
        if field is None:
            return []
        options = [field.annotation, *get_args(field.annotation)]
        here = next((o for o in options if isinstance(o, type) and issubclass(o, Config)), None)
    return list(here.model_fields) if here is not None else []
