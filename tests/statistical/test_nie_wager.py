"""The boosted R-learner reproduces the published errors of Nie & Wager (2021)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("xgboost")

from paper_figures import nie_wager

STANDARD_ERRORS = 3.0


# Three draws and five folds instead of ten and ten: a twelfth of the work, and in a randomised
# trial hardly worse.
SMALL_SEARCH = nie_wager.Search(n_draws=3, n_folds=5)
SPREAD = 0.083  # standard deviation of the error over 12 rounds of the small search


@pytest.mark.parametrize(
    ("rounds", "spread"), [(2, SPREAD), pytest.param(10, None, marks=pytest.mark.slow)]
)
def test_a_randomised_trial_gives_the_published_error_with_a_small_search(rounds, spread):
    errors = [_error("B", round_, SMALL_SEARCH) for round_ in range(rounds)]
    # Two rounds do not tell how far errors vary. That of the published mean is counted too.
    standard_error = (spread or np.std(errors, ddof=1)) * np.sqrt(
        1 / rounds + 1 / nie_wager.PUBLISHED_REPLICATIONS
    )
    published = pd.read_csv(nie_wager.PUBLISHED).set_index(["setup", "learner"])["mse"]
    difference = np.mean(errors) - published["B", "R"]
    assert abs(difference) < STANDARD_ERRORS * standard_error
    assert spread or standard_error < 0.1 * published["B", "R"]


@pytest.mark.slow
def test_every_set_up_gives_the_published_error_with_the_published_recipe(tmp_path):
    # About an hour of one core.
    cells = [cell for cell in nie_wager.CELLS if cell.base_score == nie_wager.OLD_DEFAULT]
    replications = nie_wager.run(25, cells=cells, n_jobs=-1, checkpoint=tmp_path / "rounds.csv")
    table = nie_wager.summarise(replications)
    table = table[table["learner"] == "R"].set_index("setup")
    assert (table["z"].abs() < STANDARD_ERRORS).all(), table


def _error(setup: str, round_: int, search: nie_wager.Search) -> float:
    train, test, rng, _ = nie_wager.draw(
        nie_wager.Replication(0, round_, setup, nie_wager.OLD_DEFAULT)
    )
    learner = nie_wager.fit_r_learner(train.training_rows(), search, rng)
    return nie_wager.squared_error(learner, test)
