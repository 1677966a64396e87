"""Routing with dueling feedback: regret of FGTS.CDB with CCFT embeddings and of its rivals.

    METAROUTER_DATA_HOME=... python -m paper_figures.dueling --out DIR

The tables of arXiv:2510.00841 are not public, nor are its horizons, offline sizes, prior and
sampler settings, and MixInstruct could not be had: the settings are those of `DuelingStudy`, ours.
Seeds that another run has finished in the same folder with the same settings are taken over.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from bandits.dueling import DuelingReplay, FGTSRouter, play_duels
from bandits.evaluation import study_table
from bandits.evaluation.dueling_study import (
    DUELISTS,
    DuelingStudy,
    DuelingStudyResult,
    OfflineEmbeddings,
)
from metarouter.datasets import ModelMatrix
from metarouter.reporting import markdown_table
from metarouter.utils.files import atomic_path, write_text

TABLES = {
    "routerbench_fewshot": "RouterBench, few-shot",
    "llmrouter_14task": "LLMRouter, 14 tasks",
    "cascades_9model": "Cascades, 4 tasks",
}
HELD_OUT = "arc_challenge"
COST_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
DIAL = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)

NAMES = {
    "perf": "CCFT perf",
    "perf_cost": "CCFT perf_cost",
    "excel_perf_cost": "CCFT excel_perf_cost",
    "excel_mask": "CCFT excel_mask",
    "excel_mask_hard": "CCFT excel_mask, hard",
    "prior_at_zero": "excel_perf_cost, prior mean 0",
    "generic": "generic encoder, excel_perf_cost",
    "no_offline_data": "random embeddings (no offline data)",
    "random_pairs": "random pairs",
    "best_so_far": "best so far",
    "bradley_terry": "Bradley-Terry, refitted",
    "dueling_linucb": "dueling LinUCB",
    "maxinp": "MaxInP",
    "colstim": "CoLSTIM",
    "vacdb": "VACDB",
    "lints": "LinTS, one answer",
    "lints_narrow": "LinTS (scale 0.2), one answer",
    "best_constant": "best constant model (hindsight)",
    "best_per_task": "best model per task (hindsight)",
}
CCFT = ("perf", "perf_cost", "excel_perf_cost", "excel_mask", "excel_mask_hard")


def played(study: DuelingStudy, matrix: ModelMatrix, folder: Path) -> DuelingStudyResult:
    """Run a study, seed by seed, keeping what is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    study.check(matrix)
    key = joblib.hash((vars(study), matrix.X, matrix.quality, matrix.cost, DUELISTS))
    parts = []
    for seed in np.random.SeedSequence(study.random_state).generate_state(study.seeds):
        path = folder / f"{key[:12]}-{seed}.npz"
        if not path.exists():
            *regrets, task = study.play_seed(matrix, int(seed))
            arrays = {f"{k}-{n}": v for k, part in enumerate(regrets) for n, v in part.items()}
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                np.savez_compressed(file, task=task, **arrays)
        with np.load(path, allow_pickle=False) as file:
            parts.append(dict(file))
    names = [name.split("-", 1) for name in parts[0] if name != "task"]
    stacked: tuple[dict[str, Any], ...] = ({}, {}, {})
    for k, name in names:
        stacked[int(k)][name] = np.array([part[f"{k}-{name}"] for part in parts])
    return DuelingStudyResult(*stacked, np.array([part["task"] for part in parts]))


def cost_sweep(matrix: ModelMatrix, seeds: int, rounds: int) -> pd.DataFrame:
    """Return score and cost of the queries not played: trained at each lambda, and dialled."""
    rows = []
    for seed in range(seeds):
        for weight in COST_WEIGHTS:
            study = DuelingStudy(cost_weight=weight, rounds=rounds)
            outcome = _trained(study, matrix, seed)
            for how, w_cost, score, cost in outcome:
                rows.append((how, weight if how == "trained" else w_cost, seed, score, cost))
    frame = pd.DataFrame(rows, columns=["how", "weight", "seed", "score", "cost"])
    grouped = frame.groupby(["how", "weight"])[["score", "cost"]]
    return grouped.agg(["mean", "sem"]).reset_index()


