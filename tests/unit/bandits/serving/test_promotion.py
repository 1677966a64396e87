"""The promotion and the rollback of ``docs/serving.md``, on the log of a service."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bandits import EpsilonGreedy, LinUCB
from bandits.cli._app import app
from bandits.serving import open_service

PAGE = (Path(__file__).parents[4] / "docs" / "serving.md").read_text()
SECTION = PAGE.split("## What another router would have been worth, and promotion")[1]


def contexts(n_rows, seed):
    rng = np.random.default_rng(seed)
    X = rng.choice([-1.0, 1.0], size=(n_rows, 2))
    quality = np.column_stack([X[:, 0] < 0, X[:, 0] > 0]).astype(float)
    return X, quality, np.full((n_rows, 2), 0.01)


@pytest.fixture
def logged(tmp_path, monkeypatch):
    """A folder of a service whose router tries every model, and a challenger that knows better."""
    monkeypatch.chdir(tmp_path)
    X, quality, cost = contexts(400, 0)
    LinUCB(arms=("small", "large"), random_state=0).fit(X, quality, cost=cost).save(
        "challenger.npz"
    )
    ones = np.ones_like(quality)
    EpsilonGreedy(1.0, arms=("small", "large"), random_state=0).fit(
        X[:20], ones[:20], cost=cost[:20]
    ).save("router.npz")
    service = open_service("router.npz", journal="live", preference=(0.7, 0.3), fsync=False)
    for number, (x, q) in enumerate(zip(*contexts(600, 1)[:2], strict=True)):
        model = service.route(features=x, request_id=f"r-{number}").model
        service.outcome(f"r-{number}", q[service.models.index(model)], cost=0.01)
    service.close()


def test_a_better_router_is_promoted_as_the_page_says_and_rolled_back(logged, capsys):
    (snippet,) = re.findall(r"```python\n(.*?)```", SECTION, re.S)
    exec(snippet, {})
    assert capsys.readouterr().out.count("value") >= 2
    command = re.findall(r"`bandits (compare live[^`]*)`", SECTION)[0].split()
    verdict = CliRunner().invoke(app, [*command, "--least-propensity", "0.5"])
    assert verdict.exit_code == 0, verdict.output
    assert verdict.stdout.startswith("PROMOTE")

    promoted = open_service("challenger.npz", journal="live-2", preference=(0.7, 0.3))
    assert promoted.route(features=[1.0, 1.0]).model == "large"
    promoted.close()

    back = open_service("live", preference=(0.7, 0.3))
    assert back.router.counts.accepted == 600
    assert back.route(features=[1.0, 1.0]).model in ("small", "large")
    back.close()
