from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from metarouter import Nuisances, PropensityPolicy
from metarouter.inference.diagnostics._nuisance_checks import overlap_report
from metarouter.inference.intervals import share_interval
from metarouter.inference.labels import fitted_nuisances, scaled_labels


def report(data, nuisances, **settings):
    return overlap_report(data, nuisances=nuisances, scaling=None, random_state=0, **settings)


def test_a_random_draw_of_gold_queries_passes(make):
    found = report(make.labelled(1000, tilt=0.0), make.recipe())
    assert str(found.verdict) == "PASS"
    assert found.effective_gold.value > 0.97


def test_a_random_draw_passes_with_a_noisy_forest_too(make):
    forest = Nuisances(propensity=ExtraTreesClassifier(20, random_state=0))
    data = make.labelled(1000, tilt=0.0)
    labels = scaled_labels(data, None)
    raw = fitted_nuisances(labels, forest, ("propensity",), 0).propensity_
    assert np.ptp(raw) > 0.4
    found = report(data, forest)
    assert np.ptp(found.propensity) < 0.2
    assert str(found.verdict) == "PASS"


def test_strong_selection_fails(make):
    with pytest.warns(UserWarning, match="clipped"):
        found = report(make.labelled(2000, tilt=4.0), make.recipe())
    assert str(found.verdict) == "FAIL"
    assert found.out_of_support.lower > 0.2
    assert "Trim" in found.summary()


def test_a_randomised_design_leaves_every_label(make):
    found = report(make.labelled(300), Nuisances(propensity="constant"))
    assert found.effective_gold == (1.0, 1.0, 1.0)
    assert found.out_of_support == found.gold_out_of_support == (0.0, 0.0, 0.0)


def test_queries_with_both_labels_overlap_by_design(make):
    data = make.labelled(300, both=True, groups=np.arange(300) % 12)
    found = report(data, make.recipe())
    assert str(found.verdict) == "PASS"
    assert found.out_of_support == (0.0, 0.0, 0.0)
    assert "by design" in found.summary()


def test_the_effective_share_is_that_of_kish(make):
    data = make.labelled(20_000, tilt=1.0)
    found = report(data, make.recipe())
    weight = 1 / found.propensity[found.is_gold]
    kish = weight.sum() ** 2 / (weight**2).sum() / len(weight)
    assert found.effective_gold.value == pytest.approx(kish, abs=0.03)
    assert found.effective_gold.lower < kish < found.effective_gold.upper


def test_support_is_counted_by_density_ratio_and_not_by_the_scarcity_of_gold(make):
    # A fixed bound such as 0.1 on the propensity would condemn every sample with 5% gold labels.
    rng = np.random.default_rng(0)
    data = make.labelled(4000, tilt=0.0)
    gold = data.gold.copy()
    preference = np.where(np.isnan(data.preference), rng.standard_normal(4000), data.preference)
    scarce = rng.random(4000) > 0.05
    gold[scarce] = np.nan
    preference[~scarce & ~np.isnan(gold)] = np.nan
    from metarouter.datasets import LabelledQueries

    found = report(LabelledQueries(data.X, gold, preference), make.recipe())
    assert found.propensity.max() < 0.1
    assert str(found.verdicts["out_of_support"]) == "PASS"


def test_what_the_policy_did_is_said(make):
    data = make.labelled(800, tilt=2.0)
    recipe = make.recipe(policy=PropensityPolicy(clip=0.1, trim=0.05))
    with pytest.warns(UserWarning, match="clipped"):
        fitted = fitted_nuisances(scaled_labels(data, None), recipe, ("propensity",), 0)
    found = report(data, fitted)
    assert found.n_clipped == fitted.overlap_.n_clipped > 0
    assert found.n_trimmed == fitted.overlap_.n_trimmed > 0
    assert f"clipped: {found.n_clipped}" in found.summary()


def test_too_few_labels_give_no_number(make):
    found = overlap_report(make.labelled(30))
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed == 30
    assert np.isnan(found.out_of_support.value)


def test_every_share_has_an_interval(make):
    frame = report(make.labelled(), make.recipe()).to_frame()
    assert (frame.ci_low <= frame.value).all()
    assert (frame.value <= frame.ci_high).all()


def test_a_share_of_nothing_has_wilsons_interval():
    found = share_interval(np.zeros(100, bool), np.full(100, 0.01), None, 0.95)
    assert found.lower == 0
    assert found.upper == pytest.approx(0.0370, abs=1e-4)


def test_a_share_of_groups_counts_groups():
    inside = np.repeat(np.arange(40) % 4 == 0, 25)
    rows = share_interval(inside, np.full(1000, 0.001), None, 0.95)
    groups = share_interval(inside, np.full(1000, 0.001), np.repeat(np.arange(40), 25), 0.95)
    assert groups.upper - groups.lower > 4 * (rows.upper - rows.lower)


def test_the_picture_shows_both_sources_and_the_bounds(make):
    ax = report(make.labelled(), make.recipe()).plot()
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words[0].startswith("gold labels (")
    assert sum(line.get_linestyle() == "--" for line in ax.lines) == 2
