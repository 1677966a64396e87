"""Dual contrastive learning of queries and arms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits.full_information._contrast import cosine, embed
from bandits.full_information._trade_offs import Learned, Split, TradeOffRouter, clusters_of
from metarouter.utils.parameters import number, whole

__all__ = ["RouterDC"]


class RouterDC(TradeOffRouter):
    """Embed queries and arms in one space, and call the arm nearest to the query (RouterDC).

    A query x and an arm k are as alike as their embeddings, s(x, k) = cos(h(x), e_k). Training
    lowers the sample-LLM loss, which draws a query to the best arms and away from the worst,

        sum over the best arms k of -log [e^s(x, k) / (e^s(x, k) + sum over the worst e^s(x, k'))],

    and the sample-sample loss, which draws it to a query of its own group and away from others.

    Parameters
    ----------
    w_cost : float or tuple of float, default=0.5
        Weights of cost that networks are trained for, in [0, 1); a query is answered by the one
        that is nearest to the preference asked for. RouterDC itself knows one. Without costs the
        weight is 0.
    n_hidden, n_components : int, default=128 and 64
        Widths of the hidden layer and of the embeddings.
    temperature : float, default=1.0
        What cosines are divided by in the losses.
    n_top, n_last : int, default=3
        Numbers of best and worst arms in the sample-LLM loss.
    n_others : int, default=3
        Number of queries of other groups in the sample-sample loss.
    sample_weight : float, default=1.0
        lambda, the weight of the sample-sample loss.
    n_groups : int, default=5
        Groups of queries, by k-means.
    learning_rate : float, default=1e-3
        Of AdamW.
    batch_size : int, default=64
    max_epochs, patience : int, default=100 and 20
        Training stops after so many epochs, or so many without a better checkpoint.
    validation_share : float, default=0.2
        Share of the queries that is held back to choose the checkpoint by, by the mean utility of
        the arms chosen; 0 takes the training queries.
    arms, cost_cap, random_state
        As in `FullInformationRouter`.

    Attributes
    ----------
    w_cost_ : ndarray
        Weights of cost trained for.
    learned_ : list of dict of str to ndarray
        Weights of each network.

    Notes
    -----
    Where this departs from the paper. The encoder there is a language model, fine-tuned; here
    features are given, and h is a network with one hidden layer on them, with a learning rate to
    match. Queries are grouped by k-means of the features instead of by a t-SNE of them, which
    cannot place new queries. The utility is the quality minus w_c / w_q times the cost as a share
    of the cap, the cost rate of the authors' code. Arms of equal utility are ordered at random,
    query by query. A query's partner in the sample-sample loss is never the query itself.

    References
    ----------
    .. [1] Chen, Jiang, Lin, Kwok & Zhang (2024), RouterDC: query-based router by dual contrastive
       learning for assembling large language models. arXiv:2409.19886.

    Examples
    --------
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))
    >>> quality = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))
    >>> router = RouterDC(max_epochs=5, random_state=0).fit(X, quality)
    >>> router.predict(np.eye(2)).tolist()
    [0, 1]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_hidden": [whole()],
        "n_components": [whole()],
        "temperature": [number(above=0)],
        "n_top": [whole()],
        "n_last": [whole()],
        "n_others": [whole()],
        "sample_weight": [number(at_least=0)],
        "n_groups": [whole()],
        "batch_size": [whole()],
    }

    def __init__(
        self,
        w_cost: float | tuple[float, ...] = 0.5,
        *,
        n_hidden: int = 128,
        n_components: int = 64,
        temperature: float = 1.0,
        n_top: int = 3,
        n_last: int = 3,
        n_others: int = 3,
        sample_weight: float = 1.0,
        n_groups: int = 5,
        learning_rate: float = 1e-3,
        batch_size: int = 64,
        max_epochs: int = 100,
        patience: int = 20,
        validation_share: float = 0.2,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            w_cost=w_cost,
            learning_rate=learning_rate,
            max_epochs=max_epochs,
            patience=patience,
            validation_share=validation_share,
            arms=arms,
            cost_cap=cost_cap,
            random_state=random_state,
        )
        self.n_hidden = n_hidden
        self.n_components = n_components
        self.temperature = temperature
        self.n_top = n_top
        self.n_last = n_last
        self.n_others = n_others
        self.sample_weight = sample_weight
        self.n_groups = n_groups
        self.batch_size = batch_size

    def _train(self, split: Split) -> Learned:
        from bandits.full_information._router_dc import train

        return train(
            split,
            clusters_of(split.train.X, self.n_groups, self._seed).labels_,
            n_hidden=self.n_hidden,
            n_components=self.n_components,
            temperature=self.temperature,
            n_top=self.n_top,
            n_last=self.n_last,
            n_others=self.n_others,
            sample_weight=self.sample_weight,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            patience=self.patience,
            seed=self._seed,
        )

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        n_hidden, n_components = self.n_hidden, self.n_components
        return {
            "hidden": (self.n_features_in_, n_hidden),
            "hidden_bias": (n_hidden,),
            "output": (n_hidden, n_components),
            "output_bias": (n_components,),
            "arms": (len(self.arms_), n_components),
        }

    def _arm_scores(self, X: NDArray[np.float64], learned: Learned) -> NDArray[np.float64]:
        return np.asarray(cosine(embed(X, learned), learned["arms"]), dtype=np.float64)
