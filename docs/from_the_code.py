"""Fills in what the pages take from the code (an MkDocs hook): settings and command line.

A line `<!-- settings TrainConfig -->` becomes a table of that config's fields, and
`<!-- commands -->` one section for each command. So neither can go out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from typer.main import get_command

from napari_aprrd.cli import app
from napari_aprrd.core import config as configs
from napari_aprrd.core.config import Config

_BOUNDS = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}"}
_LENGTHS = {"min_length": "at least {}", "max_length": "at most {}"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks in a page."""
    markdown = re.sub(
        r"<!-- settings (\w+) -->", lambda m: settings(getattr(configs, m[1])), markdown
    )
    markdown = re.sub(
        r"<!-- presets (\w+) -->", lambda m: presets(getattr(configs, m[1])), markdown
    )
    return markdown.replace("<!-- commands -->", commands())


def settings(config: type[Config]) -> str:
    """A table of a config's fields."""
    own_first = sorted(
        config.model_fields.items(), key=lambda field: field[0] not in config.__annotations__
    )
    rows = [
        (f"`{name}`", f"`{_default(info)}`", _values(info), _unit(info), info.description)
        for name, info in own_first
    ]
    return _table(("setting", "default", "values", "unit", "what it does"), rows)


def presets(config: type[Config]) -> str:
    """A table of what the presets change."""
    names = get_args(config.model_fields["preset"].annotation)
    values = [config.of(preset=name).model_dump(exclude={"preset"}) for name in names]
    rows = [
        (f"`{field}`", *(f"`{_shown(value[field])}`" for value in values))
        for field in values[0]
        if len({str(value[field]) for value in values}) > 1
    ]
    return _table(("setting", *names), rows)


def commands() -> str:
    """A section for each command."""
    group: Any = get_command(app)
    return "\n\n".join(_command(name, command) for name, command in group.commands.items())


def _command(name: str, command: Any) -> str:
    with command.make_context(f"napari-aprrd {name}", [], resilient_parsing=True) as context:
        usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    rows = [(f"`{p.metavar or p.name.upper()}`", p.help or "") for p in arguments]
    rows += [(f"`{_flags(p)}`", p.help or "") for p in options]
    return f"## {name}\n\n{command.help}\n\n```text\n{usage}\n```\n\n" + _table(("", ""), rows)


def _flags(option: Any) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _values(info: FieldInfo) -> str:
    kinds = (info.annotation, *get_args(info.annotation))
    for kind in kinds:
        if get_origin(kind) is not None and all(isinstance(a, str) for a in get_args(kind)):
            return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if bool in kinds:
        return "`True`, `False`"
    limits = {**_BOUNDS, **_LENGTHS}
    found = [
        text.format(f"{getattr(limit, name):,}")
        for limit in info.metadata
        for name, text in limits.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(found)


def _unit(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _default(info: FieldInfo) -> str:
    if info.default is None:
        return "automatic" if "automatic" in (info.description or "").lower() else "none"
    return _shown(info.default)


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
