from __future__ import annotations

from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge

from metarouter import ConstantShift, DRLearner, RLearner, ZeroShift
from metarouter.evaluation import default_routers


def test_names_are_those_of_the_paper_s_routers():
    assert list(default_routers()) == [
        "pooled",
        "preference_only",
        "gold_only",
        "linear_scaling",
        "r_learner",
        "dr_learner",
    ]
    assert "linear_scaling" not in default_routers(linear_scaling=False)


def test_every_router_is_a_meta_router_with_its_own_shift_or_source():
    routers = default_routers()
    assert isinstance(routers["pooled"].shift, ZeroShift)
    assert isinstance(routers["linear_scaling"].shift, ConstantShift)
    assert isinstance(routers["r_learner"].shift, RLearner)
    assert isinstance(routers["dr_learner"].shift, DRLearner)
    assert routers["gold_only"].sources == "gold"
    assert routers["preference_only"].sources == "preference"


def test_one_learner_serves_outcomes_and_gain():
    regressor = Ridge()
    routers = default_routers(regressor, scaling=None)
    assert routers["r_learner"].shift.outcome is regressor
    assert routers["r_learner"].shift.propensity == "constant"
    assert all(router.regressor is regressor for router in routers.values())
    assert all(router.scaling is None for router in routers.values())


def test_an_unknown_propensity_is_estimated():
    routers = default_routers(propensity=None)
    assert routers["r_learner"].shift.propensity is None


def test_out_of_bag_predictions_are_used_where_the_learner_has_them():
    def method(regressor):
        return default_routers(regressor)["dr_learner"].shift.method

    assert method(None) == "oob"
    assert method(RandomForestRegressor()) == "oob"
    assert method(RandomForestRegressor(bootstrap=False)) == "cv"
    assert method(Ridge()) == "cv"
    assert default_routers(method="cv")["r_learner"].shift.method == "cv"
