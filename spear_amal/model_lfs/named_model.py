"""Models that are named by a folder or a package: loaded once a process, when first asked."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from spear_amal.data.encoder_backends import MINILM, WORDLLAMA, content_hash
from spear_amal.errors import DataUnavailableError, FileFormatError, InputError, MissingExtraError
from spear_amal.labeling.installed import version_of
from spear_amal.model_lfs.network_models import PipelineModel
from spear_amal.model_lfs.probability_model import ProbabilityModel
from spear_amal.model_lfs.spacy_model import SpacyModel, classes_of_pipes
from spear_amal.quiet_transformers import quiet_loading

_FORMS = (
    "a folder with a pipeline of spaCy or a text classifier of transformers, or the name of an "
    "installed pipeline of spaCy"
)
#: What is said of an encoder alone.
KNOWS_NO_CLASSES = (
    "an encoder knows no classes: give head= with a classifier of its vectors, or use zero_shot_lf "
    "or similar_lf"
)
_RUNS_CODE = (
    ".pkl",
    ".pickle",
    ".joblib",
    ".dill",
    ".cloudpickle",
    ".skops",
    ".pt",
    ".pth",
    ".bin",
)
_SETTINGS = {"spacy": "meta.json", "transformers": "config.json"}


class NamedModel(ProbabilityModel):
    """A model in a folder. Its settings say what its classes are; weights are read when needed.

    Parameters
    ----------
    name : str
        Path of a folder, or an installed pipeline of spaCy.
    device : str
        Where a network computes: "cpu", "cuda", ..
    pair : str, optional
        The second text of each pair, for transformers.
    version : str or int, optional

    Raises
    ------
    InputError
        If the name stands for no such model; for a file that would have to be unpickled.
    FileFormatError
        If the folder is damaged, or its weights are pickled.
    DataUnavailableError
        If nothing is there under this name.
    """

    def __init__(self, name: str, device: str, pair: str | None, version: str | int | None) -> None:
        folder = _folder_of(name)
        self.kind = _kind_of(folder)
        if self.kind == "spacy" and pair is not None:
            raise InputError("pair= is for models of pairs of texts; spaCy's read one text")
        self.pads = self.kind == "transformers"
        settings = _read_settings(folder / _SETTINGS[self.kind])
        read = _of_spacy if self.kind == "spacy" else _of_transformers
        names, is_exclusive = read(settings, folder)
        super().__init__(names, is_exclusive, version)
        self.folder, self.device, self.pair = str(folder), device, pair

    def batch_probabilities(self, batch: Any) -> Any:
        """Return what the model in the folder says."""
        made = _loaded(self.kind, self.folder, self._digest(), self.device, self.pair)
        if made.class_names != self.class_names:
            raise FileFormatError(
                f"the model in {self.folder} gives the classes {list(made.class_names)}, its "
                f"settings said {list(self.class_names)}; make the LF anew"
            )
        return made.batch_probabilities(batch)

    def content(self) -> Any:
        """Return a digest of the files of the folder, and the version of the package."""
        return [self._digest(), version_of(self.kind)]

    def hash_content(self) -> list[Any]:
        """Return what a hash of votes depends on."""
        return [*super().hash_content(), self.kind, self.pair]

    def _digest(self) -> str:
        folder = Path(self.folder)
        return content_hash([path for path in folder.rglob("*") if _counts(path)], folder)


@lru_cache(maxsize=4)
def _loaded(kind: str, folder: str, digest: str, device: str, pair: str | None) -> ProbabilityModel:
    """Load a model; equal digests are equal models."""
    try:
        if kind == "spacy":
            return SpacyModel(_import("spacy", "nlp", folder).load(folder))
        return PipelineModel(_pipeline(folder, device), pair, None)
    except MissingExtraError:
        raise
    except Exception as error:  # whatever the packages make of a broken folder
        raise FileFormatError(f"the model in {folder} cannot be loaded: {error}") from error


def _pipeline(folder: str, device: str) -> Any:
    """Return a pipeline of transformers; nothing is fetched, unpickled, or run from the folder."""
    transformers = _import("transformers", "transformers", folder)
    safe = {"local_files_only": True, "trust_remote_code": False}
    with quiet_loading():
        network = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, **safe
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **safe)
    return transformers.pipeline(
        "text-classification", model=network, tokenizer=tokenizer, device=device
    )


def _import(package: str, extra: str, folder: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(package, extra, f"the model in {folder}") from error


def _folder_of(name: str) -> Path:
    """Return the folder that a name stands for."""
    if name in (WORDLLAMA, MINILM):
        raise InputError(f"{name!r}: {KNOWS_NO_CLASSES}")
    path = Path(name).expanduser()
    if path.suffix.lower() in _RUNS_CODE:
        raise InputError(
            f"{name} is not opened: to unpickle a file runs whatever is in it. If you trust the "
            "file, load it yourself, such as by joblib.load, and hand over the model"
        )
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise InputError(f"model must be {_FORMS}; {name} is a file")
    if name.isidentifier() and (folder := _installed_pipeline(name)) is not None:
        return folder
    raise DataUnavailableError(f"there is no model {name!r}: needed {_FORMS}; correct the name")


def _installed_pipeline(name: str) -> Path | None:
    """Return the folder of an installed pipeline of spaCy, which is not imported."""
    spec = importlib.util.find_spec(name)
    for place in (spec and spec.submodule_search_locations) or ():
        for found in Path(place).glob(f"{name}-*/meta.json"):
            return found.parent
    return None


def _kind_of(folder: Path) -> str:
    has = {
        name
        for name in ("meta.json", "config.cfg", "modules.json", "config.json")
        if (folder / name).is_file()
    }
    if {"meta.json", "config.cfg"} <= has:
        return "spacy"
    if "modules.json" in has:
        raise InputError(f"{folder}: {KNOWS_NO_CLASSES}")
    if "config.json" not in has:
        raise FileFormatError(f"{folder} holds no model: needed {_FORMS}")
    if not any(folder.glob("*.safetensors")):
        raise FileFormatError(
            f"{folder} holds no weights as .safetensors (pickled weights are not read)"
        )
    return "transformers"


def _read_settings(path: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise FileFormatError(f"{path} must hold an object, found {type(settings).__name__}")
    return settings


def _of_spacy(meta: Mapping[str, Any], folder: Path) -> tuple[tuple[str, ...], bool]:
    from configparser import ConfigParser, Error

    config = ConfigParser(interpolation=None)
    try:
        config.read(folder / "config.cfg", encoding="utf-8")
        factories = {
            name: json.loads(config.get(f"components.{name}", "factory"))
            for name in meta["pipeline"]
            if config.has_option(f"components.{name}", "factory")
        }
        labels = meta["labels"]
    except (Error, KeyError, ValueError, TypeError) as error:
        raise FileFormatError(f"{folder} holds no whole pipeline of spaCy: {error!r}") from error
    return classes_of_pipes(factories, labels)


def _of_transformers(config: Mapping[str, Any], folder: Path) -> tuple[tuple[str, ...], bool]:
    architectures = config.get("architectures") or []
    if not any(str(name).endswith("ForSequenceClassification") for name in architectures):
        raise InputError(
            f"{folder} holds {', '.join(map(str, architectures)) or 'a network'}, which classifies "
            "no texts; needed a model ForSequenceClassification"
        )
    names = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    try:
        ordered = tuple(str(names[number]) for number in sorted(names, key=int))
    except (TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{folder}/config.json: id2label is {names!r}") from error
    return ordered, config.get("problem_type") != "multi_label_classification"


def _counts(path: Path) -> bool:
    """Return whether a file is part of the model: not byte code that Python writes."""
    return path.is_file() and path.suffix != ".pyc"
