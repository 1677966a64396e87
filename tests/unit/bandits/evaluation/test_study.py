"""A study plays every router once per seed, dials it, and says how sure its tables are."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from bandits import EpsilonGreedy, LinUCB
from bandits.evaluation import BanditStudy, BanditStudyReport, router_table, write_bandit_report
from bandits.evaluation.study_result import FULL_INFORMATION, MIXTURE
from metarouter.datasets import ModelMatrix
from metarouter.evaluation import performance_gap_curve
from metarouter.exceptions import DataError, MetaRouterError

mpl.use("Agg")

MODELS = ("large", "expert", "small")


def make_matrix(n=400, seed=0):
    """A dear good model, a cheap bad one, and one that is good at what its feature says."""
    rng = np.random.default_rng(seed)
    X = np.c_[rng.choice([-1.0, 1.0], size=n), rng.normal(size=(n, 2))]
    chance = np.c_[np.full(n, 0.9), 0.5 + 0.45 * X[:, 0], np.full(n, 0.4)]
    return ModelMatrix(
        X=X,
        quality=(rng.random((n, 3)) < chance).astype(float),
        cost=rng.gamma(9.0, (1.0, 0.1, 0.02), size=(n, 3)),
        models=MODELS,
        task=np.array(["math", "law", "code", "chat"], dtype=object)[np.arange(n) % 4],
        text=np.array([f"query {k}" for k in range(n)], dtype=object),
        name="made up",
        notes=("made for a test",),
    )


def make_study(**options):
    return BanditStudy(
        {"linucb": LinUCB(), "greedy": EpsilonGreedy()},
        **{
            "in_distribution": ("math", "law"),
            "out_of_distribution": ("code",),
            "w_cost": (0.2, 0.5),
            "pair": ("large", "small"),
            "seeds": 3,
            **options,
        },
    )


@pytest.fixture(scope="module")
def matrix():
    return make_matrix()


@pytest.fixture(scope="module")
def result(matrix):
    return make_study().run(matrix)


@pytest.fixture(scope="module")
def frame(result):
    return result.to_frame()


def test_every_router_sees_one_outcome_per_round(result):
    for seed in result.seeds:
        assert seed.n_train == 160
        assert seed.n_revealed == (160, 160)


def test_there_is_a_row_for_every_router_task_split_and_weight(frame):
    routers = {"linucb", "greedy", FULL_INFORMATION, "best_constant", "random", "oracle"}
    routers |= {f"constant:{model}" for model in MODELS}
    assert set(frame.router) == routers
    parts = set(zip(frame.split, frame.task, strict=True))
    assert parts == {
        *(("in_distribution", task) for task in ("math", "law", "all")),
        *(("out_of_distribution", task) for task in ("code", "all")),
    }
    assert len(frame) == len(routers) * len(parts) * 2
    assert not frame.duplicated(["router", "task", "split", "w_cost"]).any()


def test_tables_are_those_of_the_test_rows_of_all_seeds(matrix, result, frame):
    rows = np.concatenate([seed.test[~seed.outside] for seed in result.seeds])
    seeds = np.repeat(np.arange(3), [int((~seed.outside).sum()) for seed in result.seeds])
    alone = router_table(
        {"constant:expert": np.full(rows.size, "expert")},
        None,
        matrix.quality[rows],
        matrix.cost[rows],
        arms=MODELS,
        cost_cap=result.cost_cap,
        groups=np.c_[seeds, rows],
    )
    row = frame[
        (frame.router == "constant:expert") & (frame.split == "in_distribution")
        & (frame.task == "all") & (frame.w_cost == 0.5)
    ].iloc[0]  # fmt: skip
    assert row.reward == pytest.approx(alone.reward.value[0])
    assert row.se_reward == pytest.approx(alone.reward.se[0])


def test_routers_that_look_at_the_query_beat_the_best_constant_where_it_pays(frame):
    here = frame[(frame.task == "all") & (frame.w_cost == 0.5)].set_index(["split", "router"])
    for router in ("linucb", "greedy", FULL_INFORMATION):
        assert here.loc[("in_distribution", router), "difference_low"] > 0


def test_only_the_best_single_model_is_marked_and_nobody_beats_the_oracle(frame):
    for _, part in frame.groupby(["split", "task", "w_cost"]):
        marked = part[part.best_here]
        assert marked.router.str.startswith("constant:").all()
        constants = part[part.router.str.startswith("constant:")]
        assert marked.reward.tolist() == [constants.reward.max()]
        assert (part.regret >= -1e-12).all()
        assert part.set_index("router").regret["oracle"] == pytest.approx(0)


def test_more_weight_on_cost_spends_less(result):
    for curve in result.curves("in_distribution").values():
        if curve.cost.size == len(result.dial):
            assert curve.cost[-1] <= curve.cost[0]


def test_mixtures_of_models_are_the_hull_of_the_single_models(matrix, result):
    curve = result.curves("in_distribution")[MIXTURE]
    rows = np.concatenate([seed.test[~seed.outside] for seed in result.seeds])
    assert curve.quality == pytest.approx(matrix.quality[rows].mean(axis=0))


def test_gap_recovered_is_the_mean_over_seeds(matrix, result):
    expected = []
    for seed in result.seeds:
        rows = seed.test[~seed.outside]
        quality = matrix.quality[rows]
        score = seed.predicted_gain[0][~seed.outside]
        expected.append(
            performance_gap_curve(quality[:, 0], quality[:, 2], score, n_resamples=2).apgr
        )
    apgr = result.apgr("in_distribution")
    assert apgr["linucb"].value[0] == pytest.approx(np.mean(expected))
    assert list(apgr) == ["linucb", "greedy", FULL_INFORMATION]
    assert replace(result, pair=None).apgr("in_distribution") == {}


def test_the_same_seed_gives_the_same_table(matrix, frame):
    pd.testing.assert_frame_equal(make_study().run(matrix).to_frame(), frame)


def test_numbers_of_a_router_do_not_hang_on_the_others(matrix, frame):
    study = make_study()
    study.routers = {"greedy": EpsilonGreedy()}
    alone = study.run(matrix).to_frame()
    both = frame[frame.router.isin(alone.router)].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, both)


class TestParts:
    """Finished parts are taken over, and only by the very same study."""

    class Counted(LinUCB):
        fits = 0

        def fit(self, *logs):
            type(self).fits += 1
            return super().fit(*logs)

    def played(self, matrix, folder, **options):
        study = make_study(seeds=2, **options)
        study.routers = {"linucb": self.Counted(), "greedy": EpsilonGreedy()}
        before = self.Counted.fits
        return study.run(matrix, parts=folder).to_frame(), self.Counted.fits - before

    def test_a_finished_study_plays_nobody_again(self, matrix, tmp_path):
        first, fits = self.played(matrix, tmp_path)
        again, fits_again = self.played(matrix, tmp_path)
        assert (fits, fits_again) == (2, 0)
        pd.testing.assert_frame_equal(first, again)

    def test_what_is_missing_or_damaged_is_played_anew(self, matrix, tmp_path):
        first, _ = self.played(matrix, tmp_path)
        lost, damaged = sorted(tmp_path.glob("linucb-*.npz"))
        lost.unlink()
        damaged.write_bytes(damaged.read_bytes()[:100])
        again, fits = self.played(matrix, tmp_path)
        assert fits == 2
        pd.testing.assert_frame_equal(first, again)

    def test_another_study_takes_nothing_over(self, matrix, tmp_path):
        self.played(matrix, tmp_path)
        for options in (
            {"random_state": 1},
            {"cost_cap": 1.0},
            {"test_share": 0.3},
            {"pair": None},
        ):
            assert self.played(matrix, tmp_path, **options)[1] == 2
        assert self.played(make_matrix(seed=1), tmp_path)[1] == 2
        assert self.played(matrix, tmp_path)[1] == 0


def test_one_seed_and_no_unseen_task_are_a_study_too(matrix, tmp_path):
    alone = make_study(seeds=1, out_of_distribution=()).run(matrix)
    assert set(alone.to_frame().split) == {"in_distribution"}
    assert np.isfinite(alone.to_frame().se_reward).all()
    write_bandit_report(BanditStudyReport(alone, {"seeds": "1"}), tmp_path)
    assert "never seen" not in (tmp_path / "report.md").read_text().lower()


def test_the_cap_is_a_quantile_over_all_models_unless_it_is_given(matrix, result):
    learned = np.isin(matrix.task, ("math", "law"))
    learned[np.concatenate([seed.test for seed in result.seeds])] = False  # by every seed
    assert result.cost_cap == np.quantile(matrix.cost[learned], 0.95)
    assert make_study(cost_cap=2.0, seeds=1).run(matrix).cost_cap == 2.0


def test_no_test_outcome_enters_the_cap(matrix, result):
    cost = matrix.cost.copy()
    cost[np.concatenate([seed.test for seed in result.seeds])] *= 100.0
    study = make_study(seeds=len(result.seeds))
    assert study.run(replace(matrix, cost=cost)).cost_cap == result.cost_cap


def test_progress_is_told_for_every_router_and_seed(matrix):
    told = []
    make_study(seeds=2).run(matrix, advance=lambda: told.append(1))
    assert len(told) == 4


def test_report_writes_all_files_and_says_who_wins(result, tmp_path):
    files = write_bandit_report(BanditStudyReport(result, {"seeds": "3"}), tmp_path)
    assert {file.name for file in files} == {
        "report.md", "table.csv", "cost_quality.png", "table_with_errors.csv", "shares.csv",
        "curves.csv",
    }  # fmt: skip
    assert all(file.stat().st_size > 0 for file in files)
    table = pd.read_csv(tmp_path / "table.csv")
    assert table.columns.tolist() == [
        "router", "task", "split", "w_cost", "score", "cost", "reward", "regret", "se_reward",
    ]  # fmt: skip
    text = (tmp_path / "report.md").read_text()
    assert "LinUCB is better than the best constant model" in text
    assert "made for a test" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"in_distribution": ("maths",)}, DataError, "has no task 'maths': choose from chat, code"),
        ({"in_distribution": ("code",)}, MetaRouterError, "'code' is to be learned and held out"),
        ({"in_distribution": ()}, MetaRouterError, "No task is learned"),
        ({"pair": ("large", "huge")}, DataError, "lacks a model of the pair 'large huge'"),
        ({"w_cost": (1.5,)}, MetaRouterError, "w_cost is"),
        ({"cost_cap": 0.0}, MetaRouterError, "cost_cap is 0"),
        ({"seeds": 0}, MetaRouterError, "seeds is 0"),
        ({"test_share": 1.0}, MetaRouterError, "test_share is 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(matrix, options, error, message):
    with pytest.raises(error, match=message):
        make_study(**options).run(matrix)


def test_a_table_without_costs_is_refused(matrix):
    with pytest.raises(DataError, match="made up has no costs"):
        make_study().run(replace(matrix, cost=None))
