from __future__ import annotations

import sys
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge

from metarouter import MetaRouter, ThresholdRouter, UnitCost
from metarouter.datasets import make_judged_queries
from metarouter.evaluation import MonteCarloStudy, default_routers
from metarouter.evaluation._rounds import RoundPlan, set_random_state, split_of
from metarouter.exceptions import DataError, MetaRouterError

SMALL = {"n_gold": (20, 60), "rounds": 4, "n_test": 80}


class Recorder(Ridge):
    """A router that keeps what it was given."""

    calls: ClassVar[list[dict]] = []

    def fit(self, X, y, is_gold=None, sample_weight=None, groups=None):
        self.calls.append({"X": X, "y": y, "is_gold": is_gold, "groups": groups})
        return super().fit(X, y, sample_weight=sample_weight)


@pytest.fixture
def queries():
    return make_judged_queries(260, 6, gold_share=1.0, pairing=1.0, random_state=0)


@pytest.fixture
def calls():
    Recorder.calls = []
    return Recorder.calls


def linear_routers():
    return default_routers(Ridge(), final=Ridge(), cv=2)


def tree_routers():
    forest = ExtraTreesRegressor(5, bootstrap=True)
    routers = default_routers(forest, final=forest, method="cv", cv=2)
    return {name: routers[name] for name in ("pooled", "gold_only", "r_learner")}


def test_the_first_n_training_queries_carry_gold_labels_only(queries, calls):
    MonteCarloStudy({"recorder": Recorder()}, oracle=False, **SMALL).run(queries)
    label_of = {
        tuple(x): pair
        for x, *pair in zip(queries.X.round(9), queries.gold, queries.preference, strict=True)
    }
    assert len(calls) == 8
    for call, n_gold in zip(calls, [20, 60] * 4, strict=True):
        assert call["X"].shape == (180, 6)
        assert call["is_gold"].sum() == n_gold
        assert call["is_gold"][:n_gold].all()
        expected = [
            label_of[tuple(x)][0 if gold else 1]
            for x, gold in zip(call["X"].round(9), call["is_gold"], strict=True)
        ]
        assert np.array_equal(call["y"], expected)


def test_gold_sets_are_nested_and_the_rows_keep_their_order(queries, calls):
    MonteCarloStudy({"recorder": Recorder()}, oracle=False, **SMALL).run(queries)
    few, many, next_round = (call["X"] for call in calls[:3])
    assert np.array_equal(few, many)
    assert not np.array_equal(few, next_round)


def test_whole_groups_are_drawn_and_handed_on(queries, calls):
    groups = np.repeat(np.arange(26), 10)
    plan = RoundPlan({}, None, (20,), 75, grouped=True)
    split, _ = split_of(np.random.SeedSequence(1), replace(queries, groups=groups), plan)
    assert split.test.size == 80
    assert not set(groups[split.test]) & set(groups[split.train])
    assert sorted([*split.test, *split.train]) == list(range(260))
    study = MonteCarloStudy({"recorder": Recorder()}, **{**SMALL, "rounds": 1})
    result = study.run(replace(queries, groups=groups.astype(str)))
    assert result.grouped
    assert all(len(call["groups"]) == 180 for call in calls)


def test_groups_are_ignored_when_asked(queries, calls):
    study = MonteCarloStudy({"recorder": Recorder()}, grouped=False, **SMALL)
    result = study.run(replace(queries, groups=np.zeros(260)))
    assert not result.grouped
    assert calls[0]["groups"] is None


def test_default_routers_run_on_grouped_data(queries):
    study = MonteCarloStudy(n_gold=60, rounds=1, n_test=80)
    result = study.run(replace(queries, groups=np.repeat(np.arange(65), 4)))
    assert result.routers == (
        "oracle",
        "pooled",
        "preference_only",
        "gold_only",
        "linear_scaling",
        "r_learner",
        "dr_learner",
    )
    assert np.isfinite(result.area).all()


def test_numbers_do_not_depend_on_the_number_of_workers(queries):
    one, two = (MonteCarloStudy(tree_routers(), n_jobs=n, **SMALL).run(queries) for n in (1, 2))
    assert np.array_equal(one.area, two.area)
    assert np.array_equal(one.efficiency_gain, two.efficiency_gain)
    assert np.array_equal(one.fits, two.fits)


def test_the_seed_decides_the_numbers(queries):
    def area(seed):
        return MonteCarloStudy(tree_routers(), random_state=seed, **SMALL).run(queries).area

    assert np.array_equal(area(3), area(3))
    assert not np.array_equal(area(3), area(4))


def test_more_rounds_leave_the_first_ones_as_they_were(queries):
    few = MonteCarloStudy(tree_routers(), **SMALL).run(queries)
    more = MonteCarloStudy(tree_routers(), **{**SMALL, "rounds": 6}).run(queries)
    assert np.array_equal(more.area[:4], few.area)


def test_the_oracle_is_trained_on_every_gold_label(queries, calls):
    study = MonteCarloStudy({}, oracle=Recorder(), **{**SMALL, "rounds": 1})
    result = study.run(queries)
    assert result.routers == ("oracle",)
    assert len(calls) == 1
    assert np.isin(calls[0]["y"], queries.gold).all()
    assert result.area[0, 0, 0] == result.area[0, 0, 1]


