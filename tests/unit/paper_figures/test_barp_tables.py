"""BaRP's tables beside ours: averages, pairs, sweeps, on results made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bandits import Constant
from bandits.evaluation import BanditStudy, dominated_area
from bandits.full_information import RegressionRouter
from metarouter.datasets import ModelMatrix
from metarouter.evaluation import clustered_means
from paper_figures import _barp_published, barp_figure3
from paper_figures._barp_cells import beside, score_and_cost
from paper_figures._barp_encoders import NumberedTexts, lsa
from paper_figures._barp_rows import tested_queries as queries_of
from paper_figures._barp_sweep import runs_of_seeds, sweep, volumes

MODELS = ("cheap", "dear")


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    n = 300
    task = np.array(["arc_challenge", "gsm8k", "gsm8k", "mbpp"], dtype=object)[np.arange(n) % 4]
    matrix = ModelMatrix(
        X=rng.normal(size=(n, 3)),
        quality=(rng.random((n, 2)) < np.c_[np.full(n, 0.5), np.full(n, 0.9)]).astype(float),
        cost=rng.gamma(9.0, (0.1, 1.0), size=(n, 2)),
        models=MODELS,
        task=task,
        text=np.array([f"query number {k} of {k % 7}" for k in range(n)], dtype=object),
        name="made up",
        notes=(),
    )
    return BanditStudy(
        {"barp": RegressionRouter(), "smallest": Constant("cheap"), "forest": Constant("dear")},
        in_distribution=("arc_challenge", "gsm8k"),
        out_of_distribution=("mbpp",),
        w_cost=(0.5,),
        seeds=3,
    ).run(matrix)


@pytest.fixture(scope="module")
def queries(result):
    return queries_of(result, 0.5, "in_distribution")


def test_the_rows_are_those_of_the_study(result, queries):
    table = result.router_table("in_distribution", 0.5).to_frame().set_index("router")
    for router in ("barp", "smallest", "full_information", "best_constant", "oracle"):
        found = clustered_means(queries.of(queries.quality, router), queries.groups)
        assert found.value[0] == pytest.approx(table.score[router])
        assert found.se[0] == pytest.approx(table.se_score[router])


def test_the_average_counts_every_task_once(queries):
    score = queries.of(queries.quality, "smallest")
    tasks = [score[queries.task == task].mean() for task in ("arc_challenge", "gsm8k")]
    average = queries.average(score)
    assert average.value[0] == pytest.approx(np.mean(tasks))
    assert average.value[0] != pytest.approx(score.mean(), abs=1e-6)


def test_the_error_of_the_average_is_that_of_independent_tasks_where_they_are():
    from paper_figures._barp_rows import TestedQueries

    rng = np.random.default_rng(0)
    task = np.repeat(["a", "b"], [400, 100]).astype(object)
    values = rng.normal(size=500) + 5.0 * (task == "a")
    ids = np.arange(500)
    rows = TestedQueries(task, np.c_[ids, ids], np.zeros((500, 1)), np.zeros((500, 1)), {})
    of_tasks = [rows.mean(values, name).se[0] for name in ("a", "b")]
    assert rows.average(values).se[0] == pytest.approx(np.hypot(*of_tasks) / 2, rel=0.01)


def test_a_relative_change_is_paired(queries):
    dear = queries.of(queries.quality, "forest")
    same = queries.relative(dear, dear)
    assert same.value[0] == pytest.approx(0.0)
    assert np.isnan(same.se[0])  # what never varies has no standard error
    twice = queries.relative(2 * dear, dear)
    assert twice.value[0] == pytest.approx(100.0)
    assert np.isnan(twice.se[0])


def test_the_error_of_a_relative_change_is_that_of_repeated_draws():
    from paper_figures._barp_rows import TestedQueries

    rng = np.random.default_rng(0)

    def draw():
        one, other = rng.gamma(4.0, size=(2, 200))
        ids = np.arange(200)
        table = np.zeros((200, 1))
        rows = TestedQueries(np.repeat("a", 200).astype(object), np.c_[ids, ids], table, table, {})
        return rows.relative(one, other)

    found = [draw() for _ in range(400)]
    spread = np.std([estimate.value[0] for estimate in found], ddof=1)
    claimed = np.mean([estimate.se[0] for estimate in found])
    assert claimed == pytest.approx(spread, rel=3 / np.sqrt(2 * 400))


def test_published_and_own_figures_stand_side_by_side(result, queries):
    names = {"barp": "BaRP", "smallest": "Smallest"}
    table = score_and_cost(queries, result.cost_cap, names, {"barp": (0.7432, 0.0007)}, "barp")
    assert table["score"][0].startswith("0.7432 / ")
    assert table["cost per 1000"][0].startswith("0.700 / ")
    assert table["score"][1].startswith("– / ")
    assert table["lead of BaRP"].tolist()[0] == ""
    average = queries.average(queries.of(queries.quality, "barp"))
    assert beside(0.5, average) in ("0.50 / " + f"{average.value[0]:.2f} ({average.se[0]:.2f})",)


def test_published_averages_are_those_of_their_cells_but_for_the_slips_of_the_paper():
    for router, splits in _barp_published.BY_TASK.items():
        for split, cells in splits.items():
            tasks = [value for task, value in cells.items() if task != "average"]
            slip = (router, split) == ("graph_router", "in_distribution")
            expected = 65.42 if slip else pytest.approx(np.mean(tasks), abs=0.011)
            assert cells["average"] == expected
    assert np.mean([94.18, 66.28, 80.20, 46.83, 31.60]) == pytest.approx(63.82, abs=0.005)


def test_the_area_is_that_of_the_best_score_to_be_had():
    cost, score = np.array([2.0, 1.0, 2.5]), np.array([0.8, 0.5, 0.6])
    # Up to 1 nothing, up to 2 a half, beyond 0.8: the third point is dominated.
    assert dominated_area(cost, score, 4.0) == pytest.approx((0.5 + 2 * 0.8) / 4)
    # What costs more than the most expensive model counts for nothing.
    assert dominated_area(np.array([3.0, 1.0]), np.array([0.9, 0.4]), 2.0) == pytest.approx(0.2)


def test_the_sweep_has_every_setting_of_every_task_and_runs_the_right_way(
    result, queries, tmp_path
):
    frame = sweep(result, "barp")
    assert len(frame) == len(result.dial) * 4  # two tasks and their average, and one task alone
    assert (frame.score_low <= frame.score + 1e-12).all()
    at_half = frame[frame.w_cost == 0.5].set_index("task")
    score = [
        queries.of(queries.quality, "barp")[queries.task == task].mean()
        for task in ("arc_challenge", "gsm8k")
    ]
    assert at_half.score["gsm8k"] == pytest.approx(score[1])
    assert at_half.score["average"] == pytest.approx(np.mean(score))
    runs = runs_of_seeds(result, "barp", "in_distribution")
    assert (runs["cost per 1000, from"] > runs["to"]).all()
    constant = runs_of_seeds(result, "smallest", "in_distribution")
    assert (constant["largest rise of cost (%)"] == 0).all()
    areas = volumes(result, {"barp": "BaRP", "smallest": "small"}, "in_distribution")
    assert areas["lead of BaRP"][0] == ""
    assert barp_figure3.draw({"routerbench_fewshot": frame}, tmp_path / "f.png").stat().st_size > 0


def test_a_router_of_numbered_texts_is_the_router_of_their_encoding():
    rng = np.random.default_rng(0)
    words = np.array(["sum", "law", "sue", "add", "court", "prime"])
    texts = [" ".join(rng.choice(words, 6)) for _ in range(80)]
    quality = np.c_[["law" in text for text in texts], ["sum" in text for text in texts]] * 1.0
    rows = rng.permutation(80)[:60]
    router = NumberedTexts(RegressionRouter(), lsa(), texts, random_state=0)
    router.fit(rows[:, None].astype(float), quality[rows])
    encoder = lsa().fit([texts[k] for k in rows])
    alone = RegressionRouter(random_state=0).fit(
        encoder.transform([texts[k] for k in rows]), quality[rows]
    )
    everything = np.arange(80.0)[:, None]
    np.testing.assert_array_equal(
        router.predict(everything), alone.predict(encoder.transform(texts))
    )
    assert router.n_revealed_ == 120


def test_every_script_is_listed_and_understands_its_options():
    from importlib import import_module
    from pathlib import Path

    import paper_figures
    from paper_figures.__main__ import SCRIPTS

    folder = Path(paper_figures.__file__).parent
    assert set(SCRIPTS) == {path.stem for path in folder.glob("[a-z]*.py")}
    for name in SCRIPTS:
        with pytest.raises(SystemExit, match="0"):
            import_module(f"paper_figures.{name}").main(["--help"])
