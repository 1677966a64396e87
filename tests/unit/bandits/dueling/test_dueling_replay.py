"""A replay of duels shows who won of two, twice looked at, and nothing else."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bandits import DuelingReplay, FGTSRouter, ReplayError
from bandits.dueling import RandomPairs, play_duels
from metarouter.exceptions import DataError

RNG = np.random.default_rng(0)
X, UTILITY = RNG.standard_normal((40, 5)), RNG.random((40, 3))


def replay(**settings):
    return DuelingReplay(X, UTILITY, **settings)


def test_only_who_won_is_shown():
    shown = replay(arms=("a", "b", "c")).duel([0, 1, 2], [0, 1, 2], [1, 2, 0])
    assert set(shown.tolist()) <= {1, -1}
    assert shown.dtype.kind == "i"
    public = [name for name in vars(replay()) if not name.startswith("_")]
    assert sorted(public) == ["X", "arms", "is_complete", "played", "task"]


def test_cells_of_other_arms_are_never_read():
    """Poison: every cell that is not of the pair would raise or turn the outcome into NaN."""
    pairs = RNG.permuted(np.tile([0, 1, 2], (40, 1)), axis=1)[:, :2]
    poisoned = np.full((40, 3), np.nan)
    rows = np.arange(40)
    for side in (0, 1):
        poisoned[rows, pairs[:, side]] = UTILITY[rows, pairs[:, side]]
    clean = replay().duel(rows, pairs[:, 0], pairs[:, 1])
    other = DuelingReplay(X, poisoned)
    assert other.duel(rows, pairs[:, 0], pairs[:, 1]).tolist() == clean.tolist()
    third = 3 - pairs.sum(axis=1)
    with pytest.raises(ReplayError, match="Nothing was recorded for"):
        DuelingReplay(X, poisoned).duel(0, pairs[0, 0], third[0])


def test_exactly_two_looks_per_round():
    played = replay(arms=("a", "b", "c"))
    outcome = played.duel(3, 0, 2)
    assert played.n_looks == 2
    assert played.played[3].tolist() == [0, 2]
    assert played.duel(3, 0, 2) == outcome  # again, for nothing
    assert played.duel(3, 2, 0) == -outcome
    with pytest.raises(ReplayError, match="Round 3 has compared 'a' and 'c'; nobody will ever"):
        played.duel(3, 0, 1)
    with pytest.raises(ReplayError, match="Round 3 has compared"):
        played.duel([2, 3], [0, 1], [1, 1])
    assert played.n_looks == 2
    played.reset()
    assert played.n_looks == 0


def test_a_router_that_plays_looks_twice_a_round():
    played = replay()
    router = FGTSRouter(np.random.default_rng(1).standard_normal((3, 5)), random_state=0)
    log = play_duels(router, played, propensity=True)
    assert played.n_looks == 80
    assert router.n_updates_ == 40
    assert (log["propensity"] > 0).all()
    again = play_duels(
        router.__class__(router.embeddings, random_state=0), replay(), propensity=True
    )
    assert (log["first"] == again["first"]).all()


def test_the_first_wins_by_bradley_terry_choice():
    n = 20_000
    gap = np.linspace(-1.5, 1.5, 4)
    utility = np.column_stack([np.tile(gap, n // 4), np.zeros(n)])
    won = DuelingReplay(np.zeros((n, 1)), utility, scale=2.0, random_state=3).duel(
        np.arange(n), 0 * np.arange(n), 1 + 0 * np.arange(n)
    )
    for k, one in enumerate(gap):
        share, wanted = (won[k::4] == 1).mean(), 1 / (1 + np.exp(-2 * one))
        assert abs(share - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / (n / 4))


def test_small_differences_are_ties_where_asked():
    tied = DuelingReplay(X[:2], [[0.5, 0.55], [0.0, 0.9]], tie_margin=0.1, scale=50)
    assert tied.duel([0, 1], [0, 0], [1, 1]).tolist() == [0, -1]


def test_preferences_can_run_in_a_circle():
    n = 6000
    circle = DuelingReplay(np.zeros((n, 1)), np.zeros((n, 3))).non_transitive(3.0)
    rows = np.arange(n // 3)
    for k, (i, j) in enumerate(((0, 1), (1, 2), (2, 0))):
        won = circle.duel(rows + k * n // 3, i + 0 * rows, j + 0 * rows)
        assert (won == 1).mean() > 0.9


def test_arms_can_change_places():
    utility = np.tile([1.0, 0.0, -1.0], (40, 1))
    drifting = DuelingReplay(X, utility, scale=50).drifting(20)
    won = drifting.duel(np.arange(40), np.zeros(40, int), np.full(40, 2))
    assert won.tolist() == [1] * 20 + [-1] * 20
    assert replay().drifting(0, [0, 1, 2]).duel(0, 0, 1) == replay().duel(0, 0, 1)


def test_votes_of_people_are_played_where_they_were_cast():
    votes = DuelingReplay.from_votes(
        X[:3], [0, 0, 1, 1, 1], list("aabbb"), list("bbccc"), [1, 1, 1, -1, -1]
    )
    assert votes.arms == ["a", "b", "c"]
    assert votes.can_play([0, 0, 2], [0, 0, 0], [1, 2, 0]).tolist() == [True, False, True]
    assert votes.duel([0, 1], [1, 1], [0, 2]).tolist() == [-1, -1]
    with pytest.raises(ReplayError, match="Nothing was recorded for 'a' and 'c' in round 2"):
        votes.duel(2, 0, 2)
    router = RandomPairs(np.eye(3, 5), arms=votes.arms, random_state=0)
    votes.reset()
    assert len(play_duels(router, votes)["row"]) == votes.n_looks // 2
    with pytest.raises(DataError, match="holds votes"):
        votes.drifting(1)


def test_a_replay_can_be_pickled():
    played = replay()
    played.duel(0, 0, 1)
    assert pickle.loads(pickle.dumps(played)).played.tolist() == played.played.tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DuelingReplay(X[:3], UTILITY), "X has shape"),
        (lambda: DuelingReplay(X, UTILITY[:, :1]), "There is one arm, 0"),
        (lambda: DuelingReplay(X, UTILITY, arms=("a", "b")), "utility has 3 columns"),
        (lambda: DuelingReplay(X, UTILITY, arms=("a", "b", "a")), "'a' twice"),
        (lambda: DuelingReplay(X, UTILITY, scale=0), "scale is 0"),
        (lambda: DuelingReplay(X, UTILITY * np.inf), "utility is infinite"),
        (lambda: DuelingReplay(X, UTILITY, task=["a"]), "task has shape"),
        (lambda: replay().drifting(0, [0, 0, 1]), "order is"),
    ],
)
def test_logs_that_make_no_sense_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize(
    ("duel", "message"),
    [
        ((40, 0, 1), "rows holds 40; give positions from 0 to 39"),
        ((0, 3, 1), "first holds 3"),
        ((0, -1, 1), "first holds -1"),
        ((0, "a", 1), "first is <U1"),
        (([0, 1], [0], [1]), "differ in length"),
        (([0, 0], [0, 1], [1, 2]), "asked for twice"),
    ],
)
def test_duels_that_there_are_not_are_refused(duel, message):
    played = replay()
    with pytest.raises(ReplayError, match=message):
        played.duel(*duel)
    assert played.n_looks == 0
