"""The root of the command line: options for all commands, and the commands themselves."""

from __future__ import annotations

from typing import Annotated

import typer

import spear_amal
from spear_amal.cli.commands import distill, models, start, study
from spear_amal.cli.errors import ErrorHandlingGroup

app = typer.Typer(
    name="spear-amal",
    cls=ErrorHandlingGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",  # else "[default: ...]" in a help text is taken for markup
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spear-amal {spear_amal.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """From labelling functions to a denoised classifier: SPEAR and AMAL.

    Start with `spear-amal demo`, or with a project of your own: `spear-amal init DIR`.
    """


start.register(app)
models.register(app)
distill.register(app)
study.register(app)
