"""Refuse trees and vocabularies whose indices point outside themselves.

scikit-learn follows the indices in a tree's node table, and those of a sparse matrix of counted
words, without looking, so a crafted file could crash the process, or read memory that is not its
own, the first time it predicts. A type check cannot see that; these checks do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.tree._tree import Tree

__all__ = ["require_sound_content"]


def require_sound_content(loaded: Any) -> None:
    """Check every tree and every vocabulary that is reachable from a loaded object.

    Raises
    ------
    ValueError
        If a tree has a child that does not come after its parent, a feature that the estimator
        around it has not seen, or a place in a boosted model that it should not have; or if a
        vocabulary gives a word a column that is not one of its own.
    """
    for tree, n_features in _trees(loaded, _Width(), set()):
        if n_features is None:
            raise ValueError("a tree stands in a model that does not say its number of features")
        if isinstance(tree, Tree):
            _check_tree(tree, n_features)
        else:
            _check_predictor(tree, n_features)


class _Width(NamedTuple):
    """The number of features that X has been checked for when a tree is reached."""

    n_features: int | None = None
    # Forests and gradient boosting check X once and hand it to their trees unseen.
    is_final: bool = False

    def inside(self, node: Any) -> _Width:
        own = getattr(node, "__dict__", {}).get("n_features_in_")
        if self.is_final or own is None:
            return self
        return _Width(int(own), isinstance(node, BaseForest | BaseGradientBoosting))


def _trees(
    node: Any, width: _Width, seen: set[tuple[int, _Width]]
) -> Iterator[tuple[Any, int | None]]:
    if isinstance(node, Tree | TreePredictor):
        yield node, width.n_features
        return
    if isinstance(node, str | bytes | int | float | None) or (id(node), width) in seen:
        return
    seen.add((id(node), width))
    if isinstance(node, BaseGradientBoosting):
        _check_boosting(node)
    if isinstance(node, CountVectorizer):
        _check_vocabulary(node)
    inside = width.inside(node)
    for child in _children(node):
        yield from _trees(child, inside, seen)


def _children(node: Any) -> list[Any]:
    if isinstance(node, np.ndarray):
        return list(node.ravel()) if node.dtype == object else []
    if isinstance(node, dict):
        return list(node.values())
    if isinstance(node, list | tuple | set | frozenset):
        return list(node)
    return list(getattr(node, "__dict__", {}).values())


def _check_boosting(model: Any) -> None:
    per_round = getattr(model, "n_trees_per_iteration_", None)
    if hasattr(model, "estimators_") and model.estimators_.shape[1:] != (per_round,):
        raise ValueError("a boosted model has another number of trees per round than it says")


def _check_vocabulary(vectorizer: CountVectorizer) -> None:
    columns = getattr(vectorizer, "vocabulary_", {}).values()
    if set(columns) != set(range(len(columns))):
        raise ValueError("a vocabulary gives its words other columns than one each")


def _check_tree(tree: Tree, n_features: int) -> None:
    split = tree.children_left != -1
    _require_later_children(tree.children_left, tree.children_right, split)
    _require_known_features(tree.feature[split], tree.n_features)
    if tree.n_features != n_features:
        raise ValueError(f"a tree on {tree.n_features} features in a model of {n_features}")


def _check_predictor(tree: TreePredictor, n_features: int) -> None:
    nodes = tree.nodes
    split = nodes["is_leaf"] == 0
    _require_later_children(
        nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), split, leaf=None
    )
    _require_known_features(nodes["feature_idx"][split].astype(np.int64), n_features)
    categories = nodes["bitset_idx"][split & (nodes["is_categorical"] != 0)]
    if categories.size and categories.max() >= len(tree.raw_left_cat_bitsets):
        raise ValueError("a tree names a set of categories that it does not have")


def _require_later_children(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    split: NDArray[np.bool_],
    leaf: int | None = -1,
) -> None:
    here = np.arange(len(left))
    for child in (left, right):
        if np.any(child[split] <= here[split]) or np.any(child[split] >= len(left)):
            raise ValueError("a tree has a node whose child is not one of its later nodes")
        if leaf is not None and np.any(child[~split] != leaf):
            raise ValueError("a tree has a leaf with a child")


def _require_known_features(feature: NDArray[np.int64], n_features: int) -> None:
    if np.any((feature < 0) | (feature >= n_features)):
        raise ValueError("a tree splits on a feature that its model has not seen")
