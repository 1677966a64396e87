"""Routers are compared in the same changing worlds, with the uncertainty of the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bandits import BetaTS, LinUCB, Replay
from bandits.evaluation import ScenarioStudy, study_table, write_scenario_report
from bandits.evaluation._scenario_report import WORLDS
from bandits.play import play
from bandits.scenarios import standard_scenarios
from metarouter.exceptions import MetaRouterError

ROUTERS = {"linucb": LinUCB(), "beta_ts": BetaTS()}


@pytest.fixture(scope="module")
def matrix():
    return study_table("synthetic").matrix


@pytest.fixture(scope="module")
def result(matrix):
    return ScenarioStudy(ROUTERS, rounds=120, seeds=3).run(matrix)


def test_every_world_is_told_about_and_played_by_every_router(result, matrix):
    worlds = standard_scenarios(Replay(matrix.X, matrix.quality, matrix.cost))
    assert result.scenarios == (*worlds, "restart") == tuple(WORLDS)
    assert result.routers == ("linucb", "beta_ts", "random", "static")
    assert result.values["reward"].shape == (3, 10, 4)
    assert (result.values["regret"] >= 0).all()


def test_a_restart_changes_nothing(result):
    for values in result.values.values():
        assert (values[:, 0] == values[:, -1]).all()


def test_routers_live_in_the_same_worlds_whoever_else_is_played(result, matrix):
    alone = ScenarioStudy({"beta_ts": BetaTS()}, rounds=120, seeds=3).run(matrix)
    for measure, values in alone.values.items():
        assert (values == result.values[measure][:, :, 1:]).all()


def test_the_cap_is_made_from_queries_that_nobody_plays(matrix, monkeypatch):
    study, played = ScenarioStudy({"beta_ts": BetaTS()}, rounds=300, seeds=2), set()
    few = replace(
        matrix,
        X=matrix.X[:300],
        quality=matrix.quality[:300],
        cost=matrix.cost[:300],
        task=matrix.task[:300],
        text=matrix.text[:300],
    )
    of_matrix = Replay.from_matrix

    def remembered(table, rows):
        played.update(rows.tolist())
        return of_matrix(table, rows)

    monkeypatch.setattr(Replay, "from_matrix", remembered)
    result = study.run(few)
    held_back = set(range(300)) - played
    assert (len(played), len(held_back), result.rounds) == (270, 30, 270)
    assert study.cap(few) == np.quantile(few.cost[sorted(held_back)], 0.95)
    dearer = few.cost.copy()
    dearer[sorted(played)] *= 9
    assert study.cap(replace(few, cost=dearer)) == study.cap(few)
    assert ScenarioStudy(ROUTERS, cost_cap=0.3).cap(few) == 0.3


def test_errors_are_those_of_the_seeds(result):
    frame = result.to_frame().set_index(["scenario", "router"])
    reward = result.values["reward"][:, 2]
    row = frame.loc[("dearer", "linucb")]
    gap = reward[:, 0] - reward[:, 3]
    assert row.reward == pytest.approx(reward[:, 0].mean())
    assert row.se_reward == pytest.approx(reward[:, 0].std(ddof=1) / np.sqrt(3))
    assert row.difference == pytest.approx(gap.mean())
    reach = 4.302653 * gap.std(ddof=1) / np.sqrt(3)  # Student's t with 2 degrees of freedom
    assert row.difference_high == pytest.approx(gap.mean() + reach)
    assert (frame.xs("static", level="router").difference == 0).all()


def test_a_router_that_looks_at_the_query_earns_more_where_that_matters(result):
    reward = result.values["reward"].mean(axis=(0, 1))
    assert reward[0] > reward[1]


def test_the_fixed_choice_is_the_best_in_hindsight_and_has_a_second_best(matrix):
    sure = replace(matrix, quality=np.tile([0.1, 0.3, 0.9, 0.2, 0.6, 0.0], (len(matrix.X), 1)))
    study = ScenarioStudy(ROUTERS, rounds=40, seeds=2, preference=(1.0, 0.0))
    result = study.run(sure)
    static = dict(zip(result.scenarios, result.values["score"][0, :, -1], strict=True))
    assert static["stationary"] == pytest.approx(0.9)
    assert static["cold_start"] == static["withdrawn"] == pytest.approx((0.9 + 0.6) / 2)


def test_what_is_written_is_what_was_found(result, tmp_path):
    files = write_scenario_report(result, tmp_path, {"seeds": "3"})
    assert [file.name for file in files] == ["report.md", "scenarios.csv", "scenarios.png"]
    read = pd.read_csv(tmp_path / "scenarios.csv")
    pd.testing.assert_frame_equal(read, result.to_frame(), check_exact=False)
    report = files[0].read_text()
    for world in WORLDS:
        assert f"- `{world}`: " in report
    assert "| seeds | 3 |" in report
    assert "| world | LinUCB | Beta-TS | random |" in result.to_markdown()


def test_it_prints_and_draws_like_every_result(result):
    assert "Routers in worlds that change: synthetic, 120 rounds" in result.summary()
    assert r"cold\_start &" in result.to_latex()
    axes = result.plot()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "LinUCB", "Beta-TS", "random",
    ]  # fmt: skip
    assert len(axes.get_yticks()) == 10


def test_the_state_of_a_router_does_not_grow(result):
    for halfway, end in result.sizes.values():
        assert end < halfway + 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 5}, "rounds is 5; give a whole number of at least 20"),
        ({"seeds": 1}, "seeds is 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"cost_cap": -1.0}, "cost_cap is -1.0"),
        ({"preference": (0.9, 0.9)}, "give two weights"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options, message, matrix):
    with pytest.raises(MetaRouterError, match=message):
        ScenarioStudy(ROUTERS, **options).run(matrix)


def test_beta_ts_knows_the_posterior_of_every_arm():
    quality = np.tile([0.25, 0.75], (400, 1))
    router = BetaTS(arms=("small", "large"), random_state=0)
    log = play(router, Replay(np.zeros((400, 1)), quality, arms=("small", "large")))
    count, total = router.count_, router.total_[:, 0]
    np.testing.assert_allclose(total, count * [0.25, 0.75])
    assert (log.action[-100:] == "large").mean() > 0.95
    draws = np.random.default_rng(1).beta(1 + total, 1 + count - total, size=(200_000, 2))
    expected = (draws.argmax(axis=1) == 1).mean()
    assert router.predict_proba(np.zeros((1, 1)))[0, 1] == pytest.approx(expected, abs=0.004)
