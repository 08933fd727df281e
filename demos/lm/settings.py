"""Options declared once, in a dataclass, and had three ways: on the command line, in a TOML file, in a checkpoint.

>>> @dataclass(frozen=True)
... class Bake:
...     "Bake bread."
...
...     minutes: int = option(40, "MIN", "minutes in the oven", low=1, high=90)
...     seeds: tuple[str, ...] = option(("rye",), "NAME", "what to put on top")
>>> values(Bake, {"minutes": 50})
Bake(minutes=50, seeds=('rye',))
>>> print(to_toml(values(Bake, {"minutes": 50})), end="")
minutes = 50     # minutes in the oven
seeds = ["rye"]  # what to put on top
>>> values(Bake, {"minutes": 5000})
Traceback (most recent call last):
demos.lm.settings.OptionError: minutes: 5000 is not 90 or less

Whatever the source, a value passes the same checks.
"""

from __future__ import annotations

import argparse
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from demos.lm.paths import in_locale, in_unicode

Options = TypeVar("Options")


class OptionError(ValueError):
    """An option that doesn't exist, or a value that it can't have."""


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its name and default."""

    metavar: str
    about: str
    kind: type  # int, float, str or bool; of each item, if there are many
    low: float
    high: float
    choices: Sequence[str]
    many: bool
    optional: bool  # the value may be None
    recorded: bool  # a part of what a training is: written to checkpoints
    lasting: bool  # what a resumed training has to keep
    noted: bool  # the name of a file that is written down: absolute, and in Unicode

    def checked(self, value: Any) -> Any:
        """``value`` as the option has it. Raises OptionError."""
        if self.optional and value is None:
            return None
        if self.many:
            if not isinstance(value, (list, tuple)):
                raise OptionError(f"{value!r} is not a list")
            return tuple(map(self.checked_item, value))
        return self.checked_item(value)

    def checked_item(self, value: Any) -> Any:
        """One value. A whole number is a float as well; nothing else is converted."""
        if self.kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
        if type(value) is not self.kind:
            raise OptionError(f"{value!r} is not {KINDS[self.kind]}")
        if isinstance(value, str):
            value = self.checked_text(value)
        if self.choices and value not in self.choices:
            raise OptionError(f"{value!r} is none of {', '.join(self.choices)}")
        if isinstance(value, (int, float)) and not self.low <= value <= self.high:  # which NaN isn't
            limit = f"{self.high:g} or less" if value > self.high else f"{self.low:g} or more"
            raise OptionError(f"{shown(value)} is not {limit}")
        return value

    def checked_text(self, value: str) -> str:
        """A text. The name of a file is one that the locale can open, or is ``noted``."""
        if "\0" in value:
            raise OptionError(f"{value!r} has a NUL in it, the character that ends a name")
        try:
            if self.metavar in FILES and not self.noted:
                return in_locale(value)
            return in_unicode(str(Path(value).absolute()) if self.noted else value)
        except UnicodeError as error:
            raise OptionError(f"{value!r} is not UTF-8") from error

    def parsed(self, word: str) -> Any:
        """A word of the command line as a value. Raises what argparse expects."""
        try:
            return self.checked_item(self.kind(word))
        except OptionError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{word!r} is not {KINDS[self.kind]}") from error


KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
FILES = ("FILE", "DIR", "PATH")  # metavars of options that name one


def option(
    default: Any,
    metavar: str,
    about: str,
    *,
    kind: type | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    choices: Sequence[str] = (),
    recorded: bool = True,
    lasting: bool = False,
    noted: bool = False,
) -> Any:
    """An option as the field of a dataclass; ``kind`` is needed where ``default`` is None, for "not given"."""
    many = isinstance(default, tuple)
    kind = kind or type(default[0] if many else default)
    metavar = "{" + ",".join(choices) + "}" if choices else metavar
    known = Option(metavar, about, kind, low, high, choices, many, default is None, recorded, lasting, noted)
    return field(default=default, metadata={"option": known})


def options_of(kind: Any) -> dict[str, Option]:
    """The options of a dataclass, or of an object of one, by name."""
    return {f.name: f.metadata["option"] for f in fields(kind)}


def defaults_of(kind: Any) -> dict[str, Any]:
    """Their defaults by name."""
    return {f.name: f.default for f in fields(kind)}


def values(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """The options ``kind`` with what is ``given`` by name, and defaults for the rest. Raises OptionError."""
    return kind(**checked(kind, {**defaults_of(kind), **given}))


def checked(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is ``given`` by name for some of the options ``kind``, each value as it has it. Raises OptionError."""
    known, found = options_of(kind), {}
    for name, value in given.items():
        if name not in known:
            close = get_close_matches(name, known, 1)
            meant = f"; {close[0]} is meant?" if close else ""
            meant = f"; options stand at the top of the file, without [{name}]" if isinstance(value, dict) else meant
            raise OptionError(f"{name}: there is no such option{meant}")
        try:
            found[name] = known[name].checked(value)
        except OptionError as error:
            raise OptionError(f"{name}: {error}") from error
    return found


def recorded(options: Any) -> dict[str, Any]:
    """What a checkpoint keeps of ``options``: plain data, from which ``values`` makes them again."""
    known = options_of(options)
    plain = asdict(options).items()
    return {name: list(v) if isinstance(v, tuple) else v for name, v in plain if known[name].recorded}


# ---------------------------------------------------------------------------------------------------- the command line


def add_to(parser: argparse.ArgumentParser, kind: Any) -> None:
    """Add the options of ``kind``, and ``--config``. What is not given is not in the namespace."""
    parser.add_argument(
        "--config", metavar="FILE", help="TOML file of these options; the command line goes first (default: none)"
    )
    defaults = defaults_of(kind)
    for name, known in options_of(kind).items():
        about = f"{known.about} (default: {shown(defaults[name])})".replace("%", "%%")
        settings: dict[str, Any] = {"default": argparse.SUPPRESS, "help": about}
        if known.kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
        else:
            settings |= {"metavar": known.metavar, "type": known.parsed} | ({"nargs": "*"} if known.many else {})
        parser.add_argument("--" + name.replace("_", "-"), **settings)


def shown(value: Any) -> str:
    """A value for people."""
    if isinstance(value, tuple):
        return " ".join(map(shown, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value in {None, ""} else str(value)


# ------------------------------------------------------------------------------------------------------------ the file


def from_toml(path: str) -> dict[str, Any]:
    """The options in a TOML file, not checked yet. Raises OptionError with the file and the reason."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or not TOML
        raise OptionError(f"{path}: not a TOML file: {error}") from error


def to_toml(options: Any) -> str:
    """A TOML file with the recorded options that have a value, and what they are."""
    known = options_of(options)
    lines = {f"{name} = {in_toml(v)}": known[name].about for name, v in recorded(options).items() if v is not None}
    width = min(max(map(len, lines)), 24)
    return "".join(f"{line:<{width}}  # {about}\n" for line, about in lines.items())


def in_toml(value: Any) -> str:
    """A value as TOML writes it: much as JSON does."""
    if isinstance(value, list):
        return "[" + ", ".join(map(in_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
