"""A small study for the tests of reports."""

from __future__ import annotations

import pytest
from sklearn.linear_model import Ridge

from metarouter.datasets import make_judged_queries
from metarouter.evaluation import MonteCarloStudy, StudyResult, default_routers


@pytest.fixture(scope="session")
def result() -> StudyResult:
    """Four rounds of the default routers as ridge regressions, with 60 and with 30 gold labels."""
    queries = make_judged_queries(400, 6, gold_share=1.0, pairing=1.0, random_state=0)
    return MonteCarloStudy(default_routers(Ridge()), n_gold=(60, 30), rounds=4, n_test=100).run(
        queries
    )
