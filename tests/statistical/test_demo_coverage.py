"""What the demonstration says of its intervals is so."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.cli import _demo_run
from metarouter.cli._tables import with_named_columns
from metarouter.reporting import mean_shift

LEARNERS = {"linear_scaling", "r_learner", "dr_learner"}


def errors_of_mean_shifts(seed: int) -> dict[str, float]:
    """Fit as the demonstration does; return the errors of the mean shifts in standard errors."""
    queries = _demo_run._queries(_demo_run.N_QUERIES, seed)
    train = _demo_run._labelled_once(queries, seed)
    rows = with_named_columns(train).training_rows()
    found = {
        name: mean_shift(model, rows) for name, model in _demo_run._fit_all(rows, seed).items()
    }
    true = train.truth.delta.mean()
    return {name: (shift.value - true) / shift.se for name, shift in found.items() if shift}


def test_mean_shifts_of_the_demonstration_are_near_the_truth() -> None:
    z = [errors_of_mean_shifts(seed) for seed in range(2)]
    assert set(z[0]) == LEARNERS
    assert np.abs([list(each.values()) for each in z]).max() < 4


@pytest.mark.slow
def test_intervals_of_the_demonstration_cover_as_it_says() -> None:
    z = [errors_of_mean_shifts(seed) for seed in range(200)]
    covered = {name: np.mean([abs(each[name]) < 1.96 for each in z]) for name in LEARNERS}
    assert min(covered.values()) >= 0.935
    assert max(covered.values()) <= 0.975
    assert all(abs(share - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 200) for share in covered.values())
