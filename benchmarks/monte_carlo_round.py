"""One Monte Carlo round of section 4.1: ours against econml with scikit-learn's default forests.

Both sides fit seven routers (oracle, pooled, preference-only, gold-only, linear scaling, R- and
DR-learner) on the same 4500 training queries with 50 features and score them on the same 500 test
queries. The peer is what a user of econml would write: ``NonParamDML`` and ``DRLearner`` with five
folds and ``RandomForestRegressor`` / ``RandomForestClassifier`` as they come, 100 trees.

    python -m benchmarks.monte_carlo_round --rounds 10 --n-gold 500

A round of the peer takes minutes. Every finished round is kept in ``--out``, so that an
interrupted run goes on where it was. ``--peer-jobs 2`` lets the peer's forests use two threads.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from econml.dml import NonParamDML
from econml.dr import DRLearner
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from metarouter import FitLedger
from metarouter.base_learners import default_regressor
from metarouter.datasets import make_healthbench_like
from metarouter.evaluation import default_routers, efficiency_gain_curve, reduce_dimension
from metarouter.fitting import fit_model, predict_mean
from metarouter.utils.files import write_text

N_TEST = 500


class Round:
    """The data of one round: what both sides are given."""

    def __init__(self, X, gold, preference, n_gold, seed):
        order = np.random.default_rng(seed).permutation(len(gold))
        test, train = order[:N_TEST], order[N_TEST:]
        self.seed = seed
        self.X, self.X_test, self.gold_test = X[train], X[test], gold[test]
        self.all_gold = gold[train]
        self.is_gold = np.arange(len(train)) < n_gold
        self.y = np.where(self.is_gold, gold[train], preference[train])


def our_round(data: Round, n_jobs: int):
    """Gains predicted by metarouter's routers, and the ledger of their fits."""
    routers = default_routers(default_regressor(n_jobs=n_jobs))
    with FitLedger(reuse=True) as ledger:
        gains = {
            name: router.set_params(random_state=data.seed)
            .fit(data.X, data.y, is_gold=data.is_gold)
            .predict(data.X_test)
            for name, router in routers.items()
        }
        oracle = default_regressor(data.seed, n_jobs)
        gains["oracle"] = predict_mean(fit_model(oracle, data.X, data.all_gold), data.X_test)
    return gains, ledger


def peer_round(data: Round, n_jobs: int | None):
    """Gains predicted by the same routers, written with econml and scikit-learn."""

    def forest():
        return RandomForestRegressor(random_state=data.seed, n_jobs=n_jobs)

    def classifier():
        return RandomForestClassifier(random_state=data.seed, n_jobs=n_jobs)

    t, scale = data.is_gold, data.y[~data.is_gold].std() / data.y[data.is_gold].std()
    y = np.where(t, data.y * scale, data.y)
    learners = {
        "r_learner": NonParamDML(
            model_y=forest(), model_t=classifier(), model_final=forest(),
            discrete_treatment=True, cv=5, random_state=data.seed,
        ),
        "dr_learner": DRLearner(
            model_regression=forest(), model_propensity=classifier(), model_final=forest(),
            cv=5, random_state=data.seed,
        ),
    }  # fmt: skip
    labels = {
        "oracle": data.all_gold,
        "pooled": y,
        "linear_scaling": np.where(t, y, y + y[t].mean() - y[~t].mean()),
    }
    for name, learner in learners.items():
        learner.fit(y, t.astype(int), X=data.X)
        labels[name] = np.where(t, y, y + learner.effect(data.X).ravel())
    gains = {name: forest().fit(data.X, o).predict(data.X_test) for name, o in labels.items()}
    gains["gold_only"] = forest().fit(data.X[t], y[t]).predict(data.X_test)
    gains["preference_only"] = forest().fit(data.X[~t], y[~t]).predict(data.X_test)
    return gains


def timed(work, *arguments):
    start = time.perf_counter()
    return work(*arguments), time.perf_counter() - start


def areas(data: Round, gains: dict[str, np.ndarray]) -> dict[str, float]:
    return {
        name: float(efficiency_gain_curve(data.gold_test, gain).area)
        for name, gain in gains.items()
    }


def run_round(data: Round, our_jobs: int, peer_jobs: int | None) -> dict:
    (ours, ledger), our_seconds = timed(our_round, data, our_jobs)
    peer, peer_seconds = timed(peer_round, data, peer_jobs)
    return {
        "our_seconds": our_seconds,
        "peer_seconds": peer_seconds,
        "our_fits": ledger.fits,
        "our_reused": ledger.reused,
        "outside_share": 1 - ledger.seconds / our_seconds,
        "our_areas": areas(data, ours),
        "peer_areas": areas(data, peer),
    }


def report(rounds: list[dict], settings: str) -> str:
    ratio = [r["peer_seconds"] / r["our_seconds"] for r in rounds]
    lines = [
        f"# A Monte Carlo round of section 4.1 against econml ({settings})",
        "",
        f"{len(rounds)} rounds. Seconds per round, median: ours "
        f"{np.median([r['our_seconds'] for r in rounds]):.1f}, peer "
        f"{np.median([r['peer_seconds'] for r in rounds]):.1f}; **ratio {np.median(ratio):.1f}** "
        f"(least {min(ratio):.1f}, most {max(ratio):.1f}).",
        f"Ours: {rounds[0]['our_fits']} base-learner fits made, {rounds[0]['our_reused']} shared; "
        f"{100 * np.median([r['outside_share'] for r in rounds]):.2f}% of the time outside them "
        f"(most {100 * max(r['outside_share'] for r in rounds):.2f}%).",
        "",
        "| router | area, ours | area, peer | ours - peer (paired) | s.e. |",
        "|---|---|---|---|---|",
    ]
    for name in rounds[0]["our_areas"]:
        ours = np.array([r["our_areas"][name] for r in rounds])
        peer = np.array([r["peer_areas"][name] for r in rounds])
        se = (ours - peer).std(ddof=1) / np.sqrt(len(rounds)) if len(rounds) > 1 else np.nan
        lines.append(
            f"| {name} | {ours.mean():.4f} | {peer.mean():.4f} | {(ours - peer).mean():+.4f} "
            f"| {se:.4f} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n-gold", type=int, default=500)
    parser.add_argument("--n-features", type=int, default=50)
    parser.add_argument("--our-jobs", type=int, default=2)
    parser.add_argument("--peer-jobs", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args(arguments)

    # econml's own chatter about its inputs would drown the table.
    warnings.filterwarnings("ignore", module="econml|sklearn")
    queries = make_healthbench_like(random_state=0)
    X = reduce_dimension(queries.X, options.n_features)
    settings = (
        f"n_gold {options.n_gold}, d {options.n_features}, threads: ours {options.our_jobs}, "
        f"peer {options.peer_jobs or 1}"
    )
    name = f"round_{options.n_gold}_{options.n_features}_{options.our_jobs}_{options.peer_jobs}"
    kept = options.out / f"{name}.json"
    rounds = json.loads(kept.read_text()) if kept.exists() else []
    for seed in range(len(rounds), options.rounds):
        data = Round(X, queries.gold, queries.preference, options.n_gold, seed)
        rounds.append(run_round(data, options.our_jobs, options.peer_jobs))
        write_text(kept, json.dumps(rounds))
        print(report(rounds, settings), flush=True)
    write_text(options.out / f"{name}.md", report(rounds, settings))


if __name__ == "__main__":
    main()
