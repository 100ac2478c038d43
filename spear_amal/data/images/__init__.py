"""Images by name, split into train, validation and test, for distillation; no torch."""

from spear_amal.data.images.dataset import SPLITS, ImageData, hold_out_validation
from spear_amal.data.images.digits import digits
from spear_amal.data.images.kd_synthetic import kd_synthetic
from spear_amal.data.images.registry import GENERATED, IMAGES, load_images

__all__ = [
    "GENERATED",
    "IMAGES",
    "SPLITS",
    "ImageData",
    "digits",
    "hold_out_validation",
    "kd_synthetic",
    "load_images",
]
