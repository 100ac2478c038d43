"""The model card: what a trained classifier is, from what it was made, and what it is worth.

Markdown with a head in YAML that the model hub reads. Everything in it comes from the model's file,
so that it can be written long after the training, without the data.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

import spear_amal
from spear_amal._typing import PathLike
from spear_amal.data.encoder_backends import MINILM, WORDLLAMA
from spear_amal.data.encoders import TextEncoder
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.estimators.serialization import NO_MATTER, params_to_json
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.models.encoder_config import encoder_name
from spear_amal.report.formatting import METRIC_NAMES, MISSING, escape_markdown, markdown
from spear_amal.training import reported_metric
from spear_amal.training_record import LFRecord, TrainingRecord

if TYPE_CHECKING:
    from jinja2 import Environment

FILL_IN = "to be filled in"
#: Labelled rows of a class below which its figures are called wide.
FEW = 30
_HUB_METRICS = {"accuracy": "accuracy", "f1": "f1", "macro-f1": "f1"}
# What is known of the licences of encoders that packages carry, and what the hub calls them.
_ENCODERS = {
    MINILM: ("Apache-2.0", "sentence-transformers/all-MiniLM-L6-v2"),
    WORDLLAMA: ("MIT", None),
}
_ROLES = {
    **{"gold": "further labels", "validation": "validation rows", "test": "test rows"},
    **{"lfs": "labelling functions", "rules": "declared labelling functions"},
}
_VERSIONS = ("torch", "numpy", "scikit-learn")


def write_model_card(
    path: PathLike,
    classifier: Any,
    *,
    overwrite: bool = False,
    name: str | None = None,
    model_file: PathLike | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    languages: Sequence[str] = (),
    intended_use: str | None = None,
) -> None:
    """Write the model card of a fitted classifier into a file, aside first.

    Parameters
    ----------
    path : path
    classifier : TextClassifier
    overwrite : bool
    **others
        As for :func:`model_card`.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If Jinja2 is not installed.
    InputError
        As for :func:`model_card`.
    """
    refuse_existing(path, overwrite)
    text = model_card(
        classifier,
        name=name,
        model_file=model_file,
        licence=licence,
        data_licence=data_licence,
        languages=languages,
        intended_use=intended_use,
    )
    with write_aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def model_card(
    classifier: Any,
    *,
    name: str | None = None,
    model_file: PathLike | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    languages: Sequence[str] = (),
    intended_use: str | None = None,
) -> str:
    """Return the model card of a fitted classifier, in Markdown.

    Parameters
    ----------
    classifier : TextClassifier
        Fitted, or loaded from a file. The card of one that was made otherwise than by ``fit``, or
        by an earlier version, has less to tell.
    name : str, optional
        Of the model; default: that of the file.
    model_file : path, optional
        For the lines that show how to load it.
    licence : str, optional
        Of the model, as the model hub writes it: "apache-2.0".
    data_licence, intended_use : str, optional
        In words; default: to be filled in.
    languages : sequence of str
        Of the texts, as "en".

    Raises
    ------
    InputError
        If it is no text classifier.
    MissingExtraError
        If Jinja2 is not installed.
    """
    if not hasattr(classifier, "class_names_") and not hasattr(classifier, "fit_data"):
        raise InputError(
            f"a model card is written of a TextClassifier, found {type(classifier).__name__}"
        )
    check_is_fitted(classifier, "estimator_")
    file = Path("model.safetensors" if model_file is None else model_file).name
    facts = _Facts(classifier, name or Path(file).stem, file)
    text = (
        _environment()
        .get_template("model_card.md")
        .render(
            head=Markdown(front_matter(facts, licence, languages)),
            facts=facts,
            record=facts.record,
            estimate=facts.estimate,
            task=facts.task_table | {"Intended use": intended_use or FILL_IN},
            licences={
                "This model": licence or FILL_IN,
                "Its training data": data_licence or FILL_IN,
                "spear-amal, which trained it": "Apache-2.0",
            }
            | {f"Encoder {name}": said for name, said in facts.encoders},
            fill_in=FILL_IN,
        )
    )
    return _without_folders(text, facts)


def _without_folders(text: str, facts: _Facts) -> str:
    """Return a card in which encoders of this machine go by their last folder: a card travels."""
    for path, _ in facts.encoders:
        if path.startswith("~") or Path(path).is_absolute():
            for written in {path, escape_markdown(path), json.dumps(path)[1:-1]}:
                text = text.replace(written, Path(path).name)
    return text


class Markdown(str):
    """Text that is Markdown already, and is not escaped."""


@dataclass(frozen=True)
class _Facts:
    """What the template asks of a classifier.

    Attributes
    ----------
    classifier : TextClassifier
    name, file : str
    """

    classifier: Any
    name: str
    file: str

    @property
    def record(self) -> TrainingRecord | None:
        return self.classifier.parts_.record

    @property
    def estimate(self) -> dict[str, Any] | None:
        return self.classifier.estimate_

    @property
    def metric(self) -> str:
        """The metric of the estimate, or of the validation score, in words."""
        stored = None if self.estimate is None else self.estimate["metric"]
        return METRIC_NAMES[stored or reported_metric(self.classifier.estimator_.metric)]

    @property
    def uses_text(self) -> bool:
        return self.classifier.features_.uses_text

    @property
    def columns(self) -> list[str]:
        """Columns that the model needs."""
        text = [self.classifier.text_column_] if self.uses_text else []
        return [*text, *self.classifier.features_.columns]

    @property
    def gold(self) -> dict[Any, int]:
        """Labelled rows of each class, those of validation rows of their own among them."""
        counts: dict[Any, int] = dict.fromkeys(self.classifier.class_names_, 0)
        for rows in () if self.record is None else (self.record.train, self.record.validation):
            for name, count in () if rows is None else rows.gold:
                counts[name] = counts.get(name, 0) + count
        return counts

    @property
    def has_scores(self) -> bool:
        """Whether the estimate tells of each class."""
        return bool((self.estimate or {}).get("per_class"))

    @property
    def class_table(self) -> pd.DataFrame:
        """One row a class: its name, its labelled rows, and its scores where there are some."""
        table = pd.DataFrame({"class": list(map(str, self.gold))})
        counts = [_count(count) for count in self.gold.values()]
        table["labelled rows"] = counts if self.record is not None else "not known"
        if self.has_scores:
            scores = {entry["class"]: entry for entry in (self.estimate or {})["per_class"]}
            entries = [scores.get(name) for name in self.gold]
            table["scored rows"] = [_count(entry["rows"]) if entry else "0" for entry in entries]
            for name, title in {"precision": "precision", "recall": "recall", "f1": "F1"}.items():
                table[title] = [_share(entry[name] if entry else None) for entry in entries]
        return table

    @property
    def task_table(self) -> dict[str, str]:
        text = f" (text: {self.classifier.text_column_})" if self.uses_text else ""
        several = len(self.columns) > 1
        columns = ", ".join(self.columns)
        return {
            "Input": f"the columns {columns}{text}" if several else f"the column {columns}",
            "Output": f"one of {len(self.gold)} classes, with a probability for each",
        }

    @property
    def method_table(self) -> dict[str, str]:
        record, estimator = self.record, self.classifier.estimator_
        parts = self.classifier.parts_
        features = str(parts.features.features) if record is None else record.features
        epochs = self.classifier.max_epochs if record is None else record.max_epochs
        pool = getattr(estimator, "members_", None)
        shares = estimator.weights_["weight"].items() if pool else ()
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in shares)
        return {
            "Method": parts.method or "not known",
            "Estimator": type(estimator).__name__ + (f" ({weights})" if weights else ""),
            "Features": features,
            "Metric": estimator.metric,
            "Epochs at most": str(epochs),
            "Seed": str(estimator.random_state),
            "Predicts with the labelling functions": "yes" if self.classifier.needs_votes else "no",
        }

    @property
    def rows_table(self) -> pd.DataFrame:
        """Rows, labelled ones and those with a vote, of each table of the training."""
        roles = {"training": self.known.train, "validation": self.known.validation}
        names = {"rows": "rows", "labelled": "labelled rows", "covered": "rows with a vote"}
        table = pd.DataFrame({"": list(names.values())})
        for role, rows in roles.items():
            if rows is not None:
                table[role] = [_count(getattr(rows, name)) for name in names]
        return table

    @property
    def file_table(self) -> pd.DataFrame:
        files = self.known.files
        rows = [
            (file.name, _ROLES.get(file.role, file.role), _count(file.size), file.sha256)
            for file in files
        ]
        return pd.DataFrame(rows, columns=["file", "what it is", "bytes", "sha256"])

    @property
    def lf_table(self) -> pd.DataFrame:
        lfs = self.known.lfs
        return pd.DataFrame(
            {
                "function": [lf.name for lf in lfs],
                "kind": [lf.kind or "not known" for lf in lfs],
                "votes for": [", ".join(map(str, lf.votes_for)) for lf in lfs],
                "coverage": [f"{lf.coverage:.1%}" for lf in lfs],
                "right on labelled rows": [f"{lf.right} of {lf.gold_votes}" for lf in lfs],
                "precision": [_share(lf.accuracy) for lf in lfs],
                "95% interval": [
                    MISSING if lf.low is None else f"{_share(lf.low)} to {_share(lf.high)}"
                    for lf in lfs
                ],
            }
        )

    @property
    def known(self) -> TrainingRecord:
        """The record, where there is one: the template asks for it only then."""
        if self.record is None:
            raise ValueError("the model has no record of its training")
        return self.record

    @property
    def validation(self) -> str:
        """What chose the epoch, and what its score is worth."""
        estimator = self.classifier.estimator_
        metric = METRIC_NAMES[reported_metric(estimator.metric)]
        source = {
            "given": "a table of validation rows",
            "split": "labelled rows that were held out",
            "training": "the labelled rows, of which there were too few to hold any out",
            "folds": "labelled rows, each by models that had not seen it",
            "label-model": "the label model, as no row has a label",
            "teacher": "the teacher",
        }.get(estimator.validation_source_, str(estimator.validation_source_))
        return (
            f"The epoch was chosen on {source}: {metric} {estimator.val_score_:.3f} there, which "
            "flatters the model and is no estimate"
        )

    @property
    def settings(self) -> Markdown:
        """All parameters, as a block of JSON."""
        params = params_to_json(self.classifier.estimator_)
        params["trainer"] = {
            key: value
            for key, value in (params.get("trainer") or {}).items()
            if key not in NO_MATTER
        }
        params.pop("verbose", None)
        text = json.dumps(params, indent=1, ensure_ascii=True)
        return Markdown(_fenced(text, "json"))

    @property
    def limits(self) -> list[str]:
        """What is known to limit the use of the model, in sentences."""
        return [*_limits_of_gold(self), *_limits_of_lfs(self), *_limits_of_inputs(self)]

    @property
    def encoders(self) -> list[tuple[str, str]]:
        """The encoders that it needs, with their licences."""
        names = [
            str(part.encoder)
            for part in self.classifier.features_.parts_
            if isinstance(part, TextEncoder)
        ]
        # One that was trained has its weights in the file.
        trained = encoder_name(getattr(self.classifier.estimator_, "feature_model", ""))
        names += [] if trained is None else [trained]
        return [
            (name, _ENCODERS[name][0] if name in _ENCODERS else "see where it comes from")
            for name in names
        ]

    @property
    def base_models(self) -> list[str]:
        known = [_ENCODERS[name][1] for name, _ in self.encoders if name in _ENCODERS]
        return [name for name in known if name]

    @property
    def code(self) -> Markdown:
        """How to load it and predict, in Python."""
        rows = "['a text', 'another one']"
        if self.classifier.features_.columns:
            rows = "'rows.csv'"
        lfs = ", lfs='lfs.py'" if self.classifier.needs_votes else ""
        lines = [
            "from spear_amal import TextClassifier",
            "",
            f"model = TextClassifier.load({self.file!a})",
            f"model.predict({rows}{lfs})",
            f"model.predict_proba({rows}{lfs})  # columns as in model.classes_",
        ]
        return Markdown(_fenced("\n".join(lines), "python"))

    @property
    def versions(self) -> dict[str, str]:
        known = {"Python": platform.python_version()}
        return known | {name: metadata.version(name) for name in _VERSIONS}

    @property
    def version(self) -> str:
        return spear_amal.__version__


def _limits_of_gold(facts: _Facts) -> list[str]:
    said = []
    if facts.estimate is None:
        said.append("Nobody has measured how well it does on new rows")
    elif facts.estimate["source"] == "outer folds":
        said.append(
            "The estimate holds for rows like the labelled ones: if these were chosen, and not "
            "drawn at random, it may be too low or too high for all rows"
        )
    if facts.record is not None:
        none = [name for name, count in facts.gold.items() if not count]
        few = [name for name, count in facts.gold.items() if 0 < count < FEW]
        if none:
            said.append(
                f"No row is labelled {_listed(none)}: the model knows of it by the labelling "
                "functions alone, and no figure tells how well"
            )
        if few:
            said.append(
                f"Fewer than {FEW} rows are labelled {_listed(few)}: figures of these classes may "
                "be far off"
            )
    return said


def _limits_of_lfs(facts: _Facts) -> list[str]:
    said = []
    if getattr(facts.classifier.estimator_, "guarded_", False):
        said.append(
            "The votes were no better than chance on the labelled rows and were left out: the "
            "model learnt from labelled rows only"
        )
    lfs: Sequence[LFRecord] = () if facts.record is None else facts.record.lfs
    silent = [lf.name for lf in lfs if not lf.votes]
    unknown = [lf.name for lf in lfs if lf.votes and not lf.gold_votes]
    if silent:
        said.append(f"These labelling functions voted on no row: {_listed(silent)}")
    if unknown:
        said.append(
            f"No labelled row tells how precise these labelling functions are: {_listed(unknown)}"
        )
    if facts.classifier.needs_votes:
        said.append(
            "It predicts with the labelling functions as well, which its file does not hold: they "
            "are needed to predict, unchanged"
        )
    return said


def _limits_of_inputs(facts: _Facts) -> list[str]:
    said = []
    if facts.uses_text:
        said.append(
            "Every row gets one of the classes, also a text in another language, of another kind "
            "or without any known word"
        )
    else:
        said.append("Every row gets one of the classes, also one that is of none of them")
    said.append("Probabilities are those of the model; on other rows they may be badly calibrated")
    return said


def _count(number: int | None) -> str:
    return "no votes" if number is None else f"{number:,}"


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"


def _listed(names: Sequence[Any], most: int = 10) -> str:
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


# -- the head -------------------------------------------------------------------------------------


def front_matter(facts: Any, licence: str | None, languages: Sequence[str]) -> str:
    """Return the head in YAML with the fields of the model hub, without its lines of dashes."""
    task = "text-classification" if facts.uses_text else "tabular-classification"
    fields: dict[str, Any] = {
        "license": licence or "unknown",
        "library_name": "spear-amal",
        "pipeline_tag": task,
        "tags": ["weak-supervision", "spear-amal", task],
    }
    if languages:
        fields = {"language": list(languages)} | fields
    if facts.base_models:
        fields["base_model"] = facts.base_models
    if facts.estimate is not None:
        fields["metrics"] = [_HUB_METRICS[facts.estimate["metric"]]]
        fields["model-index"] = [{"name": facts.name, "results": [_hub_result(facts, task)]}]
    return "\n".join(_yaml(fields))


def _hub_result(facts: _Facts, task: str) -> dict[str, Any]:
    estimate = facts.estimate or {}
    names = [] if facts.record is None else [f.name for f in facts.record.files if f.role == "data"]
    name = _listed(names) or "training data"
    low, high = estimate["low"], estimate["high"]
    metric = {
        "type": _HUB_METRICS[estimate["metric"]],
        "value": estimate["score"],
        "name": f"{facts.metric}, estimated on {estimate['rows']} rows that the models had not "
        f"seen, 95% interval {low:.3f} to {high:.3f}",
    }
    return {
        "task": {"type": task, "name": task.replace("-", " ").capitalize()},
        "dataset": {"type": "private", "name": name},
        "metrics": [metric],
    }


def _yaml(value: Any, indent: str = "") -> list[str]:
    """Return mappings, lists and scalars as lines of YAML, every text in quotes."""
    lines: list[str] = []
    pairs = value.items() if isinstance(value, dict) else [(None, item) for item in value]
    for key, item in pairs:
        start = f"{indent}- " if key is None else f"{indent}{key}:"
        if not isinstance(item, dict | list):
            lines.append(f"{start.rstrip()} {_scalar(item)}")
            continue
        inner = _yaml(item, f"{indent}  ")
        if key is None:  # the first line of an entry stands behind its dash
            lines += [f"{start}{inner[0].strip()}", *inner[1:]]
        else:
            lines += [start, *inner]
    return lines


def _scalar(value: Any) -> str:
    """Return a number, or a text in double quotes with what is not printable as escapes."""
    if not isinstance(value, str):
        return json.dumps(value)
    shown = (
        f"\\{letter}"
        if letter in '"\\'
        else letter
        if letter.isprintable()
        else f"\\U{ord(letter):08x}"
        if not 0xD800 <= ord(letter) < 0xE000
        else "?"
        for letter in value
    )
    return f'"{"".join(shown)}"'


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", "report", "model cards") from error
    environment = Environment(
        loader=PackageLoader("spear_amal.report"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["table"] = _table
    return environment


def _table(content: pd.DataFrame | Mapping[str, str]) -> Markdown:
    """Return a table, or names with what is said of them, in Markdown."""
    if not isinstance(content, pd.DataFrame):
        content = pd.DataFrame(list(content.items()), columns=["", " "])
    return Markdown(markdown(content))


def _shown(value: Any) -> Any:
    """Return what the template shows of a value: texts are escaped."""
    return escape_markdown(value) if type(value) is str else value