def test_the_oracle_uses_the_learner_of_the_routers(queries):
    given = MonteCarloStudy(linear_routers(), **SMALL)._plan(queries).oracle
    assert isinstance(given.regressor, Ridge)


def test_nobody_s_router_is_fitted_in_place(queries):
    routers = linear_routers()
    MonteCarloStudy(routers, **{**SMALL, "rounds": 1}).run(queries)
    assert not any(hasattr(router, "regressor_") for router in routers.values())
    assert routers["pooled"].random_state is None


def test_a_threshold_router_is_ranked_by_its_decision_function(queries):
    routers = {
        "plain": MetaRouter(regressor=Ridge(), sources="gold"),
        "priced": ThresholdRouter(MetaRouter(regressor=Ridge(), sources="gold"), UnitCost(), w=0.2),
    }
    area = MonteCarloStudy(routers, oracle=False, **SMALL).run(queries).area
    assert area[:, 0] == pytest.approx(area[:, 1])


def test_fits_that_do_not_depend_on_n_gold_are_made_once(queries):
    gold_only = MetaRouter(regressor=Ridge(), sources="gold", calibrate=False)
    twice = {"gold_only": gold_only, "again": clone(gold_only)}
    result = MonteCarloStudy(twice, **SMALL).run(queries)
    assert (result.fits == 3).all()  # the oracle, and gold_only for two sizes
    assert (result.reused == 2).all()


def test_weights_reach_training_and_evaluation(queries):
    weight = (queries.X[:, 0] > 0).astype(float)
    weighted = MonteCarloStudy(linear_routers(), **SMALL).run(
        replace(queries, weight=weight + 0.01)
    )
    plain = MonteCarloStudy(linear_routers(), **SMALL).run(queries)
    assert not np.allclose(weighted.area, plain.area)


def test_every_seed_is_set_however_deep():
    router = set_random_state(default_routers(ExtraTreesRegressor(random_state=7))["r_learner"], 3)
    seeds = {k: v for k, v in router.get_params().items() if k.endswith("random_state")}
    assert "shift__outcome__random_state" in seeds
    assert set(seeds.values()) == {3}


def test_progress_is_written_to_the_error_stream(queries, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    MonteCarloStudy({}, oracle=Ridge(), progress=True, **SMALL).run(queries)
    written = capsys.readouterr()
    assert "4/4" in written.err
    assert written.out == ""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_gold": ()}, "n_gold is"),
        ({"n_gold": (50, 50)}, "different positive whole numbers"),
        ({"n_gold": (0, 50)}, "different positive whole numbers"),
        ({"n_gold": 0.5}, "different positive whole numbers"),
        ({"rounds": 0}, "rounds is 0: give a positive whole number"),
        ({"n_test": 2.5}, "n_test is 2.5: give a positive whole number"),
        ({"n_test": 240}, "n_gold=60 and a test set of 240 queries leave no preference label"),
        ({"n_test": 300}, "260 queries give as few as 0 for training"),
        ({"n_gold": 180}, "lower n_gold or n_test"),
        ({"routers": {"oracle": Ridge()}}, "'oracle', a name that the study gives itself"),
        ({"routers": {"mine": Ridge}}, "cannot be cloned and fitted"),
        ({"routers": {}, "oracle": False}, "at least one, or an oracle"),
        ({"random_state": -1}, "random_state is -1: give a whole number of at least 0"),
        ({"random_state": 0.5}, "random_state is 0.5: give a whole number"),
        ({"n_jobs": 0}, "n_jobs is 0; give a whole number above 0, -1"),
        ({"checkpoint": "x", "random_state": None}, "could not be resumed with the same splits"),
    ],
)
def test_unusable_settings_are_refused_before_the_first_fit(queries, settings, sentence):
    with pytest.raises(MetaRouterError, match=sentence) as refusal:
        MonteCarloStudy(**{**SMALL, **settings}).run(queries)
    assert "\n" not in str(refusal.value)


def test_queries_without_both_labels_are_counted(queries):
    gold, preference = queries.gold.copy(), queries.preference.copy()
    gold[:5], preference[:2] = np.nan, np.nan
    broken = replace(queries, gold=gold, preference=preference)
    with pytest.raises(DataError, match="5 of 260 queries have no gold label and 2 no preference"):
        MonteCarloStudy(**SMALL).run(broken)


def test_one_group_cannot_be_split(queries):
    with pytest.raises(DataError, match="All 260 queries are in one group"):
        MonteCarloStudy(**SMALL).run(replace(queries, groups=np.zeros(260)))


def test_a_router_that_predicts_no_numbers_is_named(queries):
    class Broken(Ridge):
        def fit(self, X, y, is_gold=None):
            return super().fit(X, y)

        def predict(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(
        DataError, match="broken with 20 gold labels in round 0: psi_hat is NaN for 80"
    ):
        MonteCarloStudy({"broken": Broken()}, oracle=False, **SMALL).run(queries)
