from __future__ import annotations

from types import SimpleNamespace

import matplotlib
import pytest
from linear_shift import labelled, quick_router, recipe

matplotlib.use("Agg")


@pytest.fixture
def make():
    return SimpleNamespace(labelled=labelled, recipe=recipe, router=quick_router)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
