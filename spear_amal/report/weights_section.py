"""The section of a report on weights over training; empty where none were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from spear_amal.report import html
from spear_amal.report.figures.mixers import loss_weights, module_weights
from spear_amal.report.figures.style import png
from spear_amal.report.weight_series import Run, loss_series, module_series, runs_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES = (
    "Mean weight of each loss after each epoch; 0 leaves a loss out, 1 counts it fully. A loss "
    "without a line in a panel was not trained there. Of several runs or folds: the mean of those "
    "still training, with its 95% interval from three runs on."
)
MODULES = (
    "Training up to its best epoch, cut into equal stages: the weight of the loss in each module "
    "of the network at the end of each stage. Of several runs: the mean, with its 95% interval "
    "where modules are few. Grey: the loss does not share the module with the main one."
)


def weights_over_training(
    held: Mapping[str, Run | Sequence[Run]],
) -> Iterator[tuple[str, str, str, Figure]]:
    """Draw what runs recorded of their weights: name, title, caption, figure.

    Parameters
    ----------
    held : mapping of str to run, or to sequence of runs
        By the method's title, histories of models or rows of a study.
    """
    if any(loss_series(run) for of in held.values() for run in runs_of(of)):
        yield "mixers", "Weights of the losses", LOSSES, loss_weights(held)
    for i, (title, of) in enumerate(held.items()):
        runs = [run for run in runs_of(of) if module_series(run)]
        if runs:
            yield f"modules-{i + 1}", f"Weights by module: {title}", MODULES, module_weights(runs)


def section(held: Mapping[str, Run | Sequence[Run]], where: str = "") -> Iterator[str]:
    """Pieces of a page: a heading and figures, or nothing."""
    made = [
        html.figure(png(figure), title, caption)
        for _, title, caption, figure in weights_over_training(held)
    ]
    if made:
        yield html.heading(f"Weights over training{where and f': {where}'}")
        yield html.figures(made)
