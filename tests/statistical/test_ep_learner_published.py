"""EP-learner and causal forest against the published medians of van der Laan et al. (2024)."""

from __future__ import annotations

import pytest

pytest.importorskip("xgboost")
pytest.importorskip("econml")

from paper_figures import ep_learner


@pytest.mark.slow
def test_in_a_randomised_trial_the_ep_learner_has_the_published_error_and_leads():
    # Three minutes of one core.
    replications = ep_learner.run(6, setups=["B"], sizes=[500])
    z = ep_learner.summarise(replications).set_index("learner")["z"]
    assert abs(z["EP"]) < 3
    lead = ep_learner.paired_differences(replications).set_index("other")
    assert (lead["difference"] < -2 * lead["se"]).all()


@pytest.mark.slow
def test_with_difficult_nuisances_the_causal_forest_has_the_published_error():
    replications = ep_learner.run(6, setups=["A"], sizes=[500])
    z = ep_learner.summarise(replications).set_index("learner")["z"]
    assert abs(z["CF"]) < 3