def _trained(
    study: DuelingStudy, matrix: ModelMatrix, seed: int
) -> list[tuple[str, float, float, float]]:
    rng = np.random.default_rng([seed, 17])
    offline, online = study.split(matrix, rng)
    cost, task = study.scaled_cost(matrix), np.asarray(matrix.task).astype(str)
    embedded = OfflineEmbeddings(
        matrix.X[offline], matrix.quality[offline], cost[offline], task[offline],
        cost_weight=study.cost_weight, n_components=study.n_components, seed=seed,
    )  # fmt: skip
    X = embedded.of_queries("excel_perf_cost", matrix.X[online])
    learned, tested = slice(0, study.rounds), slice(study.rounds, None)
    _, router_class, settings = DUELISTS["excel_perf_cost"]
    assert router_class is FGTSRouter
    router = FGTSRouter(
        embedded.of_models("excel_perf_cost"), cost=cost[offline].mean(axis=0), cost_cap=1.0,
        random_state=seed, **settings,
    )  # fmt: skip
    replay = DuelingReplay(
        X[learned], study.utility(matrix)[online][learned], scale=study.scale, random_state=seed
    )
    play_duels(router, replay, batch=study.batch, preference=(1.0, 0.0))
    rows, out = online[tested], []
    dial = DIAL if study.cost_weight == 0 else (0.0,)
    for w_cost in dial:
        arm = np.asarray(router.predict(X[tested], preference=(1.0 - w_cost, w_cost)))
        score, paid = matrix.quality[rows, arm].mean(), matrix.cost[rows, arm].mean()
        out.append(("dialled", w_cost, float(score), 1000 * float(paid)))
        if w_cost == 0:
            out.append(("trained", 0.0, float(score), 1000 * float(paid)))
    return out if study.cost_weight == 0 else [row for row in out if row[0] == "trained"]


@dataclass(frozen=True)
class World:
    """What becomes of the feedback."""

    label: str
    cycle: float = 0.0
    drifts: bool = False


WORLDS = (
    World("Bradley-Terry"),
    World("non-transitive (1 log odd)", cycle=1.0),
    World("arms change places half-way", drifts=True),
)
IN_WORLDS = ("excel_perf_cost", "bradley_terry", "best_so_far", "dueling_linucb", "random_pairs")


