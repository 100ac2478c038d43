"""The mixers for anyone's PyTorch loop: losses by row in, one scalar to call backward() on out."""

from spear_amal.loop.loss_mixer import LossMixer

__all__ = ["LossMixer"]
