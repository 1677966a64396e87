"""Write the tables of this folder anew: `python data/make_tables.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metarouter.datasets import LabelledQueries, make_prompted_queries

FOLDER = Path(__file__).parent


def distinct(n: int, seed: int, **options: float) -> LabelledQueries:
    """Make n queries, no two with the same text."""
    queries = make_prompted_queries(3 * n, random_state=seed, **options)
    return queries.subset(np.sort(np.unique(queries.text.astype(str), return_index=True)[1])[:n])


def labelled(queries: LabelledQueries) -> pd.DataFrame:
    """Lay out queries with their labels."""
    return pd.DataFrame(
        {
            "prompt": queries.text,
            "topic": queries.domain,
            "gold": queries.gold,
            "preference": pd.array(queries.preference).astype("Int64"),
            "cost_primary": queries.cost_primary,
            "cost_alternative": queries.cost_alternative,
        }
    )


def arena(queries: LabelledQueries) -> pd.DataFrame:
    """Lay out queries as an arena does: two models in either order, and the winner's place."""
    swapped = np.arange(queries.n_queries) % 2 == 1
    sides = np.where(swapped[:, None], ["small", "large"], ["large", "small"])
    vote = np.where(swapped, -1, 1) * queries.preference
    winner = pd.Series(vote).map({1: "model_a", -1: "model_b", 0: "tie"})
    return pd.DataFrame(
        {
            "prompt": queries.text,
            "model_a": sides[:, 0],
            "model_b": sides[:, 1],
            "winner": winner,
            "expert": queries.gold,
        }
    )


def tables() -> dict[str, pd.DataFrame]:
    """Return every table of this folder under its file name."""
    new = distinct(200, 1)
    return {
        "labelled_queries.csv": labelled(distinct(800, 0, gold_share=0.2)),
        "new_queries.csv": pd.DataFrame({"id": range(200), "prompt": new.text}),
        "both_labels.csv": labelled(distinct(600, 2, gold_share=1.0, pairing=1.0)),
        "arena_votes.csv": arena(distinct(600, 3, gold_share=0.25, pairing=1.0)),
    }


def _side(vote: float, swapped: bool) -> str:
    return "tie" if vote == 0 else "model_a" if (vote > 0) != swapped else "model_b"


def mt_bench(queries: LabelledQueries) -> list[dict[str, Any]]:
    """Lay out judgments as MT-Bench does: those of experts and of a judge, both turns."""
    rows = []
    for i, prompt in enumerate(queries.text):
        swapped = i % 2 == 1
        first, second = ("large", "small")[:: -1 if swapped else 1]
        chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": "..."}]
        votes = {"gpt4_pair": queries.preference[i]}
        if not np.isnan(queries.gold[i]):
            votes[f"expert_{i % 5}"] = np.sign(np.round(queries.gold[i], 1))
        rows += [
            {
                "question_id": 81 + i,
                "model_a": first,
                "model_b": second,
                "winner": _side(vote, swapped),
                "judge": judge,
                "conversation_a": chat,
                "conversation_b": chat,
                "turn": turn,
            }
            for turn in (1, 2)
            for judge, vote in votes.items()
        ]
    return rows


def routerbench(queries: LabelledQueries) -> pd.DataFrame:
    """Lay out scores and costs as RouterBench does: a column of each per model."""
    scores = {
        "large-model": np.clip(0.5 + queries.gold / 2, 0, 1).round(2),
        "org/small-model": np.clip(0.5 - queries.gold / 2, 0, 1).round(2),
    }
    costs = {"large-model": queries.cost_primary, "org/small-model": queries.cost_alternative}
    return pd.DataFrame(
        {
            "sample_id": [f"{topic}.{i}" for i, topic in enumerate(queries.domain)],
            "prompt": queries.text,
            "eval_name": queries.domain,
            **scores,
            **{f"{name}|model_response": "..." for name in scores},
            **{f"{name}|total_cost": cost for name, cost in costs.items()},
        }
    )


