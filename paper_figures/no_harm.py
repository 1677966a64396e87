"""Does the adaptive router do harm? All routers on real and simulated judges, paired.

    METAROUTER_DATA_HOME=... python -m paper_figures.no_harm --out DIR --splits 20
    METAROUTER_DATA_HOME=... python -m paper_figures.no_harm --held-out --out DIR2 --splits 20

The second line takes tables and pairs on which no setting was chosen.

Every part (one table, one split) leaves a file in ``DIR/parts``; what is there is not computed
again, so that a run may be interrupted and goes on, or be asked for more splits.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from metarouter import AdaptiveMetaRouter, FitLedger
from metarouter.evaluation import default_routers, efficiency_gain_curve
from metarouter.exceptions import DataError
from metarouter.kernel_learner import AveragedKernelRidge
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table
from metarouter.utils.random import seeded
from paper_figures._no_harm_rows import HELD_OUT_ROWS, ROWS, Row, Split, draw, load_row

FEWEST_SPLITS = 5  # to say anything of a single cell
SINGLE = ("gold_only", "preference_only", "pooled", "r_learner", "dr_learner")


def routers_of_the_study() -> dict[str, Callable[[], Any]]:
    """Name every router of the study: each of section 4.1 with forests, and with kernels."""

    def forest(name: str) -> Callable[[], Any]:
        return lambda: default_routers(method="oob")[name]

    def kernel(name: str) -> Callable[[], Any]:
        learner = AveragedKernelRidge()
        return lambda: default_routers(learner, final=learner, method="cv", cv=3)[name]

    return {
        "adaptive": AdaptiveMetaRouter,
        **{f"{name} forest": forest(name) for name in SINGLE},
        **{f"{name} kernel": kernel(name) for name in SINGLE},
    }


def relative_area(gold: Any, score: Any) -> float:
    """1000 times the area under the efficiency gain, in standard deviations of the gold labels."""
    return float(1000 * efficiency_gain_curve(gold, score).area / np.std(gold))


def run_part(row: Row, number: int, folder: Path, cache: Path) -> str:
    """Fit the routers that are missing from one part, and keep their areas."""
    path = part_path(folder, row, number)
    known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    routers = routers_of_the_study()
    wanted = [
        (n_gold, name)
        for n_gold in row.n_gold
        for name in routers
        if f"{name}|{n_gold}" not in known
    ]
    if wanted:
        data = joblib.Memory(cache, verbose=0).cache(load_row)(row.name)
        split = draw(row, data, number)
        with threadpool_limits(limits=1), FitLedger(reuse=True):
            for n_gold, name in wanted:
                router = seeded(routers[name](), number)
                score = fit_and_score(router, split, n_gold)
                known[f"{name}|{n_gold}"] = relative_area(split.test_gold, score)
        write_text(path, json.dumps(known, indent=0))
    return f"{row.name}, split {number}: {len(wanted)} fitted"


def fit_and_score(router: Any, split: Split, n_gold: int) -> Any:
    """Fit one router on the first gold labels and all preference labels; score the test queries.

    A router that refuses a judge who always says the same scores every query alike.
    """
    X, y, is_gold, groups = split.training(n_gold)
    # Out-of-bag predictions cannot keep groups together: only the adaptive router is given them.
    optional = {"groups": groups} if isinstance(router, AdaptiveMetaRouter) else {}
    try:
        return router.fit(X, y, is_gold=is_gold, **optional).predict(split.test_X)
    except DataError:
        if np.ptp(split.preference) > 0:
            raise
        return np.zeros(len(split.test_X))


def part_path(folder: Path, row: Row, number: int) -> Path:
    """Where the areas of one table and one split are kept."""
    return folder / "parts" / f"{row.slug}.{number}.json"


def run(rows: Sequence[Row], splits: int, folder: Path, n_jobs: int) -> None:
    """Compute every part that is missing, split by split, and say what is done."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    parts = [(row, number) for number in range(splits) for row in rows]
    pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    done = pool(delayed(run_part)(row, number, folder, folder / "tables") for row, number in parts)
    for count, message in enumerate(done, start=1):
        print(f"[{count}/{len(parts)}] {message}", file=sys.stderr, flush=True)


def collect(rows: Sequence[Row], folder: Path) -> pd.DataFrame:
    """Return one line per row, number of gold labels and split, one column per router.

    Only splits that are finished in every row are taken, so that rows weigh alike.
    """
    routers = list(routers_of_the_study())
    lines = []
    for row in rows:
        for path in sorted((folder / "parts").glob(f"{row.slug}.*.json")):
            known = json.loads(path.read_text())
            for n_gold in row.n_gold:
                areas = {name: known.get(f"{name}|{n_gold}") for name in routers}
                if None not in areas.values():
                    split = int(path.name.split(".")[-2])
                    lines.append({"row": row.name, "n_gold": n_gold, "split": split, **areas})
    table = pd.DataFrame(lines)
    finished = table.groupby("split")["row"].nunique() == len(rows)
    return table[table.split.map(finished)].reset_index(drop=True)


def mean_over_cells(values: pd.Series, table: pd.DataFrame) -> tuple[float, float]:
    """Mean over cells (row and number of gold labels), and its s.e. over data sets' rows.

    Cells of one row share their queries, and rows of one data set share their gold labels, so
    that the mean of each data set is one observation.
    """
    by_cell = values.groupby([table.row, table.n_gold]).mean()
    sets = by_cell.groupby(lambda cell: cell[0].split(":")[0])
    total = by_cell.mean()
    deviation = sets.sum() - sets.size() * total
    n_sets = len(deviation)
    error = np.sqrt((deviation**2).sum() * n_sets / max(n_sets - 1, 1)) / len(by_cell)
    return float(total), float(error)


