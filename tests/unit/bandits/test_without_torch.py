"""Routers that are trained with torch say what to install where it is missing."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from bandits import BaRP
from bandits.cli._app import app
from bandits.full_information import RouterDC
from metarouter.exceptions import MetaRouterError
from metarouter.utils import devices


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: None)


@pytest.mark.parametrize("router", [BaRP(), RouterDC()], ids=["BaRP", "RouterDC"])
def test_training_says_it_in_one_sentence(router):
    X, quality = np.random.default_rng(0).random((2, 20, 3))
    with pytest.raises(MetaRouterError, match="needs torch, which is not installed: run"):
        router.fit(X, quality)


@pytest.mark.parametrize("command", ["study", "scenarios"])
def test_commands_say_it_before_they_play(command, tmp_path):
    words = [command, "--dataset", "made_up", "--router", "linucb", "--router", "barp"]
    result = CliRunner().invoke(app, [*words, "--seeds", "2", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "--router barp needs torch, which is not installed" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not any((tmp_path / "out").iterdir())
