"""BaRP's tables 2, 3 and 4: routers on tasks they learned from, on new ones, and on both.

    METAROUTER_DATA_HOME=... python -m paper_figures.barp_tables_2_to_4 --out DIR

Cells are "published / here (standard error)". The published figures are of zero-shot prompts and of
other tasks beside; only MBPP of RouterBench is the very same data. The paper states neither its
cost cap, nor the preference of these tables, nor standard errors: they are to be read side by side,
not to be subtracted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pandas as pd

from bandits.evaluation import BanditStudyResult
from metarouter.evaluation import Estimates
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text
from paper_figures._barp_cells import balanced_reward, beside, interval, with_error
from paper_figures._barp_published import BY_TASK, OVERALL
from paper_figures._barp_rows import TestedQueries, tested_queries
from paper_figures._barp_study import (
    BALANCED,
    DATASETS,
    NAMES,
    TASKS,
    add_options,
    barp,
    barp_full,
    barp_published,
    baselines,
    play,
)

SPLITS = {"in_distribution": "Table 2, tasks learned from", "out_of_distribution": "Table 3, new"}
ROWS = (
    "smallest",
    "largest",
    "router_dc",
    "graph_router",
    "barp_published",
    "barp",
    "barp_full",
    "full_information",
    "neighbours",
    "forest",
    "best_constant",
    "oracle",
)
REFERENCE = "barp"


def scores_by_task(result: BanditStudyResult, split: str) -> pd.DataFrame:
    """Lay out table 2 or 3: scores in per cent by task, and their average over tasks.

    The last columns, which the paper lacks, are the average reward and BaRP's lead in it, paired
    query by query.
    """
    queries = tested_queries(result, BALANCED, split)
    rewards = balanced_reward(queries, result.cost_cap)
    rows = []
    for router in ROWS:
        published = BY_TASK.get(router, {}).get(split, {})
        score, earned = 100.0 * queries.of(queries.quality, router), queries.of(rewards, router)
        lead = queries.average(queries.of(rewards, REFERENCE) - earned)
        row = {"router": NAMES[router]}
        for task in getattr(result, split):
            row[TASKS[task]] = beside(published.get(task), queries.mean(score, task))
        if len(getattr(result, split)) > 1:
            row["average"] = beside(published.get("average"), queries.average(score))
        row["reward, here"] = with_error(queries.average(earned), 4)
        row[f"lead of {NAMES[REFERENCE]}"] = "" if router == REFERENCE else interval(lead, "+.4f")
        rows.append(row)
    return pd.DataFrame(rows)


def overall(result: BanditStudyResult) -> pd.DataFrame:
    """Lay out table 4: averages over all tasks, and changes relative to GraphRouter."""
    queries = tested_queries(result, BALANCED, *SPLITS)
    return pd.DataFrame([_overall_row(queries, router) for router in ROWS])


def _overall_row(queries: TestedQueries, router: str) -> dict[str, str]:
    published = OVERALL.get(router, (None,) * 4)
    found = []
    for table, scale, sign in ((queries.quality, 100.0, 1.0), (queries.cost, 1000.0, -1.0)):
        values = scale * queries.of(table, router)
        change = queries.relative(values, scale * queries.of(table, "graph_router"))
        found += [queries.average(values), Estimates(sign * change.value, change.se, change.df)]
    columns = ("score (%)", "score improvement (%)", "cost per 1000", "cost reduction (%)")
    decimals = (2, 2, 3, 2)
    cells = zip(columns, published, found, decimals, strict=True)
    return {"router": NAMES[router]} | {c: beside(p, e, d) for c, p, e, d in cells}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "barp_tables_2_to_4")
    options = parser.parse_args(arguments)
    sections = []
    for dataset in options.only:
        ours = {"barp_published": barp_published(), "barp": barp(), "barp_full": barp_full()}
        result = play(dataset, {**baselines(), **ours}, options)
        sections.append(f"## {DATASETS[dataset]}")
        for split, title in SPLITS.items():
            sections += [f"{title}:", markdown_table(scores_by_task(result, split))]
        sections += ["Table 4, all tasks:", markdown_table(overall(result))]
    text = "\n\n".join(sections) + "\n"
    write_text(options.out / "barp_tables_2_to_4.md", text)
    print(text)


if __name__ == "__main__":
    main()
