"""Models of one shape trained as one: folds, seeds and trials share every step."""

from spear_amal.training.lock_step.engine import fit_in_lock_step
from spear_amal.training.lock_step.losses import kind_of_losses
from spear_amal.training.lock_step.stack import layers_of
from spear_amal.training.lock_step.steps import is_sparse

__all__ = ["fit_in_lock_step", "is_sparse", "kind_of_losses", "layers_of"]
