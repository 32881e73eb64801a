"""Typed configuration: pydantic models beside their components, filled from YAML files (`ctaplib.config_file`) and overrides.

Unknown keys and wrong types are errors that name the file, the line and the nearest valid name.
"""

import difflib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ctaplib.config_file import Lines, merge, read_file
from ctaplib.errors import ConfigError, counted
from ctaplib.files import atomic_write

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of every configuration: frozen, unknown names are errors.

    Attributes:
        RUNNING: Fields that do not change results; a run may be resumed with other values of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    RUNNING: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _keep_defaults(cls, values: Any) -> Any:
        # Pydantic fills a partial mapping from the defaults of its class; what the default of the field sets must stay as well.
        if not isinstance(values, dict):
            return values
        filled = dict(values)
        for name, value in values.items():
            default = field.get_default(call_default_factory=True) if (field := cls.model_fields.get(name)) else None
            if isinstance(value, dict) and isinstance(default, Config):
                filled[name] = default.filled(value)
        return filled

    def filled(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a mapping, with those that this config sets beside them."""
        return merge(self.model_dump(exclude_unset=True), values)


def load_config(cls: type[C], path: str | Path | None = None, overrides: Sequence[str] = ()) -> C:
    """Read a config.

    Args:
        cls: The config class.
        path: A YAML file, or None for the defaults.
        overrides: `a.b=value` words; the value is read as YAML.

    Raises:
        ConfigError: the file or a word is not valid; lists every fault.
    """
    values, lines = read_file(Path(path)) if path is not None else ({}, {})
    for word in overrides:
        _override(values, lines, word)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise explain(cls, error, lines) from None


def save_config(config: Config, path: str | Path, **extra: str) -> None:
    """Write the complete config with its hash as `config_hash`, and `extra` at the top."""
    document = {"config_hash": config_hash(config), **extra, **config.model_dump(mode="json")}
    with atomic_write(path) as out:
        yaml.safe_dump(document, out, sort_keys=False, allow_unicode=True)


def config_hash(config: Config, *, of_numbers: bool = False) -> str:
    """Return twelve hexadecimal digits over all values; `of_numbers`: over those that change results."""
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
    """Return the names `a.b.c` of the settings that do not change results; the name of a part means all of it."""
    found = set(config.RUNNING)
    for name in type(config).model_fields:
        if name not in found and isinstance(value := getattr(config, name), Config):
            found |= {f"{name}.{inner}" for inner in running_settings(value)}
    return found


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


def explain(cls: type[Config], error: ValidationError, lines: Lines, whole: str = "config") -> ConfigError:
    """Return an error that lists every fault with its location and, for an unknown name, the nearest valid one.

    Args:
        cls: The config class.
        error: What pydantic found.
        lines: Where each value was given.
        whole: Location to report for values that are not in `lines`.
    """
    faults = []
    for item in error.errors():
        keys = tuple(str(k) for k in item["loc"])
        where = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), whole)
        name = ".".join(keys)
        if item["type"] == "extra_forbidden":
            known = _fields_at(cls, keys[:-1])
            near = difflib.get_close_matches(keys[-1], known, 1)
            hint = f", did you mean {'.'.join((*keys[:-1], near[0]))}?" if near else f", known are {', '.join(known)}"
            faults.append(f"{where}: there is no {name}{hint}")
        else:
            faults.append(f"{where}: {name}: {item['msg']}, found {item.get('input')!r}")
    return ConfigError(f"{counted(len(faults), 'fault')} in the config: " + "; ".join(faults))


def _fields_at(cls: type[Config], keys: tuple[str, ...]) -> list[str]:
    here: Any = cls
    for key in keys:
        field = here.model_fields.get(key) if isinstance(here, type) and issubclass(here, Config) else None
        if field is None:
            return []
        options = [field.annotation, *get_args(field.annotation)]
        here = next((o for o in options if isinstance(o, type) and issubclass(o, Config)), None)
    return list(here.model_fields) if here is not None else []
