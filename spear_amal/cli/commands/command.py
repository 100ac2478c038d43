"""From a model of options to a command of typer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from pydantic.fields import FieldInfo

from spear_amal.cli.schema import Options, default_text, flags_of, is_argument, kind_of
from spear_amal.errors import InputError


def add_command(
    app: typer.Typer, run: Callable[[Any], None], name: str | None = None, **shown: Any
) -> None:
    """Add a command whose flags are the fields of the options that `run` takes.

    Every command has ``--quiet`` and ``--json`` besides.

    Parameters
    ----------
    app : typer.Typer
    run : callable
        Its parameter is annotated with a class of :class:`Options`; its docstring is the help.
    name : str, optional
        Default: that of `run`.
    **shown
        Of typer's ``command``, as ``rich_help_panel``.
    """
    model: type[Options] = get_type_hints(run)["options"]

    def command(quiet: bool = False, json: bool = False, **flags: Any) -> None:
        for former, new in model.RENAMED.items():
            if flags.pop(former, None) is not None:
                raise InputError(f"there is no {_dashed(former)}; it is called {_dashed(new)}")
        from spear_amal.cli.asking import within_budget
        from spear_amal.cli.console import printing

        options = model.load(**flags)
        with printing(quiet, json), within_budget(getattr(options, "max_cost", None)):
            run(options)

    parameters = [*_parameters(model), *_PRINTING]
    command.__name__, command.__doc__ = run.__name__, run.__doc__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.options = model  # type: ignore[attr-defined]  # for the documentation
    app.command(name or run.__name__.replace("_", "-"), **shown)(command)


def _parameters(model: type[Options]) -> list[inspect.Parameter]:
    shown = model.shown()
    parameters = [_option(name, model.model_fields[name], *shown[name]) for name in shown]
    if model.FILE:
        about = f"TOML file with these settings; default: {model.FILE} here, if there is one."
        parameters.append(
            _parameter("config", Path, typer.Option("--config", help=about, show_default=False))
        )
    flags = {flag for flag, _ in shown.values()}
    for former, new in model.RENAMED.items():
        if _dashed(new) in flags:
            hidden = typer.Option(_dashed(former), hidden=True)
            parameters.append(_parameter(former, str, hidden))
    return parameters


def _option(name: str, field: FieldInfo, label: str, heading: str) -> inspect.Parameter:
    kind, several = kind_of(field)
    about = f"{field.description}{' May be repeated.' if several else ''}"
    if default := default_text(field):
        about += f" [default: {default}]"
    panel = None if heading == "Options" else heading
    flags = flags_of(name, field)
    info: Any = typer.Option(*flags, help=about, rich_help_panel=panel, show_default=False)
    if is_argument(field):
        info = typer.Argument(metavar=label, help=about, show_default=False)
    if kind is bool:
        return _parameter(name, bool, info, default=False)
    if field.is_required():
        return _parameter(name, kind, info, default=inspect.Parameter.empty)
    return _parameter(name, list[kind] if several else kind, info)  # type: ignore[valid-type]


def _parameter(name: str, kind: Any, info: Any, default: Any = None) -> inspect.Parameter:
    if default is None:
        kind = kind | None
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=default, annotation=Annotated[kind, info])


def _dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def _switch(name: str, *flags: str, help: str) -> inspect.Parameter:
    info = typer.Option(*flags, help=help, rich_help_panel="Printing", show_default=False)
    return _parameter(name, bool, info, default=False)


_PRINTING = (
    _switch("quiet", "--quiet", "-q", help="No progress, no remarks; warnings are printed."),
    _switch("json", "--json", help="Print the results as one JSON document."),
)
