"""The scores of GraphRouter's edges, on arrays or tensors alike."""

from __future__ import annotations

from typing import Any

__all__ = ["edge_scores"]


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
