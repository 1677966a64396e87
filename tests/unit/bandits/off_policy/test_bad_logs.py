"""Logs and policies that cannot be used, and logs that say little."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from bandits.off_policy import (
    FewEffectiveRowsWarning,
    LoggedFeedback,
    ValueSequence,
    compare_policies,
    off_policy_value,
)
from bandits.off_policy.result import FEW_EFFECTIVE_ROWS
from metarouter.exceptions import DataError

N, K = 90, 3
METHODS = ("dr", "stabilised", "ips", "snips", "dm", "switch", "shrinkage")


def logged(n=N, **changes):
    rng = np.random.default_rng(0)
    fields = {
        "X": rng.normal(size=(n, 2)),
        "action": rng.integers(K, size=n),
        "propensity": np.full(n, 1 / K),
        "reward": rng.random(n),
        "arms": range(K),
    }
    return LoggedFeedback(**{**fields, **changes})


UNIFORM = np.full((N, K), 1 / K)


class Divergent(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(len(X), np.nan)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"propensity": [0.0, 0.5]}, "propensity is 0 in row 0"),
        ({"propensity": [0.5, 1.5]}, "propensity is 1.5 in row 1"),
        ({"propensity": [0.5, np.nan]}, "propensity is NaN or infinite in 1 of 2 rows"),
        ({"propensity": [0.5]}, r"propensity has shape \(1,\) but there are 2 rows"),
        ({"propensity": None}, "propensity is missing"),
        ({"reward": [np.nan, 0.5]}, "reward is NaN or infinite in 1 of 2 rows"),
        ({"reward": [2.0, 0.5]}, r"reward is 2 in row 0 \(1 of 2 rows lie outside \(0, 1\)\)"),
        ({"reward": ["good", "bad"]}, "reward holds something that is not a number"),
        ({"reward": [0.5]}, r"reward has shape \(1,\) but there are 2 rows"),
        ({"reward_range": (0.0, np.inf)}, r"reward_range is \(0, inf\)"),
        ({"reward_range": (1.0, 0.0)}, r"reward_range is \(1, 0\)"),
        ({"reward_range": (0, 1, 2)}, r"reward_range is \(0, 1, 2\)"),
        ({"reward_range": ("low", 1)}, r"reward_range is \('low', 1\)"),
        ({"reward_range": None}, "reward_range is None"),
        ({"action": [0, 7]}, "action holds 7 in row 1"),
        ({"action": [0]}, "action has 1 rows but X has 2"),
        (
            {"X": np.array([[0.0], [np.nan]])},
            r"X is NaN or infinite in 1 of 2 rows \(first: row 1\)",
        ),
        ({"X": np.array([["a"], ["b"]])}, "X holds something that is not a number"),
        ({"X": np.zeros((0, 1))}, r"X has shape \(0, 1\)"),
        ({"groups": [1]}, r"groups has shape \(1,\) but X has 2 rows"),
        ({"groups": [1, 2], "adaptive": True}, "groups are given for adaptive logs"),
        ({"arms": ()}, "arms is empty"),
        ({"least_propensity": 0.7}, "least_propensity is 0.7; give a number above 0, at most 0.5"),
        ({"least_propensity": 0.0}, "least_propensity is 0.0"),
    ],
)
def test_logs_that_cannot_be_used_are_refused(wrong, message):
    good = {"X": np.zeros((2, 1)), "action": [0, 1], "propensity": [0.5, 0.5], "reward": [1, 0]}
    with pytest.raises(DataError, match=message):
        LoggedFeedback(**{**good, "arms": range(2), **wrong})


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.full((N, 2), 0.5), r"shape \(90, 2\), but the log has 90 rows and 3 arms"),
        (np.full((N, K), 0.5), r"do not sum to 1 in 90 of 90 rows \(first: row 0, sum 1.5\)"),
        (np.where(UNIFORM == 0, 0, np.nan), "negative, NaN or do not sum to 1 in 90 of 90 rows"),
        (np.tile([1.5, -0.5, 0.0], (N, 1)), "negative, NaN or do not sum to 1 in 90 of 90 rows"),
        ("always the large one", "policy is a str"),
        (None, r"shape \(\), but the log has 90 rows"),
    ],
)
def test_policies_that_do_not_fit_are_refused(policy, message):
    with pytest.raises(DataError, match=message):
        off_policy_value(logged(), policy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method is 'magic'"),
        ({"interval": "magic"}, "interval is 'magic'"),
        ({"method": "dm", "interval": "cressie_read"}, "choose one of normal, bootstrap"),
        ({"interval": "confidence_sequence"}, "'confidence_sequence' is not one of 'dr'"),
        ({"level": 95}, "level is 95"),
        ({"level": float("nan")}, "level is nan"),
        ({"level": "high"}, "level is 'high'"),
        ({"cut": 0.0, "method": "switch"}, "cut is 0.0"),
        ({"cut": float("nan"), "method": "shrinkage"}, "cut is nan"),
        ({"cut": "sharp", "method": "switch"}, "cut is 'sharp'"),
        ({"cv": 1}, "cv is 1"),
        ({"cv": None}, "cv is None"),
        ({"outcome": "ridge"}, "outcome is 'ridge'; give an estimator"),
        ({"outcome": [[0.5] * K] * N}, "outcome is a list"),
        ({"outcome": np.zeros((N, 2))}, r"outcome has shape \(90, 2\), but the log has 90 rows"),
        ({"outcome": Divergent()}, "outcome predicts NaN or infinite rewards in 90 of 90 rows"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        off_policy_value(logged(), UNIFORM, **options)


def test_more_folds_than_groups_are_refused():
    with pytest.raises(DataError, match="cv is 5 but there are 3 groups"):
        off_policy_value(logged(groups=np.arange(N) % 3), UNIFORM)


@pytest.mark.parametrize("method", METHODS)
def test_one_row_is_refused(method):
    with pytest.raises(DataError, match="The log has 1 row"):
        off_policy_value(logged(1), UNIFORM[:1], method=method)


@pytest.mark.parametrize("method", sorted({*METHODS} - {"dm"}))
def test_logs_that_never_do_what_the_policy_does_are_refused(method):
    log = logged(action=np.zeros(N, dtype=int))
    with pytest.raises(DataError, match="None of the 90 logged actions"):
        off_policy_value(log, np.tile([0.0, 1.0, 0.0], (N, 1)), method=method)


def test_propensities_that_cannot_be_true_are_refused():
    log = logged(900, propensity=np.full(900, 0.9))
    uniform = np.full((900, K), 1 / K)
    with pytest.raises(DataError, match=r"weights average 0.37 over 900 rows .* limit 24"):
        off_policy_value(log, uniform)
    with pytest.raises(DataError, match="weights average"):
        compare_policies(log, uniform, uniform)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [2, 7, N])
def test_numbers_are_never_silently_missing(method, n):
    log = logged(n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewEffectiveRowsWarning)
        found = off_policy_value(log, np.full((n, K), 1 / K), method=method)
    numbers = [found.value, found.se, found.lower, found.upper, found.effective_sample_size]
    assert np.isfinite(numbers).all()
    assert 0 <= found.lower <= found.upper <= 1


def test_few_effective_rows_are_warned_of_with_numbers():
    rare = np.where(np.arange(N) % 9 == 0, 1, 0)
    log = logged(action=rare, propensity=np.where(rare == 1, 1 / 9, 8 / 9))
    message = (
        rf"Only 10.0 effective rows of 90 bear on this policy \(fewer than {FEW_EFFECTIVE_ROWS}\)"
    )
    with pytest.warns(FewEffectiveRowsWarning, match=message) as caught:
        found = off_policy_value(log, np.tile([0.0, 1.0, 0.0], (N, 1)))
    assert caught[0].filename == __file__  # it points to the call
    assert "fewer than" in found.summary()
    with pytest.warns(FewEffectiveRowsWarning, match="bear on this difference"):
        compare_policies(log, np.tile([0.0, 1.0, 0.0], (N, 1)), np.tile([1.0, 0.0, 0.0], (N, 1)))


def test_many_effective_rows_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = off_policy_value(logged(), UNIFORM)
        compare_policies(logged(), UNIFORM, UNIFORM)
    assert "effective rows of" not in found.summary()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward_range": (0.0, np.nan)}, r"reward_range is \(0, nan\)"),
        ({"max_weight": 0.5}, "max_weight is 0.5"),
        ({"max_weight": np.inf}, "max_weight is inf"),
        ({"max_weight": "large"}, "max_weight is 'large'"),
        ({"level": 1.0}, "level is 1.0"),
    ],
)
def test_sequences_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        ValueSequence(**{"reward_range": (0.0, 1.0), "max_weight": 2.0, **options})


@pytest.mark.parametrize(
    ("weight", "reward", "message"),
    [
        ([1.0, 2.5], [0.5, 0.5], r"A weight lies outside \[0, 2\]"),
        ([1.0, np.nan], [0.5, 0.5], r"A weight lies outside \[0, 2\]"),
        ([1.0, 1.0], [0.5, np.nan], r"A reward lies outside \[0, 1\]"),
        ([1.0, 1.0], [0.5], r"weight has shape \(2,\) but reward \(1,\)"),
    ],
)
def test_a_sequence_that_refuses_rows_is_as_it_was(weight, reward, message):
    sequence = ValueSequence((0.0, 1.0), 2.0).update([1.0, 2.0], [0.5, 0.25])
    before = sequence.state()
    with pytest.raises(DataError, match=message):
        sequence.update(weight, reward)
    assert sequence.state() == before


@pytest.mark.filterwarnings("ignore::bandits.off_policy.FewEffectiveRowsWarning")
def test_a_short_log_may_lack_the_actions_that_were_rarest():
    # Half of the queries get action 1 with chance 0.02; by chance none of them did.
    rare = np.arange(60) % 2 == 0
    action = np.where(rare, 0, np.arange(60) // 2 % 5 == 0).astype(int)
    propensity = np.where(rare, 0.98, 0.5)
    reward = action.astype(float)
    fields = (np.ones((60, 1)), action, propensity, reward, range(2))
    always_1 = np.tile([0.0, 1.0], (60, 1))
    with pytest.raises(DataError, match="give least_propensity where the log lacks rarer actions"):
        off_policy_value(LoggedFeedback(*fields), always_1)
    told = off_policy_value(LoggedFeedback(*fields, least_propensity=0.02), always_1)
    assert told.lower < told.upper == 1.0
