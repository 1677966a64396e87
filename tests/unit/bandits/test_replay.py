"""Whoever plays a replay sees one cell of every round, and every look is counted."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bandits import EpsilonGreedy, LinTS, LinUCB, RandomRouter, Replay, ReplayError
from metarouter.datasets import (
    ModelMatrix,
    fetch_llmrouter_14task_matrix,
    fetch_routerbench_fewshot,
)
from metarouter.exceptions import DataError

RNG = np.random.default_rng(0)
X, QUALITY, COST = RNG.normal(size=(60, 3)), RNG.random((60, 4)), RNG.random((60, 4))


@pytest.fixture
def replay():
    return Replay(X, QUALITY, COST, arms=("a", "b", "c", "d"))


@pytest.mark.parametrize(
    "router", [LinUCB(), LinTS(), EpsilonGreedy(), RandomRouter()], ids=lambda r: type(r).__name__
)
def test_a_router_that_played_n_rounds_revealed_n_cells(router):
    assert router.fit(X, QUALITY, COST).n_revealed_ == 60


def test_only_the_chosen_cell_is_shown(replay):
    shown = replay.reveal([4, 2], [3, 0])
    assert shown.quality.tolist() == [QUALITY[4, 3], QUALITY[2, 0]]
    assert shown.cost.tolist() == [COST[4, 3], COST[2, 0]]
    assert replay.revealed[[4, 2]].tolist() == [3, 0]
    assert replay.n_revealed == 2
    assert not any(name in vars(Replay) or hasattr(replay, name) for name in ("quality", "cost"))


def test_one_arm_may_be_named_for_many_rounds(replay):
    assert replay.reveal(range(3), 1).quality.tolist() == QUALITY[:3, 1].tolist()


@pytest.mark.parametrize(
    ("rows", "arm", "message"),
    [
        ([5, 1], [0, 2], "Round 1 has shown the outcome of 'b'.* what 'c' would have done"),
        ([3, 3], [0, 1], "1 of 2 rounds are asked for twice"),
        (-1, 0, "counted from 0"),
        (5, -1, "counted from 0"),
        (60, 0, "There are 60 rounds and 4 arms, counted from 0; row 60 or arm 0 is none of them"),
        (5, 4, "row 5 or arm 4 is none"),
        (0.5, 0, "rows is float64 of shape .1,.; give one position"),
        (5, "a", "arm is <U1"),
        (None, 0, "rows is object"),
        (np.ones(60, dtype=bool), 0, "rows is bool"),
        ([[5, 6]], [[0, 0]], r"rows is int64 of shape \(1, 2\)"),
        ([5, 6], [0, 1, 2], "arm has 3 positions but rows has 2"),
    ],
)
def test_a_second_look_is_refused_and_shows_nothing(replay, rows, arm, message):
    replay.reveal(1, 1)
    before = replay.revealed.copy()
    with pytest.raises(ReplayError, match=message):
        replay.reveal(rows, arm)
    assert (replay.revealed == before).all()


def test_nothing_is_shown_of_no_rounds(replay):
    assert replay.reveal([], []).quality.shape == (0,)
    assert replay.n_revealed == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X": X[:0], "quality": QUALITY[:0]}, "X has 0 rows; give at least one round"),
        ({"X": X, "quality": QUALITY, "task": ["law"]}, "task has shape .1,. but there are 60"),
        ({"X": X, "quality": QUALITY, "arms": "abcd"}, "arms is 'abcd'; give a list"),
        ({"X": X, "quality": QUALITY, "arms": [["a"], "b", "c", "d"]}, "which is no name"),
        ({"X": X, "quality": None}, "quality has shape"),
        ({"X": None, "quality": QUALITY}, "X has 0 rows"),
    ],
)
def test_logs_that_are_no_rounds_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        Replay(**arguments)


def test_a_round_that_recorded_nothing_is_refused():
    quality = np.where(QUALITY > 0.9, np.nan, QUALITY)
    row, arm = np.argwhere(np.isnan(quality))[0]
    replay = Replay(X, quality)
    with pytest.raises(ReplayError, match=rf"The quality of arm {arm} is NaN in row {row}"):
        replay.reveal(row, arm)
    assert replay.n_revealed == 0


class TestAvailability:
    def test_all_arms_can_be_called_unless_said_otherwise(self, replay):
        assert replay.available.shape == (60, 4)
        assert replay.available.all()

    def test_an_arm_that_is_not_there_is_refused(self):
        available = np.ones((60, 4), dtype=bool)
        available[:30, 2] = False
        replay = Replay(X, QUALITY, available=available)
        with pytest.raises(ReplayError, match="2 could not be called in round 7"):
            replay.reveal([40, 7], [2, 2])
        assert replay.n_revealed == 0

    @pytest.mark.parametrize(
        ("available", "message"),
        [
            (np.ones((60, 3), dtype=bool), r"shape \(60, 3\), but booleans of shape \(60, 4\)"),
            (np.ones((60, 4)), "available is float64"),
            (np.arange(60)[:, None] + np.zeros(4) > 1, "no arm in 2 of 60 rounds .first: round 0"),
        ],
    )
    def test_tables_that_mean_nothing_are_refused(self, available, message):
        with pytest.raises(DataError, match=message):
            Replay(X, QUALITY, available=available)


def test_threads_that_race_for_a_round_see_one_cell_of_it():
    replay = Replay(np.zeros((400, 1)), np.tile(np.arange(8.0), (400, 1)))

    def look(arm):
        seen = []
        for row in range(400):
            try:
                seen.append((row, replay.reveal(row, arm).quality[0]))
            except ReplayError:
                continue
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = [cell for cells in pool.map(look, range(8)) for cell in cells]
    assert sorted(row for row, _ in seen) == list(range(400))
    assert all(replay.revealed[row] == quality for row, quality in seen)
    assert replay.n_revealed == 400


def test_a_replay_travels_to_other_processes(replay):
    replay.reveal(0, 1)
    again = pickle.loads(pickle.dumps(replay))
    assert again.n_revealed == 1
    with pytest.raises(ReplayError):
        again.reveal(0, 2)


def test_published_matrices_are_replays_in_the_order_of_their_rows():
    matrix = ModelMatrix(
        X=X, quality=QUALITY, cost=None, models=("a", "b", "c", "d"),
        task=np.repeat(["law", "maths"], 30), text=np.full(60, "?", dtype=object),
    )  # fmt: skip
    replay = Replay.from_matrix(matrix, rows=np.arange(60)[::-1])
    assert replay.arms == ["a", "b", "c", "d"]
    assert replay.task[0] == "maths"
    assert not replay.has_cost
    assert replay.reveal(0, 2).quality == QUALITY[59, 2]


@pytest.mark.parametrize(
    ("fetch", "shape", "has_cost"),
    [
        (fetch_routerbench_fewshot, (3164, 11), True),
        (fetch_llmrouter_14task_matrix, (5989, 9), False),
    ],
)
def test_published_sets_can_be_played(real_data_home, fetch, shape, has_cost):
    matrix = fetch(real_data_home)
    replay = Replay.from_matrix(matrix)
    assert (replay.n_rounds, replay.n_arms) == shape
    assert replay.has_cost is has_cost
    assert replay.X.shape == (shape[0], 384)
    arms = np.arange(replay.n_rounds) % replay.n_arms
    shown = replay.reveal(np.arange(replay.n_rounds), arms)
    assert (shown.quality == matrix.quality[np.arange(shape[0]), arms]).all()
    assert replay.n_revealed == replay.n_rounds
