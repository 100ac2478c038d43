"""What one browser labelled, skipped and kept since the workbench was opened, to take back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count

#: What can be done to a row while labelling: "keep" says that its label is right.
LABEL, SKIP, KEEP = "label", "skip", "keep"


@dataclass(frozen=True)
class LabelStep:
    """One thing that was done to a row.

    Attributes
    ----------
    number : int
        From 1 on.
    row : int
    table : str
        The state of the table in which the row has this position.
    deed : {"label", "skip", "keep"}
    before, after : str or None
        Label of the row.
    previous : int or None
        Number of the step before it on the same page: tabs take back their own steps only.
    copies : tuple of int
        Further rows with the same text that were labelled along.
    """

    number: int
    row: int
    table: str
    deed: str
    before: str | None
    after: str | None
    previous: int | None
    copies: tuple[int, ...] = ()


@dataclass
class LabelSession:
    """Steps of one browser, all its tabs together.

    Attributes
    ----------
    steps : dict of int to LabelStep
        Those that were not taken back.
    """

    steps: dict[int, LabelStep] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def add(
        self,
        row: int,
        table: str,
        deed: str,
        labels: tuple[str | None, str | None],
        previous: int | None,
        copies: tuple[int, ...] = (),
    ) -> LabelStep:
        """Keep a step that was done, with the labels before and after it."""
        step = LabelStep(next(self._numbers), row, table, deed, *labels, previous, copies)
        self.steps[step.number] = step
        return step

    def last(self, table: str) -> int | None:
        """Return the number of the latest step in a table, None if there is none."""
        numbers = [number for number, step in self.steps.items() if step.table == table]
        return max(numbers, default=None)

    def rows_of(self, deed: str, table: str) -> set[int]:
        """Return the rows to which something was done."""
        steps = self.steps.values()
        return {step.row for step in steps if step.deed == deed and step.table == table}

    def labels(self) -> Counter[str]:
        """Return how many labels of each class were given."""
        given: Counter[str] = Counter()
        for step in self.steps.values():
            if step.deed == LABEL and step.after is not None:
                given[step.after] += 1 + len(step.copies)
        return given
