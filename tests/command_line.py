"""The command line as tests call it, and tables for it to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from metarouter.cli._app import app
from metarouter.datasets import make_judged_queries

_RUNNER = CliRunner()


def run(*words: object) -> tuple[int, str, str]:
    """Return the exit code, and what was said on standard output and standard error."""
    result = _RUNNER.invoke(app, [str(word) for word in words], prog_name="metarouter")
    return result.exit_code, result.stdout, result.stderr


def refused(*words: object) -> str:
    """Return the one line with which the command was refused."""
    code, _, error = run(*words)
    assert code == 2, error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


def write_tables(at: Path) -> Path:
    """Write tables with numbers, text, groups and both labels, and one fitted router."""
    data = make_judged_queries(
        160, 6, gold_share=0.5, pairing=1.0, preference_levels=3, random_state=0
    )
    words = np.array(["cold", "flu", "rent", "loan", "tax"])
    frame = pd.DataFrame(data.X, columns=data.feature_names).assign(
        id=[f"{k:03d}" for k in range(160)],
        query=[f"{words[k % 5]} and {words[k % 4]} {k % 7}" for k in range(160)],
        source=[k // 4 for k in range(160)],
        gold=data.gold,
        preference=data.preference,
    )
    frame.to_csv(at / "labels.csv", index=False)
    frame.drop(columns=["gold", "preference"]).to_csv(at / "new.csv", index=False)
    code, _, error = run(
        "fit", at / "labels.csv", "--features", "x*", "--out", at / "router.skops", "--no-check",
        "--n-jobs", 1, "--shift", "constant",
    )  # fmt: skip
    assert code == 0, error
    return at
