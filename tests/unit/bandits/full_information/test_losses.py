"""The losses of the routers that see everything, beside naive ones."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import contrastive, edge_prediction

from bandits.full_information._contrast import Contrast, contrast_of, cosine, embed
from bandits.full_information.graph_router import edge_scores

torch = pytest.importorskip("torch")

from bandits.full_information._graph_router import arm_nodes, edge_labels  # noqa: E402
from bandits.full_information._router_dc import (  # noqa: E402
    Pairs,
    draw_pairs,
    sample_llm_loss,
    sample_sample_loss,
)

RNG = np.random.default_rng(0)
QUERIES, ARMS = RNG.normal(size=(12, 4)), RNG.normal(size=(5, 4))
# Some arms no good, some so good that they must not be pushed away.
UTILITY = RNG.choice([-0.3, 0.2, 0.5, 0.9], size=(12, 5))


def tensors(parts):
    return type(parts)(*(torch.from_numpy(np.asarray(part)) for part in parts))


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_sample_llm_loss_is_that_of_the_paper(temperature):
    contrast = contrast_of(UTILITY, 2, 3, np.random.default_rng(1))
    similarity = torch.from_numpy(cosine(QUERIES, ARMS)) / temperature
    expected = contrastive.sample_llm_loss(
        QUERIES, ARMS, UTILITY, contrast.positive, contrast.negative, temperature
    )
    assert sample_llm_loss(similarity, tensors(contrast)).item() == pytest.approx(expected)


def test_best_and_worst_arms_are_contrasted_and_ties_are_drawn():
    contrast = contrast_of(np.array([[0.1, 0.9, -0.2, 0.6]]), 2, 2, RNG)
    assert contrast.positive.tolist() == [[1, 3]]
    assert set(contrast.negative[0]) == {0, 2}
    assert contrast.is_good.all()
    assert contrast.is_bad.all()
    tied = contrast_of(np.zeros((4000, 4)), 1, 1, RNG)
    assert np.bincount(tied.positive[:, 0]) == pytest.approx(np.full(4, 1000), abs=110)


def test_a_query_without_bad_arms_pulls_and_pushes_nothing():
    contrast = Contrast(*map(torch.tensor, ([[0, 1]], [[True, True]], [[2, 3]], [[False, False]])))
    similarity = torch.randn(1, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = sample_llm_loss(similarity, contrast)
    loss.backward()
    assert loss.item() == 0.0
    assert similarity.grad.tolist() == [[0.0] * 4]


def test_sample_sample_loss_is_that_of_the_paper():
    group = torch.tensor([0, 0, 0, 1, 1, 2, 0, 1, 2, 0, 1, 0])
    pairs = draw_pairs(group, 3, torch.Generator().manual_seed(0))
    similarity = torch.from_numpy(cosine(QUERIES, QUERIES)) / 0.5
    partners = dict(zip(pairs.query.tolist(), pairs.same.tolist(), strict=True))
    others = dict(zip(pairs.query.tolist(), pairs.others.tolist(), strict=True))
    expected = contrastive.sample_sample_loss(QUERIES, partners, others, 0.5)
    assert sample_sample_loss(similarity, pairs).item() == pytest.approx(expected)


def test_pairs_are_of_the_own_group_and_of_others_and_never_the_query_itself():
    group = torch.tensor([0] * 6 + [1] * 5 + [2])
    pairs = draw_pairs(group, 4, torch.Generator().manual_seed(0))
    assert pairs.query.tolist() == list(range(11))  # the last is alone in its group
    assert (group[pairs.same] == group[pairs.query]).all()
    assert (pairs.same != pairs.query).all()
    assert (group[pairs.others] != group[pairs.query][:, None]).all()
    assert all(len(set(row)) == 4 for row in pairs.others.tolist())


def test_one_group_has_nobody_to_be_told_apart_from():
    pairs = draw_pairs(torch.zeros(5, dtype=torch.long), 3, torch.Generator().manual_seed(0))
    assert len(pairs.query) == 0
    assert sample_sample_loss(torch.ones(5, 5), pairs).item() == 0.0
    assert isinstance(pairs, Pairs)


def test_representations_are_the_same_in_numpy_and_torch():
    parameters = {
        "hidden": RNG.normal(size=(4, 6)), "hidden_bias": RNG.normal(size=6),
        "output": RNG.normal(size=(6, 3)), "output_bias": RNG.normal(size=3),
    }  # fmt: skip
    as_tensors = {name: torch.from_numpy(value) for name, value in parameters.items()}
    expected = embed(torch.from_numpy(QUERIES), as_tensors).numpy()
    np.testing.assert_allclose(embed(QUERIES, parameters), expected)


def graph_parameters(n_features, n_arms, width):
    shapes = {
        "task": (n_features, width), "task_bias": width, "query": (n_features, width),
        "query_bias": width, "arms": (n_arms, 2 * width), "edge": (3, 3), "edge_bias": 3,
        "message_1": (2 * width, 2 * width), "message_2": (2 * width, 2 * width),
        "message_edge_1": (3, 2 * width), "message_edge_2": (3, 2 * width),
        "scale_1": 2 * width, "scale_2": 2 * width, "shift_1": 2 * width, "shift_2": 2 * width,
    }  # fmt: skip
    return {name: RNG.normal(size=shape) for name, shape in shapes.items()}


def test_arms_receive_the_messages_of_their_visible_edges():
    p = graph_parameters(4, 5, 3)
    queries, edges = RNG.normal(size=(12, 6)), RNG.normal(size=(12, 5, 3))
    visible = RNG.random((12, 5)) < 0.4
    visible[:, 2] = False  # an arm that hears nothing
    found = arm_nodes(
        *map(torch.from_numpy, (queries, edges, visible)),
        {name: torch.from_numpy(value) for name, value in p.items()},
    )
    np.testing.assert_allclose(found, edge_prediction.arm_nodes(queries, edges, visible, p))


def test_edges_are_predicted_by_the_mean_of_the_products_of_two_nodes():
    p = graph_parameters(4, 5, 3)
    task, arms = RNG.normal(size=(12, 4)), RNG.normal(size=(5, 6))
    found = 1.0 / (1.0 + np.exp(-edge_scores(QUERIES, task, p, arms)))
    expected = [
        [edge_prediction.edge_probability(x, t, arm, p) for arm in arms]
        for x, t in zip(QUERIES, task, strict=True)
    ]
    np.testing.assert_allclose(found, expected)


def test_every_arm_of_the_highest_utility_is_labelled():
    assert edge_labels(np.array([[0.2, 0.9, 0.9 - 1e-15], [0.0, 0.0, 0.0]])).tolist() == [
        [0.0, 1.0, 1.0],
        [1.0, 1.0, 1.0],
    ]


def test_a_query_without_any_representation_has_a_slope_that_is_a_number():
    nothing = torch.zeros(1, 3, requires_grad=True)
    cosine(nothing, torch.ones(2, 3)).sum().backward()
    assert torch.isfinite(nothing.grad).all()
