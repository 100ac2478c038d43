"""Where chance comes from: a whole number, a generator to draw from, or None for another each time.

What scikit-learn calls ``random_state``, and NumPy's generators as well. No global state is drawn
from: None asks the operating system.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, TypeAlias

import numpy as np

from spear_amal.errors import InputError

__all__ = ["LARGEST_SEED", "RandomStateLike", "random_generator", "settle_seed"]

#: The largest seed that scikit-learn's splitters take.
LARGEST_SEED = 2**32 - 1

#: What may be handed over as ``random_state``.
RandomStateLike: TypeAlias = int | np.random.RandomState | np.random.Generator | None


def settle_seed(
    random_state: RandomStateLike, name: str = "random_state", largest: int = LARGEST_SEED
) -> int:
    """Return the number that a run starts from; one is drawn where a generator or None is given.

    Raises
    ------
    InputError
        For anything else, and numbers outside 0 to `largest`.

    Examples
    --------
    >>> settle_seed(7), settle_seed(np.int64(7))
    (7, 7)
    """
    if random_state is None:
        random_state = np.random.default_rng()
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint32))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**32))
    whole = isinstance(random_state, Integral) and not isinstance(random_state, bool)
    if not whole or not 0 <= int(random_state) <= largest:
        raise InputError(
            f"{name} must be a whole number from 0 to {largest}, a RandomState, a Generator or "
            f"None, found {random_state!r}"
        )
    return int(random_state)


def random_generator(seed: Any, name: str = "seed") -> np.random.Generator:
    """Return a generator: the one that is given, or a new one of a seed of any size.

    Raises
    ------
    InputError
        For what is no seed.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    large = isinstance(seed, Integral) and int(seed) > LARGEST_SEED
    return np.random.default_rng(int(seed) if large else settle_seed(seed, name))
