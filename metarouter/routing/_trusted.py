"""Which types a router file may build.

skops trusts every public estimator of scikit-learn. Among them are some that hand stored arrays to
compiled code which does not look where their indices point (support vector machines, boosted
trees, nearest neighbours, one-hot encoders): a crafted file could make them read memory that is not
their own. So only those are trusted here that routers are commonly built of and that are either
plain linear algebra or looked into by `require_sound_content`.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import sys
import zipfile
from collections.abc import Collection, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from sklearn.base import BaseEstimator

__all__ = ["import_skops", "trusted_by_name", "untrusted_types"]

_OWN_PACKAGES = ("metarouter", "bandits")

_ESTIMATORS = {
    "calibration": "CalibratedClassifierCV",
    "compose": "ColumnTransformer TransformedTargetRegressor",
    "decomposition": "PCA TruncatedSVD",
    "dummy": "DummyClassifier DummyRegressor",
    "ensemble": "BaggingRegressor ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier "
    "RandomForestRegressor StackingRegressor VotingRegressor",
    "feature_extraction.text": "CountVectorizer TfidfTransformer TfidfVectorizer",
    "feature_selection": "SelectFromModel VarianceThreshold",
    "frozen": "FrozenEstimator",
    "gaussian_process": "GaussianProcessRegressor",
    "gaussian_process.kernels": "CompoundKernel ConstantKernel DotProduct Exponentiation "
    "ExpSineSquared Matern Product RBF RationalQuadratic Sum WhiteKernel",
    "impute": "SimpleImputer",
    "kernel_ridge": "KernelRidge",
    "linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor "
    "HuberRegressor Lasso LassoCV LassoLarsCV LinearRegression LogisticRegression "
    "LogisticRegressionCV PoissonRegressor QuantileRegressor Ridge RidgeCV SGDClassifier "
    "SGDRegressor TheilSenRegressor TweedieRegressor",
    "model_selection": "GridSearchCV GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut "
    "RandomizedSearchCV RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold "
    "StratifiedKFold StratifiedShuffleSplit",
    "multioutput": "MultiOutputRegressor",
    "neural_network": "MLPClassifier MLPRegressor",
    "pipeline": "FeatureUnion Pipeline",
    "preprocessing": "MaxAbsScaler MinMaxScaler Normalizer PolynomialFeatures PowerTransformer "
    "QuantileTransformer RobustScaler StandardScaler",
    "svm": "LinearSVR",
    "tree": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
}
_PARTS = frozenset(
    (
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
    )
)
# Losses and links of linear models: formulas without stored arrays.
_FORMULAS = ("sklearn._loss._loss", "sklearn._loss.link", "sklearn._loss.loss")


def untrusted_types(content: bytes, named: Collection[str]) -> list[str]:
    """List the types of a router file that are trusted neither here nor by the reader.

    Parameters
    ----------
    content : bytes
        A skops file.
    named : collection of str
        Full names of the types that the reader trusts.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    skops_io = import_skops()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
    # skops trusts these by itself, and does not list them.
    of_sklearn = {name for name in _types(schema) if name.startswith("sklearn.")}
    found = of_sklearn.union(skops_io.get_untrusted_types(data=content))
    return sorted(name for name in found if name not in named and not trusted_by_name(name))


def import_skops() -> ModuleType:
    """Return `skops.io`, imported without torch.

    On import it walks all of scikit-learn, whose array interfaces for other libraries would load
    these wherever they are installed: seconds, and a third of the memory of a small program.
    """
    home = "sklearn.externals.array_api_compat."
    stubs = {
        name: ModuleType(name)
        for name in (f"{home}{library}" for library in ("torch", "cupy", "dask"))
        if name not in sys.modules
    }
    try:
        if "skops.io" not in sys.modules:
            sys.modules.update(stubs)
        return import_module("skops.io")
    finally:
        for name, stub in stubs.items():
            if sys.modules.get(name) is stub:
                del sys.modules[name]


def trusted_by_name(name: str) -> bool:
    """Tell whether a router file may build the type called `name`.

    Besides the listed types of scikit-learn these are the estimators and dataclasses of this
    project. A prefix would not do: every function that one of our modules imports is reachable
    under its name.

    Examples
    --------
    >>> trusted_by_name("metarouter.routing.unit_cost.UnitCost")
    True
    >>> trusted_by_name("sklearn.linear_model._ridge.Ridge")
    True
    >>> trusted_by_name("sklearn.svm._classes.SVR")
    False
    >>> trusted_by_name("metarouter.utils.files.os")
    False
    """
    return name in _PARTS or _is_formula(name) or _is_listed(name) or _is_own_type(name)


def _types(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "__module__" in node and "__class__" in node:
            yield f"{node['__module__']}.{node['__class__']}"
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _types(child)


def _is_listed(name: str) -> bool:
    """Tell whether this is the module that a listed class of scikit-learn really lives in."""
    module_name, _, type_name = name.rpartition(".")
    for package, listed in _ESTIMATORS.items():
        home = f"sklearn.{package}"
        if type_name in listed.split() and f"{module_name}.".startswith(f"{home}."):
            found = getattr(import_module(home), type_name, None)
            return inspect.isclass(found) and found.__module__ == module_name
    return False


def _is_formula(name: str) -> bool:
    module_name, _, type_name = name.rpartition(".")
    if module_name not in _FORMULAS:
        return False
    found = getattr(import_module(module_name), type_name, None)
    return inspect.isclass(found) and found.__module__ == module_name


def _is_own_type(name: str) -> bool:
    module_name, _, type_name = name.rpartition(".")
    parts = module_name.split(".")
    if parts[0] not in _OWN_PACKAGES or "__main__" in parts:
        return False
    try:
        found = getattr(import_module(module_name), type_name)
    except (ImportError, AttributeError):
        return False
    if not inspect.isclass(found) or found.__module__ != module_name:
        return False
    return issubclass(found, BaseEstimator) or dataclasses.is_dataclass(found)
