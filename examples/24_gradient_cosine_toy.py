"""A loss that pulls elsewhere, and mixers that notice: the poster's example on one number t.

You learn how little a loop needs for a mixer, and what gradient cosine similarity (GCS) does: the
main loss is (t - 10)^2, the auxiliary one t^2. Their plain sum ends between both minima; GCS uses
the auxiliary gradient while it helps and leaves it out where it would hurt, so that it comes to
10, from 30 sooner than the main loss does alone.

    python examples/24_gradient_cosine_toy.py [--output FILE.json] [--figure FILE.png] [--small]
"""

import argparse
import json
from pathlib import Path

import torch
from shared import SMALL

from spear_amal.loop import LossMixer
from spear_amal.studies.toy_gradient_cosine import (
    AUXILIARY_AT,
    MAIN_AT,
    NEAR,
    RATE,
    STARTS,
    STEPS,
    poster_paths,
    poster_table,
)


def by_hand(steps):
    """Descend in the loop itself; `toy_gradient_cosine` runs it for all mixers and starts."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 30.0)
    mixer = LossMixer("gcs", ["main", "auxiliary"], model=model)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    for _ in range(steps):
        t = model(torch.ones(1, 1)).squeeze(1)  # one row
        optimiser.zero_grad()
        mixer({"main": (t - 10) ** 2, "auxiliary": t**2}).backward()
        optimiser.step()
    return model.weight.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="write the table here, as JSON")
    parser.add_argument("--figure", type=Path, help="draw the paths of t here")
    parser.add_argument("--small", action="store_true", help="two starts only")
    args = parser.parse_args()

    paths = poster_paths((3.0, 30.0) if SMALL else STARTS)
    table = poster_table(paths)
    print(table.round({"end": 4}).to_string(index=False))
    print(f"steps: of {RATE}, until t stays within {NEAR} of {MAIN_AT:g}")
    print(f"by hand, GCS from 30 in {STEPS} steps: t = {by_hand(STEPS):.3f}")

    if args.output:
        rows = json.loads(table.to_json(orient="records", double_precision=6))
        held = {"rate": RATE, "n_steps": STEPS, "near": NEAR, "rows": rows}
        args.output.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    if args.figure:
        from spear_amal.report.figures.mixers import trajectories
        from spear_amal.report.figures.style import png

        goals = {"minimum of the main loss": MAIN_AT, "of the auxiliary loss": AUXILIARY_AT}
        args.figure.write_bytes(png(trajectories(paths, goals)))


if __name__ == "__main__":
    main()
