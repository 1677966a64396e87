"""Messages and edge prediction of GraphRouter, and how they are trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, layer_norm, relu

from bandits._ties import tied_for_best
from bandits.full_information._trade_offs import Learned, Split
from bandits.full_information._training import (
    Parameters,
    as_arrays,
    best_checkpoint,
    glorot,
    tensor,
)
from bandits.full_information.graph_router import edge_scores

__all__ = ["arm_nodes", "edge_labels", "message", "train"]


def arm_nodes(queries: Tensor, edges: Tensor, visible: Tensor, parameters: Parameters) -> Tensor:
    """Return the nodes of the arms after two rounds of messages, shape (n_arms, 2 h).

    Parameters
    ----------
    queries : Tensor of shape (n, 2 h)
        Nodes of the training queries, each with its task.
    edges : Tensor of shape (n, n_arms, 3)
        Utility, quality and cost of every pair.
    visible : Tensor of bool, shape (n, n_arms)
        Edges that messages pass along.
    parameters : dict of str to Tensor
    """
    edges = relu(edges @ parameters["edge"] + parameters["edge_bias"])
    arms = parameters["arms"]
    for layer in (1, 2):
        W, W_edge = parameters[f"message_{layer}"], parameters[f"message_edge_{layer}"]
        heard = message(queries, edges, visible, W, W_edge)
        arms, queries = (_normal(nodes, layer, parameters) for nodes in (arms + heard, queries))
        if layer == 1:
            arms, queries = relu(arms), relu(queries)
    return arms


def message(queries: Tensor, edges: Tensor, visible: Tensor, W: Tensor, W_edge: Tensor) -> Tensor:
    """Return the mean over an arm's visible edges of W x + W_edge e, shape (n_arms, 2 h)."""
    seen = visible.to(queries.dtype)
    count = seen.sum(dim=0).clip(min=1)[:, None]
    mean_query = seen.T @ queries / count
    mean_edge = torch.einsum("nk,nke->ke", seen, edges) / count
    return mean_query @ W + mean_edge @ W_edge


def edge_labels(utility: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mark the arms with the highest utility of each query, shape (n, n_arms).

    Examples
    --------
    >>> edge_labels(np.array([[0.5, 1.0, 1.0]])).tolist()
    [[0.0, 1.0, 1.0]]
    """
    return tied_for_best(utility).astype(np.float64)


def train(
    split: Split,
    tasks: NDArray[np.float64],
    *,
    n_hidden: int,
    visible_share: float,
    learning_rate: float,
    weight_decay: float,
    max_epochs: int,
    patience: int,
    seed: int,
) -> Learned:
    """Predict hidden edges and return the checkpoint that was best on the held-back queries.

    Parameters
    ----------
    split : Split
    tasks : ndarray of shape (n_train + n_held_back, n_features)
        Features of the task of each query, those trained on first.
    n_hidden, visible_share, learning_rate, weight_decay, max_epochs, patience, seed
        As in `GraphRouter`.
    """
    generator = torch.Generator().manual_seed(seed)
    train, held_back = split
    X, X_new = tensor(train.X), tensor(held_back.X)
    task, task_new = tensor(tasks[: len(X)]), tensor(tasks[len(X) :])
    edges = tensor(np.stack([train.utility, train.quality, train.cost], axis=2))
    label = tensor(edge_labels(train.utility))
    parameters = _start(X.shape[1], label.shape[1], n_hidden, generator)
    optimizer = torch.optim.AdamW(
        [value.requires_grad_() for value in parameters.values()],
        lr=learning_rate,
        weight_decay=weight_decay,
    )

    def nodes(visible: Tensor) -> Tensor:
        return arm_nodes(_query_nodes(X, task, parameters), edges, visible, parameters)

    def epoch() -> None:
        visible = torch.rand(label.shape, generator=generator) < visible_share
        scores = edge_scores(X, task, parameters, nodes(visible))
        losses = binary_cross_entropy_with_logits(scores, label, reduction="none")
        optimizer.zero_grad()
        loss: Any = losses[~visible].mean()
        loss.backward()
        optimizer.step()

    everything = torch.ones(label.shape, dtype=torch.bool)

    def utility() -> float:
        chosen = edge_scores(X_new, task_new, parameters, nodes(everything)).argmax(dim=1)
        return float(held_back.utility[np.arange(len(chosen)), chosen.numpy()].mean())

    kept = best_checkpoint(parameters, epoch, utility, max_epochs=max_epochs, patience=patience)
    with torch.no_grad():
        queries = _query_nodes(X, task, kept)
        kept["nodes"] = arm_nodes(queries, edges, everything, kept)
    return as_arrays(kept)


def _start(n_features: int, n_arms: int, n_hidden: int, generator: torch.Generator) -> Parameters:
    width = 2 * n_hidden
    return {
        "task": glorot(generator, n_features, n_hidden),
        "task_bias": torch.zeros(n_hidden),
        "query": glorot(generator, n_features, n_hidden),
        "query_bias": torch.zeros(n_hidden),
        "arms": torch.randn(n_arms, width, generator=generator),
        "edge": glorot(generator, 3, 3),
        "edge_bias": torch.zeros(3),
        **{f"message_{layer}": glorot(generator, width, width) for layer in (1, 2)},
        **{f"message_edge_{layer}": glorot(generator, 3, width) for layer in (1, 2)},
        **{f"scale_{layer}": torch.ones(width) for layer in (1, 2)},
        **{f"shift_{layer}": torch.zeros(width) for layer in (1, 2)},
    }


def _query_nodes(X: Tensor, task: Tensor, parameters: Parameters) -> Tensor:
    of_task = task @ parameters["task"] + parameters["task_bias"]
    return torch.cat([of_task, X @ parameters["query"] + parameters["query_bias"]], dim=1)


def _normal(nodes: Tensor, layer: int, parameters: Parameters) -> Tensor:
    scale, shift = parameters[f"scale_{layer}"], parameters[f"shift_{layer}"]
    return layer_norm(nodes, nodes.shape[1:], scale, shift)
