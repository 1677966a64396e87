"""Routing as the prediction of edges in a graph of tasks, queries and arms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin

from bandits.full_information._trade_offs import (
    Learned,
    Split,
    TradeOffRouter,
    clusters_of,
)
from metarouter.utils.parameters import number, whole

__all__ = ["GraphRouter", "edge_scores"]


class GraphRouter(TradeOffRouter):
    """Predict the edge between a query and its best arm, from a graph of both (GraphRouter).

    Nodes are queries, each with its task, and arms; an edge joins each training query and each
    arm and carries the utility, quality and cost of that pair. Two rounds of messages along the
    edges make a node h_k of every arm, and an edge is predicted by the mean of the products of
    two nodes, sigmoid(mean([task; query] * h_k)). In training a share of the edges, drawn anew at
    every step, carries the messages, and the others are predicted.

    Parameters
    ----------
    w_cost : float or tuple of float, default=0.5
        Weights of cost that networks are trained for, in [0, 1); a query is answered by the one
        that is nearest to the preference asked for. The paper has three, performance first,
        balanced, and cost first. Without costs the weight is 0.
    n_hidden : int, default=64
        Width of what is known of a task or a query; nodes have twice as much.
    n_tasks : int, default=5
        Tasks, found by k-means.
    visible_share : float, default=0.3
        Share of the edges that carry messages at a step of training, in [0, 1).
    learning_rate, weight_decay : float, default=1e-2 and 1e-4
        Of AdamW; every step is on the whole graph.
    max_epochs, patience : int, default=300 and 60
        Training stops after so many steps, or so many without a better checkpoint.
    validation_share : float, default=0.2
        Share of the queries that is held back to choose the checkpoint by, by the mean utility of
        the arms chosen; 0 takes the training queries.
    arms, cost_cap, random_state
        As in `FullInformationRouter`.

    Attributes
    ----------
    w_cost_ : ndarray
        Weights of cost trained for.
    tasks_ : ndarray of shape (n_tasks, n_features)
        Centres of the tasks; a query, scaled, belongs to the nearest.
    learned_ : list of dict of str to ndarray
        Weights of each network, and ``nodes``, what the messages of all training queries have
        made of the arms.

    Notes
    -----
    Where this departs from the paper. Tasks and arms come with descriptions there, which a language
    model wrote; here a task is a cluster of the training queries, described by its centre, and an
    arm starts from a vector of its own that is learned. A query's edge to its task is written as
    the two of them side by side, as in the authors' code, in which arms alone receive messages: a
    new query has no edges to arms. Messages are averaged and normalised node by node, instead of
    summed and normalised over all nodes, so that an arm's node does not depend on how many queries
    there are. All arms of the highest utility are labelled 1, where the code takes the first. The
    checkpoint is chosen by utility on queries held back from training, by F1 there; a copy of
    GraphRouter in wide use chooses it on the test set.

    References
    ----------
    .. [1] Feng, Shen & You (2025), GraphRouter: a graph-based router for LLM selections, ICLR.
       arXiv:2410.03834.

    Examples
    --------
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))
    >>> quality = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))
    >>> router = GraphRouter(random_state=0).fit(X, quality)
    >>> router.predict(np.eye(2)).tolist()
    [0, 1]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_hidden": [whole()],
        "n_tasks": [whole()],
        "visible_share": [number(at_least=0, below=1)],
        "weight_decay": [number(at_least=0)],
    }

    def __init__(
        self,
        w_cost: float | tuple[float, ...] = 0.5,
        *,
        n_hidden: int = 64,
        n_tasks: int = 5,
        visible_share: float = 0.3,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-4,
        max_epochs: int = 300,
        patience: int = 60,
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
        self.n_tasks = n_tasks
        self.visible_share = visible_share
        self.weight_decay = weight_decay

    def _train(self, split: Split) -> Learned:
        from bandits.full_information._graph_router import train

        self.tasks_ = clusters_of(split.train.X, self.n_tasks, self._seed).cluster_centers_
        return train(
            split,
            self._task_features(np.concatenate([part.X for part in split])),
            n_hidden=self.n_hidden,
            visible_share=self.visible_share,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            max_epochs=self.max_epochs,
            patience=self.patience,
            seed=self._seed,
        )

    def _arm_scores(self, X: NDArray[np.float64], learned: Learned) -> NDArray[np.float64]:
        scores = edge_scores(X, self._task_features(X), learned, learned["nodes"])
        return np.asarray(scores, dtype=np.float64)

    def _task_features(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.tasks_[pairwise_distances_argmin(X, self.tasks_)])

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        n_features, n_hidden, n_arms = self.n_features_in_, self.n_hidden, len(self.arms_)
        width = 2 * n_hidden
        shapes: dict[str, tuple[int, ...]] = {
            "task": (n_features, n_hidden),
            "task_bias": (n_hidden,),
            "query": (n_features, n_hidden),
            "query_bias": (n_hidden,),
            "arms": (n_arms, width),
            "edge": (3, 3),
            "edge_bias": (3,),
            "nodes": (n_arms, width),
        }
        for layer in (1, 2):
            shapes |= {
                f"message_{layer}": (width, width),
                f"message_edge_{layer}": (3, width),
                f"scale_{layer}": (width,),
                f"shift_{layer}": (width,),
            }
        return shapes

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {**super()._arrays(), "tasks": self.tasks_}

    def _expected_arrays(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        n_tasks = min(len(arrays["tasks"]), self.n_tasks)
        tasks = np.zeros((n_tasks, self.n_features_in_))
        return {**super()._expected_arrays(arrays), "tasks": tasks}

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        super()._set_arrays(arrays)
        self.tasks_ = arrays["tasks"]


def edge_scores(X: Any, task: Any, parameters: Any, arms: Any) -> Any:
    """Return the logits of the edges between queries and arms, shape (n, n_arms).

    A query's node is [task; query]; an edge has the mean of the products of its two nodes, so that
    the halves of the arm's node meet the task and the query one after the other.

    Parameters
    ----------
    X : array or Tensor of shape (n, n_features)
    task : array or Tensor of shape (n, n_features)
        Features of the task of each query.
    parameters : mapping of str to array or Tensor
        ``task``, ``task_bias``, ``query``, ``query_bias``.
    arms : array or Tensor of shape (n_arms, 2 h)
        Nodes of the arms, after the messages.
    """
    width = arms.shape[1] // 2
    of_task = task @ parameters["task"] + parameters["task_bias"]
    of_query = X @ parameters["query"] + parameters["query_bias"]
    return (of_task @ arms[:, :width].T + of_query @ arms[:, width:].T) / arms.shape[1]
