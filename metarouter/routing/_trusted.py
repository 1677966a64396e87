"""Which types a router file may build."""

from __future__ import annotations

import dataclasses
import inspect
from importlib import import_module

from sklearn.base import BaseEstimator

__all__ = ["trusted_by_name"]

_OWN_PACKAGES = ("metarouter", "bandits")

# skops trusts the public estimators of scikit-learn by itself; these are parts of them. Trees are
# here because `require_sound_trees` looks into them. KDTree and BallTree are not: nothing checks
# the raw memory that they are restored from.
_SKLEARN_PARTS = frozenset(
    f"sklearn.{name}"
    for name in (
        "tree._tree.Tree",
        "ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "_loss.loss.HalfTweedieLoss",
        "_loss.loss.HalfTweedieLossIdentity",
        "neural_network._stochastic_optimizers.AdamOptimizer",
        "neural_network._stochastic_optimizers.SGDOptimizer",
        "utils._bunch.Bunch",
        "utils._metadata_requests.MetadataRequest",
        "utils._metadata_requests.MethodMetadataRequest",
        *(
            f"gaussian_process.kernels.{kernel}"
            for kernel in (
                "CompoundKernel",
                "ConstantKernel",
                "DotProduct",
                "Exponentiation",
                "ExpSineSquared",
                "Matern",
                "Product",
                "RBF",
                "RationalQuadratic",
                "Sum",
                "WhiteKernel",
            )
        ),
        *(
            f"model_selection._split.{splitter}"
            for splitter in (
                "GroupKFold",
                "GroupShuffleSplit",
                "KFold",
                "LeaveOneGroupOut",
                "RepeatedKFold",
                "RepeatedStratifiedKFold",
                "ShuffleSplit",
                "StratifiedGroupKFold",
                "StratifiedKFold",
                "StratifiedShuffleSplit",
            )
        ),
    )
)


def trusted_by_name(name: str) -> bool:
    """Tell whether a router file may build the type called `name`.

    Besides the parts of scikit-learn listed above these are the estimators and dataclasses of this
    project. A prefix would not do: every function that one of our modules imports is reachable
    under its name.

    Examples
    --------
    >>> trusted_by_name("metarouter.routing.unit_cost.UnitCost")
    True
    >>> trusted_by_name("metarouter._files.os")
    False
    """
    return name in _SKLEARN_PARTS or _is_own_type(name)


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
