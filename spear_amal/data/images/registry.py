"""Load images by name: from the data directory, a path, the cache, or by fetching them."""

from __future__ import annotations

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.checks import check_name
from spear_amal.data.images import aircraft, cars, cifar, dogs, fashion_mnist, folders
from spear_amal.data.images.cifar_n import human_labels
from spear_amal.data.images.dataset import ImageData, hold_out_validation
from spear_amal.data.images.digits import digits
from spear_amal.data.images.kd_synthetic import kd_synthetic
from spear_amal.data.images.locate import find_decoded
from spear_amal.data.images.spec import ImageSpec
from spear_amal.errors import InputError

#: The image data sets that are fetched or read from files, by name.
IMAGES: dict[str, ImageSpec] = {
    spec.name: spec
    for spec in (
        fashion_mnist.SPEC,
        cifar.CIFAR10,
        cifar.CIFAR100,
        cars.SPEC,
        dogs.SPEC,
        aircraft.SPEC,
        folders.SPEC,
    )
}
#: Names of the image data sets that need no file.
GENERATED = ("digits", "kd_synthetic")


def load_images(
    name: str,
    data_dir: PathLike | None = None,
    *,
    path: PathLike | None = None,
    labels: str = "clean",
    size: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
    cache_dir: PathLike | None = None,
    offline: bool = False,
    progress: bool = True,
    check: bool = True,
) -> ImageData:
    """Load images with classes and a split, fetching them first where they are nowhere here.

    They are looked for as `path`; in the data directory as ``NAME.npz`` (arrays x, y, split) or as
    archives and files in the folder ``NAME``; in the cache; and then fetched. Archives are read
    without unpacking them, once: what was decoded is kept in the cache.

    Parameters
    ----------
    name : str
        A key of `IMAGES`, or one of `GENERATED`.
    data_dir : path, optional
        Default: environment variable SPEAR_AMAL_DATA.
    path : path, optional
        The very folder, archive or ``.npz`` file to read instead.
    labels : {"clean", "worse", "aggregate", "random1", "random2", "random3"}
        For "cifar10": what people called the training pictures (CIFAR-10N). Validation and test
        rows keep their true classes; ``noise_rate`` of the result says how many are wrong.
    size : int, optional
        Side of the pictures, for sets whose pictures differ in size: 96 (the default) or 224.
    validation : float
        Share of the training rows to hold out where the publisher has no validation part.
    seed : int
        Of the validation rows; for "kd_synthetic" of everything.
    cache_dir : path, optional
        Default: SPEAR_AMAL_CACHE, else the platform's cache.
    offline : bool
        Never fetch.
    progress : bool
        Show bars while fetching and decoding.
    check : bool
        Refuse content that is not the published one, where that is known.

    Raises
    ------
    InputError
        If a name or option is unknown, or an option does not apply.
    FileFormatError
        If an archive or file is damaged, truncated or incomplete; names it.
    ChecksumError
        If the content is not the published one.
    DataUnavailableError
        If the images are nowhere and no source delivered them; names every source and its failure.
    MissingExtraError
        If pictures have to be decoded and Pillow is not installed.

    Examples
    --------
    >>> load_images("digits").subset(n_train=100, n_validation=30, n_test=50)
    ImageData('digits', (1, 8, 8), classes=10, rows={'train': 100, 'validation': 30, 'test': 50})
    """
    if isinstance(name, str) and name in GENERATED:
        _refuse_options(name, path=path, size=size, labels=None if labels == "clean" else labels)
        return digits(validation, seed) if name == "digits" else kd_synthetic(seed)
    spec = image_spec(name)
    _check_options(spec, labels, size)
    size = size or (spec.sizes[0] if spec.sizes else None)
    decoded, source = find_decoded(
        spec, data_dir, path, size, cache_dir, offline=offline, progress=progress, check=check
    )
    data = ImageData(
        name=name,
        x=decoded.x,
        y=decoded.y,
        split=hold_out_validation(decoded.y, decoded.split, validation, seed),
        classes=decoded.classes,
        row_ids=np.arange(len(decoded.y)),
        source=source,
    )
    if labels == "clean":
        return data
    return human_labels(data, labels, data_dir, cache_dir, offline, progress, check)


def image_spec(name: str) -> ImageSpec:
    """Return what is known of a set of images that is read from files.

    Raises
    ------
    InputError
        If there is none of that name; lists those there are.
    """
    check_name("images", name, [*GENERATED, *IMAGES])
    return IMAGES[name]


def _check_options(spec: ImageSpec, labels: str, size: int | None) -> None:
    if spec.name != "cifar10":
        _refuse_options(spec.name, labels=None if labels == "clean" else labels)
    if not spec.sizes:
        _refuse_options(spec.name, size=size)
    elif size is not None and size not in spec.sizes:
        raise InputError(f"size must be one of {spec.sizes} for {spec.name!r}, found {size}")


def _refuse_options(name: str, **options: int | PathLike | None) -> None:
    excess = [option for option, value in options.items() if value is not None]
    if excess:
        raise InputError(f"images {name!r} take no {' and no '.join(excess)}; leave it out")