def split_error(values: pd.Series, table: pd.DataFrame) -> float:
    """S.e. of the mean over cells from splits of the same tables, rows of one set together."""
    data_set = table.row.str.split(":").str[0]
    residual = values - values.groupby([table.row, table.n_gold]).transform("mean")
    n_cells = len(table.groupby(["row", "n_gold"]))
    size = table.groupby(["row", "n_gold"])["split"].transform("size")
    sums = (residual / size).groupby([data_set, table.split]).sum()
    n_splits = table.split.nunique()
    if n_splits < 2:
        return np.nan
    return float(np.sqrt((sums**2).sum() * n_splits / (n_splits - 1)) / n_cells)


def against_each(table: pd.DataFrame) -> pd.DataFrame:
    """Adaptive minus every other router, on the average over cells."""
    lines = []
    for name in [name for name in routers_of_the_study() if name != "adaptive"]:
        lead = table["adaptive"] - table[name]
        mean, over_sets = mean_over_cells(lead, table)
        lines.append(
            {
                "router": name,
                "mean area": table[name].mean(),
                "adaptive minus it": mean,
                "s.e. over splits": split_error(lead, table),
                "s.e. over data sets": over_sets,
            }
        )
    return pd.DataFrame(lines)


def cells_below(lead: pd.Series, table: pd.DataFrame) -> int:
    """Count the cells in which a lead lies two standard errors below zero."""
    cells = lead.groupby([table.row, table.n_gold])
    return int((cells.mean() < -2 * cells.std() / np.sqrt(cells.size())).sum())


def best_single(table: pd.DataFrame) -> pd.Series:
    """Area of the single router that is best on the other splits of the same cell."""
    singles = [name for name in routers_of_the_study() if name != "adaptive"]
    best = pd.Series(np.nan, index=table.index)
    for _, cell in table.groupby(["row", "n_gold"]):
        if len(cell) < 2:
            continue
        for index in cell.index:
            others = cell.loc[cell.index != index, singles].mean()
            best[index] = cell.loc[index, others.idxmax()]
    return best


def document(table: pd.DataFrame) -> str:
    """Write the tables and say which targets are reached."""
    splits, cells = table.split.nunique(), table.groupby(["row", "n_gold"], sort=False)
    each = against_each(table)
    lines = [
        f"{cells.ngroups} cells (rows x numbers of gold labels), {splits} paired splits. Areas are "
        "1000 x area under the efficiency gain / sd(gold); the mean area of the adaptive router is "
        f"{table['adaptive'].mean():.1f}.",
        "",
        markdown_table(each, decimals=1),
        "",
        *targets(table, each),
        "",
        "Every cell, F for the forest and K for the kernel learner:",
        "",
    ]
    wide = cells.mean().drop(columns="split").round(0).astype(int).reset_index()
    short = {"_only": "", "_learner": "", "preference": "pref.", " forest": " F", " kernel": " K"}
    for long, brief in short.items():
        wide.columns = pd.Index([column.replace(long, brief) for column in wide.columns])
    return "\n".join([*lines, markdown_table(wide), ""])


def targets(table: pd.DataFrame, each: pd.DataFrame) -> list[str]:
    """One line for each target, with what was found."""

    def verdict(reached: bool) -> str:
        return "reached" if reached else "**not reached**"

    lines = []
    for name, _, mean, over_splits, _ in each.itertuples(index=False):
        low, high = mean - 1.96 * over_splits, mean + 1.96 * over_splits
        lines.append(
            f"- above {name} on the average over cells: {mean:+.1f}, 95% interval over splits "
            f"[{low:+.1f}, {high:+.1f}]: {verdict(low > 0)}"
        )
    if table.split.nunique() < 2:
        return lines
    lead = table["adaptive"] - best_single(table)
    mean, over_sets = mean_over_cells(lead, table)
    lines.append(
        "- at least the best single router, chosen on the other splits of the cell: "
        f"{mean:+.1f} (s.e. over splits {split_error(lead, table):.1f}, over data sets "
        f"{over_sets:.1f}): {verdict(mean >= 0)}"
    )
    if table.split.nunique() < FEWEST_SPLITS:
        return [
            *lines,
            f"- cells two s.e. below a single router: not told by {table.split.nunique()} splits; "
            f"at least {FEWEST_SPLITS} are needed",
        ]
    n_cells = table.groupby(["row", "n_gold"]).ngroups
    below = cells_below(lead, table)
    lines.append(
        f"- at most a tenth of the cells two s.e. below the best single router: {below} of "
        f"{n_cells}: {verdict(below <= n_cells / 10)}"
    )
    for name in ("gold_only", "pooled"):
        for learner in ("forest", "kernel"):
            below = cells_below(table["adaptive"] - table[f"{name} {learner}"], table)
            lines.append(
                f"- no cell two s.e. below {name} {learner}: {below} of {n_cells}: "
                f"{verdict(below == 0)}"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/no_harm"))
    parser.add_argument("--splits", type=int, default=20, help="0 only draws up the tables")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--held-out", action="store_true", help="tables that nothing was chosen on")
    options = parser.parse_args(arguments)
    rows = HELD_OUT_ROWS if options.held_out else ROWS
    run(rows, options.splits, options.out, options.n_jobs)
    table = collect(rows, options.out)
    table.to_csv(options.out / "areas.csv", index=False)
    write_text(options.out / "no_harm.md", document(table))


if __name__ == "__main__":
    main()