def label_studio(queries: LabelledQueries) -> list[dict[str, Any]]:
    """Lay out tasks of a Pairwise tag as Label Studio exports them, a judge's as predictions."""

    def result(vote: float, swapped: bool) -> list[dict[str, Any]]:
        value = {"model_a": "left", "model_b": "right"}.get(_side(vote, swapped), "left")
        return [
            {
                "id": "r",
                "type": "pairwise",
                "value": {"selected": value},
                "to_name": "answer1,answer2",
                "from_name": "better",
            }
        ]

    tasks = []
    for i, prompt in enumerate(queries.text):
        swapped, gold = i % 2 == 1, queries.gold[i]
        left, right = ("large", "small")[:: -1 if swapped else 1]
        by = {"id": 3, "email": "ann@example.org"}
        annotation = {"id": i, "completed_by": by, "was_cancelled": False, "ground_truth": False}
        judged = {"model_version": "judge", "result": result(queries.preference[i], swapped)}
        tasks.append(
            {
                "id": i,
                "project": 1,
                "data": {
                    "prompt": prompt,
                    "model_left": left,
                    "model_right": right,
                    "answer1": "...",
                    "answer2": "...",
                },
                "annotations": []
                if np.isnan(gold)
                else [{**annotation, "result": result(gold, swapped)}],
                "predictions": [judged],
            }
        )
    return tasks


def minimal(tasks: list[dict[str, Any]]) -> pd.DataFrame:
    """Lay out annotated tasks as Label Studio does in CSV; a second tag holds a judge's choice."""
    return pd.DataFrame(
        [
            {
                **task["data"],
                "id": task["id"],
                "better": json.dumps([task["annotations"][0]["result"][0]["value"]]),
                "judge": task["predictions"][0]["result"][0]["value"]["selected"],
                "annotator": 3,
                "annotation_id": task["id"],
                "lead_time": 4.2,
            }
            for task in tasks
            if task["annotations"]
        ]
    )


def argilla(queries: LabelledQueries) -> list[dict[str, Any]]:
    """Lay out records as Argilla exports them: a ranking and two ratings, a judge's suggested."""
    records = []
    for i, prompt in enumerate(queries.text):
        gold, vote = queries.gold[i], queries.preference[i]

        def answers(label: float) -> dict[str, Any]:
            order = ["large", "small"] if label > 0 else ["small", "large"]
            first = int(np.clip(np.round(3 + 2 * label), 1, 5))
            return {"ranking": order, "rating_large": first, "rating_small": 3}

        told = {} if np.isnan(gold) else answers(gold)
        records.append(
            {
                "id": str(i),
                "status": "completed" if told else "pending",
                "fields": {"prompt": prompt, "large": "...", "small": "..."},
                "metadata": {"topic": queries.domain[i]},
                "suggestions": {
                    name: {"value": value, "score": None, "agent": "judge"}
                    for name, value in answers(vote).items()
                },
                "responses": {
                    name: [{"value": value, "user_id": "u1"}] for name, value in told.items()
                },
                "vectors": {},
                "_server_id": f"s{i}",
            }
        )
    return records


def exports() -> dict[str, pd.DataFrame | list[dict[str, Any]]]:
    """Return tables as other tools export them."""
    queries = distinct(120, 4, gold_share=0.5, pairing=1.0)
    tasks = label_studio(queries)
    scored = distinct(120, 5, gold_share=1.0, pairing=1.0)
    return {
        "mt_bench_judgments.jsonl": mt_bench(queries.subset(np.arange(60))),
        "routerbench.csv": routerbench(scored),
        "label_studio.json": tasks,
        "label_studio.csv": minimal(tasks),
        "argilla.json": argilla(queries),
    }


def write(path: Path, table: pd.DataFrame | list[dict[str, Any]]) -> None:
    """Write a table, or objects of JSON, as the ending says."""
    if isinstance(table, pd.DataFrame):
        table.to_csv(path, index=False)
        return
    lines = [json.dumps(row) for row in table]
    text = "\n".join(lines) if path.suffix == ".jsonl" else f"[{(',' + chr(10)).join(lines)}]"
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    (FOLDER / "exports").mkdir(exist_ok=True)
    for name, table in tables().items():
        write(FOLDER / name, table)
    for name, export in exports().items():
        write(FOLDER / "exports" / name, export)
