"""The Meta-Router, algorithm 1 of the paper, with linear models and plain loops."""

from __future__ import annotations

import numpy as np
from oracles.regressions import least_squares, line


def meta_router(X, y, is_gold, learn_shift):
    """Return psi-hat on X in gold units; ``learn_shift(X, y, is_gold)`` gives coefficients."""
    gold = [y[i] for i in range(len(y)) if is_gold[i]]
    preference = [y[i] for i in range(len(y)) if not is_gold[i]]
    c = np.sqrt(np.var(preference) / np.var(gold))
    scaled = np.array([c * y[i] if is_gold[i] else y[i] for i in range(len(y))])
    shift = learn_shift(X, scaled, is_gold)
    pseudo_gold = np.array(
        [scaled[i] if is_gold[i] else scaled[i] + line(shift, X[i]) for i in range(len(y))]
    )
    return line(least_squares(X, pseudo_gold), X) / c
