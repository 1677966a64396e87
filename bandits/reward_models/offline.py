"""Which reward model is right on which pairs, from pairs with known answers."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bandits._arms import check_arms, names_of
from metarouter import __version__
from metarouter.exceptions import DataError, RouterFileError
from metarouter.utils.arguments import validated
from metarouter.utils.devices import require_torch
from metarouter.utils.features import as_floats
from metarouter.utils.files import atomic_path
from metarouter.utils.groups import group_codes
from metarouter.utils.parameters import check_parameters, number, printable, shown, whole
from metarouter.utils.random import seed_of
from metarouter.utils.validation import learn_features, validate_features

__all__ = ["OfflineRewardRouter", "load_offline_router"]

Array = NDArray[np.float64]

FORMAT = "offline-reward-router-1"
# Learned attributes that are plain enough for JSON.
LEARNED = (
    "arms_", "n_features_in_", "n_epochs_", "n_disagreements_", "reward_slope_", "reward_level_",
)  # fmt: skip
WEIGHTS = ("centre", "spread", "weight", "bias", "bt", "cls")


class OfflineRewardRouter(TransformerMixin, BaseEstimator):
    """Learn the strengths of reward models from pairs whose right answer is known (section 3.2).

    One layer fuses the features of a pair into h in R^d. A Bradley-Terry head scores the models,
    s_n = <h, E_bt[n]>, from pairs on which one is right and another wrong; an auxiliary head
    predicts whether each is right, z_n = <h, E_cls[n]>:

        L_bt  = - mean over (i, n right, n' wrong) of log sigma(s_in - s_in')            (2)
        L_cls = - mean over (i, n) of d log sigma(z_in) + (1 - d) log sigma(-z_in)       (3)
        L = L_bt + lambda L_cls.

    Parameters
    ----------
    n_components : int, default=32
        d, the width of h. Its last coordinate is a constant before normalisation, so that a
        model's strength over all pairs has a place of its own.
    cls_weight : float, default=0.2
        lambda; 0 leaves the auxiliary head out of the training.
    normalize : bool, default=True
        Give h and the rows of E_bt unit length, with one learned temperature for the losses, as
        the authors' code does. False is the paper's text: scores are then logits without a bound,
        which as the prior of rewards in [0, 1] are off by a scale.
    learning_rate, weight_decay : float, default=3e-3 and 0.01
        Of AdamW.
    batch_size, max_epochs, patience : int, default=64, 100 and 8
        Training ends after so many epochs, or so many without a lower loss on held-back pairs.
    validation_share : float, default=0.15
        Share of the pairs (of the groups, where given) that is held back to choose the epoch by;
        0 keeps the last one.
    device : str, default="auto"
        A GPU where there is one.
    arms : iterable, optional
        Names of the reward models; by default the columns of `correct`, else 0, 1, ...
    random_state : int, RandomState or None

    Attributes
    ----------
    embedding_ : ndarray of shape (N, d)
        E_bt.
    arms_ : list
        Names of the reward models.
    reward_slope_, reward_level_ : float
        Least-squares line from scores to the rates of being right: rate = level + slope score.
    n_epochs_ : int
        Epochs until the one that is kept; 0 where features did not help on held-back pairs and
        the router is the best single model.
    n_disagreements_ : int
        |D_bt|, the number of (pair, right model, wrong model).

    References
    ----------
    .. [1] Wu et al., Bayesian reward model routing in alignment, equations 2 and 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 4))
    >>> correct = np.column_stack([X[:, 0] > 0, X[:, 0] < 0]).astype(float)
    >>> router = OfflineRewardRouter(max_epochs=20, random_state=0).fit(X, correct)
    >>> router.predict([[2.0, 0.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0]]).tolist()
    [0, 1]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [whole(at_least=2)],
        "cls_weight": [number(at_least=0)],
        "normalize": ["boolean"],
        "learning_rate": [number(above=0)],
        "weight_decay": [number(at_least=0)],
        "batch_size": [whole(at_least=1)],
        "max_epochs": [whole(at_least=1)],
        "patience": [whole(at_least=1)],
        "validation_share": [number(at_least=0, below=1)],
        "device": "no_validation",  # `device_of`
        "arms": "no_validation",  # `check_arms`
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 32,
        *,
        cls_weight: float = 0.2,
        normalize: bool = True,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        batch_size: int = 64,
        max_epochs: int = 100,
        patience: int = 8,
        validation_share: float = 0.15,
        device: str = "auto",
        arms: Iterable[Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.cls_weight = cls_weight
        self.normalize = normalize
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_share = validation_share
        self.device = device
        self.arms = arms
        self.random_state = random_state

    def fit(self, X: Any, correct: Any, *, groups: ArrayLike | None = None) -> Self:
        """Learn which model is right where; on any error nothing changes.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Features of pairs, see `pair_features`.
        correct : array or DataFrame of shape (n, N)
            1 where a model's verdict was right, 0 where wrong, NaN where it gave none.
        groups : array of shape (n,), optional
            Pairs that belong together are held back together.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If a value is off its range, no two models ever disagree, or X is malformed.
        """
        from bandits.reward_models._fusion import train

        require_torch("OfflineRewardRouter")
        fresh = copy.copy(self)
        features = np.asarray(learn_features(fresh, X), dtype=np.float64)
        outcomes, names = check_correct(correct, len(features), self.arms)
        seed = seed_of(self.random_state)
        held_back = _held_back(len(features), groups, self.validation_share, seed)
        trained = train(features, outcomes, held_back, self, seed)
        fresh.arms_, fresh.n_disagreements_ = names, count_disagreements(outcomes)
        fresh.weights_, fresh.n_epochs_ = trained.weights, trained.n_epochs
        fresh.embedding_ = fresh.weights_["bt"].astype(np.float64)
        fresh.reward_slope_, fresh.reward_level_ = _line(
            fresh.transform(X) @ fresh.embedding_.T, outcomes
        )
        self.__dict__ = fresh.__dict__
        return self

    def transform(self, X: Any) -> Array:
        """Return h of every pair, shape (n, d); no torch is needed."""
        check_is_fitted(self, "weights_")
        return self.transform_array(np.asarray(validate_features(self, X), dtype=np.float64))

    def transform_array(self, X: Array) -> Array:
        """Return h of pairs whose features were checked already."""
        return fuse(X, self.weights_, self.normalize)

    def decision_function(self, X: Any) -> Array:
        """Return the Bradley-Terry scores <h, E_bt[n]>, shape (n, N)."""
        check_is_fitted(self, "weights_")
        return np.asarray(self.transform(X) @ self.embedding_.T)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the name of the model with the highest score for every pair, shape (n,)."""
        return names_of(self.decision_function(X).argmax(axis=1), self.arms_)

    def predict_correct(self, X: Any) -> Array:
        """Return the auxiliary head's probability that each model is right, shape (n, N)."""
        check_is_fitted(self, "weights_")
        return np.asarray(1 / (1 + np.exp(-self.transform(X) @ self.weights_["cls"].T)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the router to one file, without pickle; see `load_offline_router`."""
        check_is_fitted(self, "weights_")
        try:
            text = json.dumps(self.to_dict())
        except TypeError as error:
            raise RouterFileError(
                f"The router cannot be saved: {error}; name models by numbers or text."
            ) from None
        with atomic_path(path) as temporary:
            temporary.write_text(text)

    def to_dict(self) -> dict[str, Any]:
        """Return all that was learned as plain numbers and text, for JSON."""
        parameters = dict(self.get_params(deep=False), arms=self.arms_)
        if not isinstance(self.random_state, int | None):
            parameters["random_state"] = None
        return {
            "format": FORMAT,
            "version": __version__,
            "parameters": parameters,
            "learned": {
                name: getattr(self, name)
                for name in LEARNED
            },
            "feature_names": list(getattr(self, "feature_names_in_", [])),
            "weights": {name: self.weights_[name].tolist() for name in WEIGHTS},
        }  # fmt: skip

    @classmethod
    def from_dict(cls, state: Any) -> Self:
        """Return the router that `to_dict` described.

        Raises
        ------
        RouterFileError
            If it is none.
        """
        try:
            if state["format"] != FORMAT:
                raise ValueError(f"its format is {shown(state['format'])}, not {FORMAT}")
            router = cls(**state["parameters"])
            check_parameters(router)
            for name in LEARNED:
                setattr(router, name, state["learned"][name])
            router.arms_ = check_arms(router.arms_)
            if state["feature_names"]:
                router.feature_names_in_ = np.array(state["feature_names"], dtype=object)
            router.weights_ = {
                name: np.array(state["weights"][name], dtype=np.float64) for name in WEIGHTS
            }
            router._require_shapes()
            router.embedding_ = router.weights_["bt"].copy()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            written = state.get("version", "0.1.0") if isinstance(state, dict) else __version__
            other = "" if written == __version__ else f" of bandits {__version__}"
            by = other and f"saved by {printable(written)}; "
            raise RouterFileError(
                f"This is no saved offline reward router{other} ({by}{type(error).__name__}: "
                f"{printable(error)}); fit it again and save it."
            ) from None
        return router

    def _require_shapes(self) -> None:
        d, width, n_models = self.n_features_in_, self.n_components, len(self.arms_)
        shapes = {
            "centre": (d,), "spread": (d,), "weight": (d, width - 1), "bias": (width - 1,),
            "bt": (n_models, width), "cls": (n_models, width),
        }  # fmt: skip
        for name, shape in shapes.items():
            held = self.weights_[name]
            if held.shape != shape or not np.isfinite(held).all():
                raise ValueError(f"{name} is not finite or has not the shape {shape}")


@validated()
def load_offline_router(path: str | os.PathLike[str]) -> OfflineRewardRouter:
    """Read a router that was saved with ``OfflineRewardRouter.save``.

    Raises
    ------
    RouterFileError
        If the file is missing, truncated, or no such router.
    """
    try:
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
    except FileNotFoundError:
        raise RouterFileError(f"There is no file {path}; save a router there first.") from None
    except (OSError, ValueError):
        raise RouterFileError(
            f"{path} is truncated or no saved offline reward router; save it again."
        ) from None
    try:
        return OfflineRewardRouter.from_dict(state)
    except RouterFileError as error:
        raise RouterFileError(f"{path}: {error}") from None


def fuse(X: Array, weights: dict[str, NDArray[Any]], normalize: bool) -> Array:
    """Return h = [gelu(W z + b); 1] of standardised features z, of unit length if asked for."""
    z = (X - weights["centre"]) / weights["spread"] @ weights["weight"] + weights["bias"]
    hidden = 0.5 * z * (1.0 + erf(z / np.sqrt(2.0)))
    fused = np.column_stack([hidden, np.ones(len(X))])
    return fused / np.linalg.norm(fused, axis=1, keepdims=True) if normalize else fused


def count_disagreements(correct: Array) -> int:
    """Return |D_bt|: pairs times (right model, wrong model)."""
    return int(((correct == 1).sum(axis=1) * (correct == 0).sum(axis=1)).sum())


def check_correct(
    correct: Any, n_rows: int, arms: Iterable[Any] | None = None
) -> tuple[Array, list[Any]]:
    """Return which models were right, (n, N) of 0, 1 and NaN, and the models' names.

    Raises
    ------
    DataError
        If a value is off its range, rows are missing, or there is nothing to learn from.
    """
    if correct is None:
        raise DataError(
            "OfflineRewardRouter requires y to be passed, but the target y is None; give which "
            "models were right, shape (n, N)."
        )
    columns = getattr(correct, "columns", None)
    table = np.array(
        as_floats("correct", correct, "correct is no table of numbers; give 0, 1 or NaN.")
    )
    if table.ndim != 2 or len(table) != n_rows:
        raise DataError(
            f"correct has shape {table.shape} but X has {n_rows} rows; give one row per pair and "
            "one column per reward model."
        )
    off = ~(np.isin(table, (0.0, 1.0)) | np.isnan(table))
    if off.any():
        row, column = (int(i) for i in np.argwhere(off)[0])
        raise DataError(
            f"correct holds {table[row, column]:g} in row {row} of column {column}; give 1 "
            "(right), 0 (wrong) or NaN (no verdict)."
        )
    if table.shape[1] < 2:
        raise DataError("correct has one column: a router needs two reward models or more.")
    named = range(table.shape[1]) if columns is None else list(columns)
    names = check_arms(named if arms is None else arms)
    if len(names) != table.shape[1]:
        raise DataError(
            f"arms names {len(names)} models, but correct has {table.shape[1]} columns."
        )
    if np.isnan(table).all():
        raise DataError("correct is NaN throughout: no model gave a verdict that can be checked.")
    if not count_disagreements(table):
        raise DataError(
            "There is no pair on which one reward model is right and another wrong, so nothing "
            "tells them apart; add pairs, or leave out models that always agree."
        )
    return table, names


def _held_back(n_rows: int, groups: ArrayLike | None, share: float, seed: int) -> NDArray[np.bool_]:
    codes = np.arange(n_rows) if groups is None else group_codes(groups)
    if len(codes) != n_rows:
        raise DataError(f"groups has {len(codes)} rows but X has {n_rows}; give one per row.")
    distinct = np.unique(codes)
    chosen = np.random.default_rng([seed, 1]).permutation(distinct)
    return np.isin(codes, chosen[: int(share * len(distinct))])


def _line(scores: Array, correct: Array) -> tuple[float, float]:
    """Return slope and level of the least-squares line from scores to rates of being right."""
    known = ~np.isnan(correct)
    x, y = scores[known], correct[known]
    variance = float(((x - x.mean()) ** 2).mean())
    slope = float(((x - x.mean()) * (y - y.mean())).mean() / variance) if variance > 0 else 0.0
    return max(slope, 0.0), float(y.mean() - max(slope, 0.0) * x.mean())
