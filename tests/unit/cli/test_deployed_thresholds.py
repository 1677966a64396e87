"""The decision that was certified is the one that ``metarouter route`` takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from metarouter import MetaRouter, ThresholdRouter, ZeroShift, save_router
from metarouter.cli._tables import with_named_columns
from metarouter.datasets import make_judged_queries, read_table
from metarouter.encoding import TfidfEncoder
from metarouter.reporting.certified_router import CertifiedRouter, certify_router
from metarouter.routing import GivenCost, TokenCost, TokenRates, load_router

N = 240
FEATURES = [f"x{k}" for k in range(6)]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels, costs and tokens of queries, as numbers and as text."""
    data = make_judged_queries(N, 6, gold_share=0.5, random_state=0)
    rng = np.random.default_rng(0)
    topics = np.array(["law", "code", "small talk", "medicine"])[rng.integers(0, 4, N)]
    frame = pd.DataFrame(data.X, columns=FEATURES).assign(
        prompt=[f"{topic} question {k % 9}" for k, topic in enumerate(topics)],
        gold=data.gold,
        preference=data.preference,
        cost_primary=rng.gamma(2.0, 0.005, N),
        cost_alternative=rng.gamma(2.0, 0.001, N),
        input_tokens=rng.integers(1, 900, N),
    )
    path = tmp_path_factory.mktemp("deployed") / "labels.csv"
    frame.to_csv(path, index=False)
    return path


def _certified(
    path: Path, cost: object, names: tuple[str, ...], demands: dict[str, float], text: bool
) -> CertifiedRouter:
    asked = {"text": "prompt"} if text else {"features": FEATURES}
    queries = with_named_columns(read_table(path, input_tokens="input_tokens", **asked))
    router = ThresholdRouter(MetaRouter(shift=ZeroShift(), regressor=Ridge()), cost=cost)
    unfitted = Pipeline([("encoder", TfidfEncoder(4)), ("router", router)]) if text else router
    inputs = {name: getattr(queries, name) for name in names}
    return certify_router(
        unfitted, queries, demands, delta=0.2, gold_at_random=True, cost_inputs=inputs
    )


PRICES = TokenCost(
    TokenRates(input=2.5, output=10.0), TokenRates(input=0.15, output=0.6), output_tokens=(90, 90)
)
COSTS = {
    "unit": (None, ()),
    "given": (GivenCost(), ("cost_primary", "cost_alternative")),
    "tokens": (PRICES, ("input_tokens",)),
}


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(list(COSTS)),
    budget=st.sampled_from(["max_share", "max_cost"]),
    fraction=st.floats(0.1, 0.9),
    text=st.booleans(),
)
def test_route_sends_what_was_certified(
    table: Path, tmp_path: Path, kind: str, budget: str, fraction: float, text: bool
) -> None:
    cost, names = COSTS[kind]
    # From the mean cost of always asking the alternative to that of always asking the primary.
    ends = {"unit": (0, 1), "given": (0.002, 0.01), "tokens": (0.0003, 0.003)}[kind]
    limit = fraction if budget == "max_share" else ends[0] + fraction * (ends[1] - ends[0])
    found = _certified(table, cost, names, {budget: limit}, text)
    if not found.threshold.is_certified:
        assert np.isinf(found.router[-1].w if text else found.router.w)
        return
    save_router(found.router, tmp_path / "router.skops")
    code, said, error = run(
        "route", tmp_path / "router.skops", table, "--out", tmp_path / "routed.csv"
    )
    assert code == 0, error
    sent = np.asarray(pd.read_csv(tmp_path / "routed.csv")["route"] == "primary")
    assert sent.tolist() == found.sent.tolist()
    assert f"{found.sent.mean():.1%}" in said
    share = found.threshold.promise("max_share").value
    assert sent[found.held_back].mean() == pytest.approx(share, abs=1e-12)


