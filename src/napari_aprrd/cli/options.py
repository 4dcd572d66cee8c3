"""Command-line options generated from the fields of the configs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from ..core.config import Config


def with_settings(
    *configs: type[Config], leave_out: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of the configs.

    The command's last parameter must be ``**settings``, which receives the options that were
    given. A field that several configs share becomes one option.
    """
    fields: dict[str, FieldInfo] = {}
    for config in configs:
        for name, info in config.model_fields.items():
            if name not in leave_out:
                fields.setdefault(name, info)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapped(**arguments: Any) -> None:
            given = {n: arguments.pop(n) for n in fields}
            settings = {n: _parse(fields[n], v) for n, v in given.items() if v is not None}
            command(**arguments, **settings)

        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        options = [_option(name, info) for name, info in fields.items()]
        wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
        wrapped.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
        return wrapped

    return decorate


def _option(name: str, info: FieldInfo) -> inspect.Parameter:
    kind = _option_type(info.annotation)
    flag = f"--{name.replace('_', '-')}"
    names = [f"{flag}/--no-{flag[2:]}"] if kind is bool else [flag]
    unit = (info.json_schema_extra or {}).get("unit", "")  # type: ignore[union-attr]
    default = "" if info.default is None else f" (default {_shown(info.default)} {unit}".rstrip()
    text = f"{info.description}{default}{')' if default else ''}"
    option = typer.Option(*names, help=text, show_default=False, rich_help_panel="Settings")
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _option_type(annotation: Any) -> Any:
    if _is_list(annotation):
        return str  # "0,1,2"
    if get_origin(annotation) is Literal or annotation in (int, float, bool, str):
        return annotation
    return next(a for a in get_args(annotation) if a is not type(None))


def _is_list(annotation: Any) -> bool:
    """True for tuples, and for tuples that may be None."""
    return any(get_origin(kind) is tuple for kind in (annotation, *get_args(annotation)))


def _parse(info: FieldInfo, value: Any) -> Any:
    if _is_list(info.annotation):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
