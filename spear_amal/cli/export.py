"""The command ``export``: a model file as a file that other programs run."""

from __future__ import annotations

from spear_amal.cli.console import add_to_json, print_result
from spear_amal.cli.options import ExportOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.predict import read_model_rows
from spear_amal.export import export_onnx
from spear_amal.text_classifier import TextClassifier


def export(options: ExportOptions) -> None:
    """Write an ONNX file; say how large it is, and how it was checked."""
    target = options.require("onnx")
    check_outputs(options.force, target, inputs=[options.output])
    model = TextClassifier.load(options.output)
    rows = read_model_rows(options, options.data, model) if options.data else None
    made = export_onnx(
        model,
        target,
        overwrite=options.force,
        without_votes=options.without_votes,
        rows=rows,
        source=options.output,
    )
    megabytes = made.n_bytes / 1e6
    print_result(f"ONNX model written to {target}: {megabytes:.2f} MB, inputs {made.inputs}")
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