@pytest.mark.slow
def test_a_report_saves_the_router_whose_threshold_it_certifies(
    table: Path, tmp_path: Path
) -> None:
    router = tmp_path / "router.skops"
    code, said, error = run(
        "report", table, "--features", "x*", "--out", tmp_path / "report.json",
        "--save-router", router, "--max-share", 0.4, "--folds", 3, "--n-jobs", 1,
    )  # fmt: skip
    assert code == 0, error
    assert f"metarouter route {router} QUERIES --out routed.csv" in said
    code, routed, error = run("route", router, table, "--out", tmp_path / "routed.csv")
    assert code == 0, error
    report = (tmp_path / "report.json").read_text()
    share = routed.split("queries (")[1].split(")")[0]
    assert f"Of the whole table it sends {share}." in report
    assert f"w = {load_router(router).w:.4g}" in json.dumps(json.loads(report))
    assert f"metarouter route {router}" in report


def test_nothing_is_saved_without_a_certificate(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "router.skops"
    words = ("--features", "x*", "--n-jobs", 1, "--no-check")
    assert "No router is saved." in refused("fit", table, *words, "--min-gain", 9, "--out", out)
    few = pd.read_csv(table)
    few["gold"] = few["gold"].where(few["gold"].notna().cumsum() <= 6)
    few.dropna(subset=["gold", "preference"], how="all").to_csv(tmp_path / "few.csv", index=False)
    line = refused(
        "report", tmp_path / "few.csv", *words[:-1], "--out", tmp_path / "r.md",
        "--save-router", out,
    )  # fmt: skip
    assert "No router is saved. No threshold is certified: 6 gold labels are too few" in line
    assert (tmp_path / "r.md").is_file()
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cost-primary", 0.01, "--cost-alternative", 0.001), "mean cost per query"),
        (("--price-primary", "2/8", "--price-alternative", "1/1", "--output-tokens", 300), "mean"),
        ((), "mean cost per query"),
    ],
)
def test_costs_are_columns_numbers_or_prices(
    table: Path, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    out = tmp_path / "router.skops"
    code, printed, error = run(
        "fit", table, "--text", "prompt", "--no-check", "--max-cost", 0.0016 if words else 0.006,
        "--out", out, *words, "--n-jobs", 1,
    )  # fmt: skip
    assert code == 0, error
    assert said in printed
    code, printed, error = run("route", out, table, "--out", tmp_path / "routed.csv")
    assert code == 0, error


def test_costs_that_are_unknown_or_contradict_are_refused(table: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "r.skops")
    both = ("--cost-primary", 1, "--cost-alternative", 2)
    prices = ("--price-primary", "2/8", "--price-alternative", "1/1")

    def of(*words: object) -> str:
        return refused("fit", table, "--text", "prompt", *out, *words)

    assert "--cost-alternative too" in of("--cost-primary", 1)
    assert "--price-primary too" in of("--price-alternative", "1/1")
    assert "Both costs and prices" in of(*both, *prices)
    assert "--output-tokens" in of(*prices)
    assert "as in 2.5/10" in of("--price-primary", "2,8", "--price-alternative", "1/1")
    assert "'usd'" in of("--cost-primary", "usd", "--cost-alternative", 2)
    assert "there is no constraint" in of("--delta", 0.1)
    assert "--delta to have both" in of("--max-share", 0.3, "--max-cost", 2)
    assert "Both --w and --min-gain" in of("--w", 0.3, "--min-gain", 0)
    assert not list(tmp_path.iterdir())


def test_route_certifies_on_gold_labels_of_its_own_table(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table)
    out = ("--out", tmp_path / "routed.csv")
    router = tmp_path / "r.skops"
    frame.to_csv(tmp_path / "more.csv", index=False)
    run("fit", table, "--features", "x*", "--no-check", "--out", router, "--n-jobs", 1)
    line = refused("route", router, table, *out, "--min-gain", 0)
    assert "--gold" in line
    code, said, error = run(
        "route", router, table, *out, "--min-gain", -0.5, "--max-share", 0.6, "--gold", "gold"
    )
    assert code == 0, error
    assert "Certified: w =" in said
    assert "threshold of" in refused("route", router, table, *out, "--cost-primary", 2,
                                     "--cost-alternative", 1)  # fmt: skip
    code, said, error = run("route", router, table, *out, "--max-cost", 0.004)
    assert code == 0, error
