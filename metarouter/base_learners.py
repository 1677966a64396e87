"""Default base learners: extremely randomised forests.

An extremely randomised forest (Geurts, Ernst & Wehenkel 2006) is fitted many times faster than
scikit-learn's default random forest, and on the weak signals of routing data it predicts at least
as well. It is bootstrapped, so that it has out-of-bag predictions.

Its trees are bounded by the size of a node that may be split, not by that of a leaf: a random
splitter draws one threshold per feature and gives up on the node when every draw leaves too small
a leaf, so that a bound on leaves would stop most trees near the root where features are few.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.ensemble._forest import BaseForest

N_TREES = 100
FEWEST_TREES = 25
MAX_FEATURES = 0.5
ROWS_TO_SPLIT = 20
GOLD_PER_LEAF = 5
ROWS_PER_TREE = 10_000


def default_regressor(
    seed: int | None = None, n_jobs: int | None = None, n_rows: int | None = None
) -> ExtraTreesRegressor:
    """Return the default outcome and gain regressor.

    Parameters
    ----------
    seed, n_jobs : int, optional
    n_rows : int, optional
        Rows to learn from. Of more than 10,000 each tree draws 10,000: on noisy gains a tree sees
        enough, and time no longer grows with the table.
    """
    return ExtraTreesRegressor(
        N_TREES,
        max_samples=None if n_rows is None or n_rows <= ROWS_PER_TREE else ROWS_PER_TREE,
        min_samples_split=ROWS_TO_SPLIT,
        max_features=MAX_FEATURES,
        bootstrap=True,
        random_state=seed,
        n_jobs=n_jobs,
    )


def default_classifier(seed: int | None = None, n_jobs: int | None = None) -> ExtraTreesClassifier:
    """Return the default propensity classifier.

    Probabilities need larger nodes than means: with ten rows a leaf says 0, 0.1, 0.2, ...
    """
    return ExtraTreesClassifier(
        N_TREES,
        min_samples_split=2 * ROWS_TO_SPLIT,
        max_features=MAX_FEATURES,
        bootstrap=True,
        random_state=seed,
        n_jobs=n_jobs,
    )


def default_final(
    n_gold: int, n_rows: int, seed: int | None = None, n_jobs: int | None = None
) -> ExtraTreesRegressor:
    """Return the default regressor of the shift.

    The information about the shift in a leaf is that of its rarer source. A leaf of few rows, all
    of the common source, would hold pure noise divided by a small t - p; so leaves are bounded by
    the share of the total weight that about five labels of the rarer source carry: for the R-loss
    the weights (t - p)^2 sum to about that number, for the DR-loss each row weighs the same.
    Since this bound is one on leaves, every node tries all features.

    Parameters
    ----------
    n_gold, n_rows : int
        Gold labels and all labels.
    """
    rarer = max(1, min(n_gold, n_rows - n_gold))
    return ExtraTreesRegressor(
        N_TREES,
        min_weight_fraction_leaf=min(0.5, GOLD_PER_LEAF / rarer),
        max_features=1.0,
        random_state=seed,
        n_jobs=n_jobs,
    )


def with_fewer_trees(learner: Any) -> Any:
    """Return a clone of a learner; a forest has a quarter of its trees, and 25 at least.

    For fits from which one number is estimated, such as the slope of gold labels on predictions:
    the noise of 25 trees is small beside what they predict.
    """
    copy = clone(learner)
    if isinstance(copy, BaseForest):
        fewest = min(FEWEST_TREES, copy.n_estimators)
        copy.set_params(n_estimators=max(copy.n_estimators // 4, fewest))
    return copy
