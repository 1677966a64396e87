from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "econml",
    "matplotlib",
    "pandas",
    "pooch",
    "rich",
    "skops",
    "statsmodels",
    "torch",
    "typer",
    "xgboost",
}


def heavy_modules_after(code: str) -> set[str]:
    report = "import json, sys; print(json.dumps([m for m in sys.modules if '.' not in m]))"
    finished = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return HEAVY & set(json.loads(finished.stdout))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert heavy_modules_after("import metarouter") == set()


@pytest.mark.parametrize("package", ["metarouter", "bandits"])
def test_help_is_shown_before_the_numerical_libraries_are_loaded(package: str) -> None:
    code = f"""
import sys, {package}.cli
try:
    sys.argv = ["{package}", "--help"]
    {package}.cli.main()
except SystemExit:
    pass
assert not {{"sklearn", "scipy", "pandas", "torch"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_routers_load_nothing_heavy_that_scikit_learn_does_not_load_itself() -> None:
    # scikit-learn 1.9 imports pandas and rich where they are installed.
    code = """
import sklearn.ensemble, sklearn.model_selection
names = {name.split(".")[0] for name in list(__import__("sys").modules)}
import metarouter
for name in metarouter.__all__:
    getattr(metarouter, name)
sys = __import__("sys")
for name in names:
    sys.modules.pop(name, None)
"""
    assert heavy_modules_after(code) == set()


def test_importing_changes_no_setting_of_the_process() -> None:
    code = """
import random, warnings, numpy as np, sklearn
before = (warnings.filters[:], np.geterr(), sklearn.get_config(), np.random.get_state()[1].tolist())
import metarouter
from metarouter import MetaRouter, RLearner, tune_threshold
after = (warnings.filters[:], np.geterr(), sklearn.get_config(), np.random.get_state()[1].tolist())
assert before == after
"""
    heavy_modules_after(code)


def test_every_public_name_is_there_and_an_unknown_one_is_not() -> None:
    import metarouter

    for name in metarouter.__all__:
        assert getattr(metarouter, name) is not None
    assert set(dir(metarouter)) == set(metarouter.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'magic'"):
        metarouter.magic  # noqa: B018
