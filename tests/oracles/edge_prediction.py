"""GraphRouter's forward pass and loss, one edge after the other."""

from __future__ import annotations

import numpy as np


def relu(x):
    return np.maximum(x, 0.0)


def normal(x, layer, p):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * p[f"scale_{layer}"] + p[f"shift_{layer}"]


def arm_nodes(queries, edges, visible, p):
    nodes = [p["arms"][k] for k in range(visible.shape[1])]
    passed = [
        [relu(p["edge"].T @ edges[i, k] + p["edge_bias"]) for k in range(visible.shape[1])]
        for i in range(len(queries))
    ]
    sent = list(queries)
    for layer in (1, 2):
        received = []
        for k, node in enumerate(nodes):
            mail = [
                p[f"message_{layer}"].T @ sent[i] + p[f"message_edge_{layer}"].T @ passed[i][k]
                for i in range(len(queries))
                if visible[i, k]
            ]
            received.append(normal(node + (np.mean(mail, axis=0) if mail else 0.0), layer, p))
        if layer == 1:
            nodes = [relu(node) for node in received]
            sent = [relu(normal(x, layer, p)) for x in queries]
        else:
            nodes = received
    return np.array(nodes)


def edge_probability(x, task, arm, p):
    node = np.concatenate([p["task"].T @ task + p["task_bias"], p["query"].T @ x + p["query_bias"]])
    return 1.0 / (1.0 + np.exp(-np.mean(node * arm)))
