"""Tables of options in docs/cli.md are those of the schema; run as a script, this writes them."""

import re
from pathlib import Path

import pytest

from spear_amal.cli.app import app
from spear_amal.cli.options.distillation import DistillConfig
from spear_amal.cli.options.project import CliConfig
from spear_amal.cli.schema import default_text, kind_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
TABLES = re.compile(r"(?<=<!-- options:begin).*?(?=<!-- options:end -->)", re.DOTALL)
HEAD = ", written by: python tests/cli/test_cli_docs.py -->"


def commands(group=app, prefix=""):
    """Yield names of commands, and the models of their options."""
    for command in group.registered_commands:
        yield f"{prefix}{command.name}", command.callback.options
    for other in group.registered_groups:
        yield from commands(other.typer_instance, f"{prefix}{other.name} ")


COMMANDS = dict(commands())
# What is shown once: all named studies have the same options, and `run` goes without saying.
TOLD = {name.replace("study run", "study SOURCE"): model for name, model in COMMANDS.items()}
GRID = COMMANDS["study coreset"]
TOLD = {name: model for name, model in TOLD.items() if model is not GRID} | {"study NAME": GRID}


def table(*columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def code(text):
    return f"`{text}`" if text else ""


def meaning(field):
    return f"{field.description}{' Several.' if kind_of(field)[1] else ''}"


def keys_table(config):
    """Keys of a TOML file, and the commands that have flags for them."""
    rows = []
    models = {name: model for name, model in TOLD.items() if issubclass(model, config)}
    for key, field in config.keys().items():
        flags = {}
        for name, model in models.items():
            if key in model.shown():
                flags.setdefault(model.shown()[key][0], []).append(name)
        named = "; ".join(
            f"{code(flag)} of {', '.join(names)}" if len(models) > 1 else code(flag)
            for flag, names in flags.items()
        )
        rows.append((code(key), code(default_text(field)), meaning(field), named))
    return table("key", "default", "meaning", "flag", rows=rows)


def flags_table():
    """Flags and arguments that are no keys of a file, by what they mean."""
    names = {}
    for name, model in TOLD.items():
        for field, (flag, _) in model.shown().items():
            if field not in model.keys():
                about = model.model_fields[field]
                row = (code(flag), code(default_text(about)), meaning(about))
                names.setdefault(row, []).append(name)
    rows = [(*row, ", ".join(of)) for row, of in sorted(names.items())]
    return table("flag", "default", "meaning", "commands", rows=rows)


def tables():
    return "\n\n".join(
        [
            HEAD,
            "### spear.toml",
            keys_table(CliConfig),
            "### distill.toml",
            keys_table(DistillConfig),
            "### Flags alone",
            flags_table(),
            "",
        ]
    )


def test_page_has_the_tables_of_the_schema():
    (written,) = TABLES.findall(PAGE.read_text(encoding="utf-8"))
    assert written == tables(), "write them anew: python tests/cli/test_cli_docs.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_option_and_what_it_is_for(name, ok, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    shown = ok(*name.split(), "--help").stdout
    model = COMMANDS[name]
    for field, (flag, heading) in model.shown().items():
        assert re.search(rf"(?<![\w-]){flag}\s", shown) and model.model_fields[field].description
        assert f" {heading} " in shown or flag.isupper()


def test_every_key_of_a_file_is_described():
    for config in (CliConfig, DistillConfig):
        assert all(field.description for field in config.keys().values())


if __name__ == "__main__":
    PAGE.write_text(TABLES.sub(lambda _: tables(), PAGE.read_text("utf-8")), encoding="utf-8")
