"""The command ``export``: a model file as one that other programs run, and as a card."""

from __future__ import annotations

from pathlib import Path

from spear_amal.cli.console import add_to_json, print_result, print_warning
from spear_amal.cli.options.project import ExportOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.predict import read_model_rows
from spear_amal.io.atomic import written_together
from spear_amal.text_classifier import TextClassifier


def export(options: ExportOptions) -> None:
    """Write what the options ask for of a model file: all of it, or nothing."""
    check_outputs(options.force, options.onnx, options.card, inputs=[options.output])
    model = TextClassifier.load(options.output)
    with written_together():
        if options.onnx is not None:
            _write_onnx(options, options.onnx, model)
        if options.card is not None:
            _write_card(options, options.card, model)


def _write_onnx(options: ExportOptions, target: Path, model: TextClassifier) -> None:
    """Write an ONNX file; say how large it is, and how it was checked."""
    from spear_amal.export import export_onnx

    rows = read_model_rows(options, options.data, model) if options.data else None
    made = export_onnx(
        model,
        target,
        overwrite=options.force,
        without_votes=options.without_votes,
        rows=rows,
        source=options.output,
    )
    if model.needs_votes:
        print_warning(
            "Warning: the ONNX file predicts without the rules, and any score that train or "
            "evaluate printed is that with them; to know the score of what you ship, train with "
            "inference=feature, as in 'recommended:inference=feature'"
        )
    inputs = ", ".join(f"{name} ({kind})" for name, kind in made.inputs.items())
    print_result(f"ONNX model written to {target}: {made.n_bytes / 1e6:.2f} MB, inputs: {inputs}")
    print_result(
        f"Checked on {made.n_checked} rows: probabilities differ from those of {options.output} by "
        f"{made.largest_difference:.0e} at most"
    )
    add_to_json(
        onnx={
            "file": str(target),
            "bytes": made.n_bytes,
            "inputs": made.inputs,
            "checked_rows": made.n_checked,
            "largest_difference": made.largest_difference,
        }
    )


def _write_card(options: ExportOptions, target: Path, model: TextClassifier) -> None:
    from spear_amal.report import write_model_card

    write_model_card(
        target,
        model,
        overwrite=options.force,
        model_file=options.output,
        licence=options.licence,
        data_licence=options.data_licence,
        languages=options.language,
        intended_use=options.intended_use,
    )
    print_result(f"Model card written to {target}")
