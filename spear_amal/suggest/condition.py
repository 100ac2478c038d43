"""What a rule asks of a row, without the class that it votes for; mined without a look at gold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from spear_amal.declared_lfs import Rule, rule_from_fields

_LENGTH = re.compile(r"(?<=\\A\.\{)(0,)?\d+")  # the bound of how long a text is


@dataclass(frozen=True)
class RowCondition:
    """A candidate rule without class and name.

    Attributes
    ----------
    kind : {"keyword", "regex", "threshold", "similar"}
    fields : tuple of (str, value)
        Further fields of the declared rule.
    words : str
        What it asks in short words, of which a name is made.
    cost : int
        How much there is to read: of two that say the same the cheaper one is kept.
    """

    kind: str
    fields: tuple[tuple[str, Any], ...]
    words: str
    cost: int = 1

    def rule(self, label: str | int, column: str, taken: Collection[str]) -> Rule:
        """Return the rule that votes for a class where the condition holds.

        Parameters
        ----------
        label : str or int
        column : str
            The column of texts.
        taken : collection of str
            Names that the rule must not have.
        """
        fields = {"column": column, **dict(self.fields)}
        name = self._name(label, taken)
        return rule_from_fields({"kind": self.kind, "name": name, "label": label, **fields})

    def _name(self, label: str | int, taken: Collection[str]) -> str:
        """Return the words and the class in small letters, with a number where that is taken."""
        parts = re.findall(r"[^\W_]+", f"{self.words} {label}".lower())
        stem = "_".join(parts)[:48].strip("_")
        stem = stem if stem[:1].isalpha() else f"has_{stem}"
        name, number = stem, 2
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        return name

    def signature(self, label: str | int) -> str:
        """Return what the rule asks and votes for, whatever its name and its bound.

        A rejection holds for all bounds, since they move a little when rows get labels.
        """
        fields = dict(self.fields)
        if self.kind == "threshold":
            side = "at_least" if "at_least" in fields else "at_most"
            asked = f"{fields['column']} {side}"
        elif self.kind == "similar":
            digest = hashlib.sha256("\n".join(fields["examples"]).encode("utf-8", "replace"))
            asked = f"{self.words} ({digest.hexdigest()[:8]})"
        else:
            asked = fields["pattern"] if self.kind == "regex" else " ".join(fields["keywords"])
            asked = _LENGTH.sub(r"\1..", asked)
        return f"{self.kind} for {label}: {asked}"


#: Conditions, and the rows on which each holds: a matrix of bool (n, J).
Mined: TypeAlias = tuple[list[RowCondition], np.ndarray | sp.csc_array]