def worlds(matrix: ModelMatrix, seeds: int, rounds: int) -> pd.DataFrame:
    """Return the task regret of some routers where the feedback breaks the model."""
    study, rows = DuelingStudy(rounds=rounds), []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 23])
        offline, online = study.split(matrix, rng)
        cost, task = study.scaled_cost(matrix), np.asarray(matrix.task).astype(str)
        embedded = OfflineEmbeddings(
            matrix.X[offline], matrix.quality[offline], cost[offline], task[offline],
            cost_weight=study.cost_weight, n_components=study.n_components, seed=seed,
        )  # fmt: skip
        online = online[:rounds]
        X, utility = (
            embedded.of_queries("excel_perf_cost", matrix.X[online]),
            study.utility(matrix),
        )
        utility = utility[online]
        means = {t: utility[task[online] == t].mean(axis=0) for t in np.unique(task[online])}
        expected = np.array([means[t] for t in task[online]])
        for world in WORLDS:
            for name in IN_WORLDS:
                kind, router_class, settings = DUELISTS[name]
                router = router_class(embedded.of_models(kind), random_state=seed, **settings)
                replay = DuelingReplay(X, utility, scale=study.scale, random_state=seed)
                truth = expected
                if world.cycle:
                    replay = replay.non_transitive(world.cycle)
                if world.drifts:
                    replay, half = replay.drifting(rounds // 2), rounds // 2
                    truth = np.concatenate([expected[:half], expected[half:, ::-1]])
                log = play_duels(router, replay, batch=study.batch)
                at = np.arange(rounds)
                pair = (truth[at, log["first"]] + truth[at, log["second"]]) / 2
                rows.append((world.label, name, (truth.max(axis=1) - pair).sum()))
    frame = pd.DataFrame(rows, columns=["world", "router", "task_regret"])
    return frame.groupby(["world", "router"], sort=False)["task_regret"].agg(["mean", "sem"])


PANELS = (
    (
        "embeddings",
        (*CCFT, "generic", "no_offline_data", "random_pairs", "best_constant"),
    ),
    (
        "rivals",
        (
            "excel_perf_cost", "bradley_terry", "dueling_linucb", "maxinp", "colstim", "vacdb",
            "best_so_far", "random_pairs", "best_constant",
        ),
    ),
    (
        "price of dueling",
        ("excel_perf_cost", "generic", "dueling_linucb", "lints", "lints_narrow"),
    ),
)  # fmt: skip
_COLOURS = (
    "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F",
)  # fmt: skip


def draw(results: Mapping[str, DuelingStudyResult], path: Path) -> None:
    """Draw cumulative regrets with bands of two standard errors, and regret per model call."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14.0, 4.0 * len(results) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(results), len(PANELS), squeeze=False)
    styles = _styles()
    handles: dict[str, Any] = {}
    for axes, (name, result) in zip(grid, results.items(), strict=True):
        for ax, (title, routers) in zip(axes, PANELS, strict=True):
            by_calls = ax is axes[-1]
            curves = result.per_call if by_calls else result.task_regret
            for router in routers:
                colour, style = styles[router]
                total = curves[router].cumsum(axis=1)
                handles[NAMES[router]] = _band(ax, total, colour, style, NAMES[router])
            ax.set(title=f"{TABLES[name]}: {title}", xlabel="model calls" if by_calls else "duels")
        axes[1].sharey(axes[0])
        axes[0].set_ylabel("cumulative regret to the best model of the task")
    figure.legend(
        handles=list(handles.values()), labels=list(handles), loc="outside lower center", ncols=4,
        frameon=False, fontsize="small",
    )  # fmt: skip
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)


def _styles() -> dict[str, tuple[str, str]]:
    """Return colour and line of every router: embeddings solid, rivals dashed."""
    fixed = {
        "excel_perf_cost": ("#000000", "-"), "random_pairs": ("#7F7F7F", ":"),
        "best_constant": ("#B22222", ":"), "lints": ("#8C6D31", "-."),
        "lints_narrow": ("#6A3D9A", "-."),
    }  # fmt: skip
    for (_, routers), line in zip(PANELS[:2], ("-", "--"), strict=True):
        others = [router for router in routers if router not in fixed]
        fixed |= {r: (_COLOURS[k % 8], line) for k, r in enumerate(others)}
    return fixed


def _band(ax: Any, curves: Any, colour: str, style: str, label: str) -> Any:
    x = np.arange(1, curves.shape[1] + 1)
    mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
    ax.fill_between(x, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.15, linewidth=0)
    return ax.plot(x, mean, style, color=colour, linewidth=1.4, label=label)[0]


def draw_sweep(frame: pd.DataFrame, path: Path) -> None:
    """Draw score against cost along lambda and along the dial."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    for how, colour, label in (
        ("trained", "#D55E00", "trained at each $\\lambda$"),
        ("dialled", "#0072B2", "trained on quality alone, then dialled"),
    ):
        part = frame[frame["how"] == how]
        ax.errorbar(
            part[("cost", "mean")], part[("score", "mean")], xerr=2 * part[("cost", "sem")],
            yerr=2 * part[("score", "sem")], fmt="o-", color=colour, label=label, capsize=2,
        )  # fmt: skip
        for x, y, weight in zip(
            part[("cost", "mean")], part[("score", "mean")], part["weight"], strict=True
        ):
            ax.annotate(
                f"{weight:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=8
            )
    ax.set(xscale="log", xlabel="US dollars per 1000 queries", ylabel="score on queries not played")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_title("FGTS with CCFT excel_perf_cost on RouterBench")
    ax.legend(frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def regret_table(result: DuelingStudyResult, **options: Any) -> str:
    """Return cumulative regrets as markdown."""
    frame = result.table(**options)
    cells = [
        {
            "router": NAMES[name],
            "regret to the best model of the task": _pm(row.task_regret, row.task_regret_se),
            "minus CCFT excel_perf_cost": "" if name == "excel_perf_cost" else _pm(
                row.minus_reference, row.minus_reference_se, "+"
            ),
            "regret to the best answer": _pm(row.regret, row.regret_se),
        }
        for name, row in frame.iterrows()
    ]  # fmt: skip
    return markdown_table(pd.DataFrame(cells))


def claims(results: Mapping[str, DuelingStudyResult]) -> str:
    """Return which CCFT weighting lies below which rival, by paired differences of task regret."""
    rivals = ("generic", "no_offline_data", "random_pairs", *list(DUELISTS)[9:])
    rows = []
    for table, result in results.items():
        total = {name: regret.sum(axis=1) for name, regret in result.task_regret.items()}
        for weighting in CCFT:
            row = {"data": TABLES[table], "weighting": NAMES[weighting]}
            for rival in rivals:
                difference = total[rival] - total[weighting]
                error = difference.std(ddof=1) / np.sqrt(len(difference))
                z = difference.mean() / error
                row[NAMES[rival]] = "held" if z > 2 else ("reversed" if z < -2 else "open")
            rows.append(row)
    return markdown_table(pd.DataFrame(rows))


def calls_table(result: DuelingStudyResult) -> str:
    """Return regret per model call as markdown."""
    cells = [
        {
            "router": NAMES[name],
            "regret per call": _pm(row.per_call, row.per_call_se, digits=4),
            "in the last fifth": _pm(row.last_fifth, row.last_fifth_se, digits=4),
        }
        for name, row in result.calls_table().iterrows()
    ]
    return markdown_table(pd.DataFrame(cells))


def _pm(value: float, error: float, sign: str = "", digits: int = 1) -> str:
    return f"{value:{sign}.{digits}f} ({error:.{digits}f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/dueling"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=600)
    options = parser.parse_args(arguments)
    out, parts = options.out, options.out / "parts"
    sections, results = [], {}
    for name in TABLES:
        matrix = study_table(name).matrix
        study = DuelingStudy(rounds=options.rounds, seeds=options.seeds)
        results[name] = played(study, matrix, parts)
        sections += [f"## {TABLES[name]}", regret_table(results[name])]
        sections += ["Per model call:", calls_table(results[name])]
    sections += ["## Is CCFT lower?", claims(results)]
    draw(results, out / "dueling_regret.png")
    matrix = study_table("routerbench_fewshot").matrix
    held_out = DuelingStudy(
        (*CCFT, "generic", "no_offline_data", "random_pairs"), held_out=(HELD_OUT,),
        rounds=options.rounds, seeds=options.seeds,
    )  # fmt: skip
    result = played(held_out, matrix, parts)
    sections += ["## ARC held out: its rounds alone", regret_table(result, tasks=(HELD_OUT,))]
    few = max(2, options.seeds // 4)
    remembered = joblib.Memory(parts, verbose=0).cache
    sweep = remembered(cost_sweep)(matrix, few, options.rounds)
    draw_sweep(sweep, out / "dueling_cost.png")
    flat = sweep.copy()
    flat.columns = [" ".join(part for part in column if part) for column in flat.columns]
    sections += ["## Along lambda and the dial", markdown_table(flat.round(4))]
    frame = remembered(worlds)(matrix, few, options.rounds).reset_index()
    frame["router"] = frame["router"].map(NAMES)
    sections += ["## Feedback that breaks the model", markdown_table(frame.round(1))]
    write_text(out / "dueling.md", "\n\n".join(["# Dueling feedback", *sections]) + "\n")
    print(out / "dueling.md")


if __name__ == "__main__":
    main()
