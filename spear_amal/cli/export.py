"""The command ``export``: a model file in the forms that others read."""

from __future__ import annotations

from pathlib import Path

from spear_amal.cli.console import print_result
from spear_amal.cli.options import ExportOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.text_classifier import TextClassifier


def export(options: ExportOptions) -> None:
    """Write what the options ask for of a model file."""
    check_outputs(options.force, options.card)
    model = TextClassifier.load(options.output)
    if options.card is not None:
        _write_card(options, options.card, model)


def _write_card(options: ExportOptions, card: Path, model: TextClassifier) -> None:
    from spear_amal.report.card import write_model_card

    write_model_card(
        card,
        model,
        overwrite=options.force,
        model_file=options.output,
        licence=options.licence,
        data_licence=options.data_licence,
        languages=options.language,
        intended_use=options.intended_use,
    )
    print_result(f"Model card written to {card}")
