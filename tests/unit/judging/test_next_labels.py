"""What one more label does to the error of the gain, against formulas and simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run

from metarouter.exceptions import DataError
from metarouter.judging import Verdicts, VerdictSummary, next_labels


def world(
    rng: np.random.Generator,
    n: int,
    *,
    draws: int = 2,
    noise: float = 1.0,
    own: float = 0.0,
    n_gold: int | None = None,
) -> tuple[Verdicts, np.ndarray]:
    """Gold labels of variance 1; a judge that adds `own` of its own and noise by the draw."""
    gold = rng.normal(size=n)
    level = gold + own * rng.normal(size=n)
    orders = [level[:, None] + noise * rng.normal(size=(n, draws)) for _ in range(2)]
    kept = np.arange(n) < (n if n_gold is None else n_gold)
    return Verdicts(*orders), np.where(kept, gold, np.nan)


def saved(found) -> pd.Series:
    return pd.Series(found.saved, index=found.options)


def test_shares_saved_are_those_of_the_formula() -> None:
    own, noise, n, n_gold = 0.5, 1.5, 40_000, 20_000
    verdicts, gold = world(np.random.default_rng(0), n, noise=noise, own=own, n_gold=n_gold)
    found = saved(next_labels({"j": verdicts}, gold, price={"j": 0.01}, gold_price=2.0))

    def variance(people: float, judged: float, draws: int) -> float:
        explained = 1 / (1 + own**2 + noise**2 / (2 * draws))
        return (1 - explained) / people + explained / judged

    now = variance(n_gold, n, 2)
    expected = {
        "a person: a query that is judged": (variance(n_gold + 1, n, 2), 2.0),
        "j: one more query": (variance(n_gold, n + 1, 2), 4 * 0.01),
        f"j: one more draw in each order of all {n} queries (3 in all)": (
            variance(n_gold, n, 3), 2 * n * 0.01,
        ),
    }  # fmt: skip
    for name, (after, cost) in expected.items():
        assert found[name] == pytest.approx((now - after) / now / cost, rel=0.05), name


def test_the_variance_is_that_of_the_corrected_mean() -> None:
    rng = np.random.default_rng(1)
    n, n_gold, own, noise, repetitions = 200, 40, 0.6, 1.0, 4000
    gold = rng.normal(size=(repetitions, n))
    label = gold + own * rng.normal(size=gold.shape) + noise / 2 * rng.normal(size=gold.shape)
    explained = 1 / (1 + own**2 + noise**2 / 4)
    corrected = explained * label.mean(axis=1) + (gold - explained * label)[:, :n_gold].mean(axis=1)
    expected = (1 - explained) / n_gold + explained / n
    assert corrected.var() == pytest.approx(expected, rel=4 * np.sqrt(2 / repetitions))


@pytest.mark.parametrize(
    ("own", "noise", "gold_price", "best"),
    [
        (0.0, 2.0, 50.0, "draw"),  # all that is wrong with the judge is noise of drawing
        (3.0, 0.1, 0.01, "person"),  # what is wrong stays, however often it is asked
        (0.1, 0.1, 50.0, "query"),  # a perfect judge: each query is as good as a person
    ],
)
def test_worlds_whose_answer_is_known(
    own: float, noise: float, gold_price: float, best: str
) -> None:
    verdicts, gold = world(
        np.random.default_rng(2), 400, noise=noise, own=own, n_gold=350 if best == "query" else 60
    )
    found = next_labels({"j": verdicts}, gold, price={"j": 0.001}, gold_price=gold_price)
    words = {"draw": "one more draw", "person": "a person", "query": "one more query"}
    assert words[best] in found.options[0]
    frame = found.to_frame()
    assert frame["best_in"].iloc[0] > 0.8
    assert (frame["ci_low"] <= frame["percent_saved_per_unit"]).all()
    assert (frame["percent_saved_per_unit"] <= frame["ci_high"]).all()


def test_a_better_judge_is_worth_its_price_and_not_ten_thousand_times_it() -> None:
    rng = np.random.default_rng(3)
    gold = rng.normal(size=400)
    labels = {
        name: Verdicts(
            *(
                gold[:, None] + own * rng.normal(size=(400, 1)) + 0.3 * rng.normal(size=(400, 2))
                for _ in "ab"
            )
        )
        for name, own in (("bad", 4.0), ("good", 0.2))
    }
    labels["good"].primary_first[100:] = np.nan
    seen = np.where(np.arange(400) < 60, gold, np.nan)
    price = {"bad": 0.001, "good": 0.002}
    found = next_labels(labels, seen, price=price, gold_price=5.0)
    assert found.judge in ("bad", "good")
    assert found.options[0].startswith("good")
    found = next_labels(labels, seen, price=price | {"good": 20.0}, gold_price=5.0)
    assert not found.options[0].startswith("good")


def test_a_judge_that_was_asked_once_has_no_price_for_more_draws() -> None:
    rng = np.random.default_rng(4)
    gold = rng.normal(size=300)
    found = next_labels(
        {"j": VerdictSummary(gold + rng.normal(size=300))}, gold, price={"j": 1.0}, gold_price=1.0
    )
    assert set(found.options) == {"a person: a new query, judged by j too", "j: one more query"}
    assert "asked twice" in found.left_out[0]


def test_mistakes_are_told() -> None:
    verdicts, gold = world(np.random.default_rng(5), 50)
    ask = {"price": {"j": 1.0}, "gold_price": 1.0}
    for judges, labels, options, why in [
        ({}, gold, {}, "No judge is given"),
        ({"k": verdicts}, gold, {}, "price of a verdict of k is not given"),
        ({"j": verdicts}, gold, {"price": {"j": 0.0}}, "is 0.0: give money"),
        ({"j": verdicts}, gold, {"gold_price": np.nan}, "gold_price is nan; give"),
        ({"j": verdicts}, gold, {"gold_price": 0.0}, "pays for no label"),
        ({"j": verdicts}, gold[1:], {}, "50 labels for 49"),
        ({"j": verdicts}, np.full(50, np.nan), {}, "0 queries with a gold label"),
        ({"j": verdicts}, gold, {"groups": [1]}, "groups has 1 values"),
    ]:
        with pytest.raises(DataError, match=why):
            next_labels(judges, labels, **{**ask, **options})


def test_the_command_prices_the_judges_of_a_collected_table(tmp_path: Path) -> None:
    verdicts, gold = world(np.random.default_rng(6), 120, n_gold=40)
    path = tmp_path / "labels.csv"
    first, second = verdicts.order_means
    pd.DataFrame(
        {
            "query": [f"q {k}" for k in range(120)], "gold": gold, "preference": verdicts.mean,
            "preference_primary_first": first, "preference_primary_second": second,
            "preference_sd": verdicts.draw_sd, "preference_draws": verdicts.n_draws,
        }
    ).to_csv(path, index=False)  # fmt: skip
    code, said, error = run("advise", path, "--judge-price", "0.001", "--gold-price", "2")
    assert code == 0, error
    assert "preference: one more draw in each order of all 120 queries (3 in all)" in said
    assert "a person: a query that is judged" in said
    assert "--gold-price is missing" in refused("advise", path, "--judge-price", "1")
    assert "is no price" in refused("advise", path, "--judge-price", "x", "--gold-price", "1")
    assert "no judge of the table" in refused(
        "advise", path, "--judge-price", "k=1", "--gold-price", "1"
    )
    assert "no column 'expert'" in refused(
        "advise", path, "--judge-price", "1", "--gold-price", "1", "--gold", "expert"
    )
