"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# One process runs on each core, and threads of numerical libraries beside it only wait for each
# other. They read these variables when they are loaded; every worker inherits them.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def real_data_home() -> Path:
    """The folder with the published sets, or a skip that says what was looked for."""
    from metarouter.datasets import available

    named = os.environ.get("METAROUTER_DATA_HOME")
    home = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    sets = ("evouna", "xstest", "wmt_mt", "llmrouter_14task", "routerbench_fewshot")
    if not all(available(name, home) for name in (*sets, "routellm_evals")):
        pytest.skip(f"no published data in {home}: set METAROUTER_DATA_HOME to their folder")
    return home
