"""Gradients by hand are those of automatic differentiation; numpy routes as torch trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bandits.policy_gradient._heads import HEADS, Sizes
from bandits.policy_gradient._parameters import Layout
from bandits.policy_gradient._reward_estimates import (
    clipped_propensity,
    doubly_robust,
    entropy_slope,
    logit_slope,
    reinforce,
)
from bandits.policy_gradient._trainer import Optimiser, PolicyTrainer

RNG = np.random.default_rng(0)


def draw(head, n_weights=2):
    layout = Layout(head, Sizes(7, 5, n_weights, 6, 4))
    flat = layout.drawn(RNG)
    x = torch.tensor(RNG.normal(size=(9, 7)), dtype=torch.float32)
    w = torch.tensor(RNG.dirichlet(np.ones(n_weights), 9), dtype=torch.float32)
    return layout, flat, x, w


@pytest.mark.parametrize("head", HEADS)
class TestEveryHead:
    @pytest.mark.parametrize("n_weights", [2, 3])
    def test_the_gradient_is_that_of_automatic_differentiation(self, head, n_weights):
        layout, flat, x, w = draw(head, n_weights)
        theta = torch.tensor(flat, dtype=torch.float64, requires_grad=True)
        logits, _ = layout.of_head.forward(layout.views(theta), x.double(), w.double())
        slope = torch.tensor(RNG.normal(size=(9, 5)))
        (logits * slope).sum().backward()
        by_hand = torch.full((layout.size,), torch.nan, dtype=torch.float64)
        with torch.no_grad():
            views = layout.views(theta)
            _, kept = layout.of_head.forward(views, x.double(), w.double())
            layout.of_head.backward(views, layout.views(by_hand), kept, slope)
        torch.testing.assert_close(by_hand, theta.grad, rtol=1e-10, atol=1e-12)

    def test_numpy_gives_the_logits_that_torch_gives(self, head):
        layout, flat, x, w = draw(head)
        ours = layout.of_head.forward(layout.views(flat), x.numpy(), w.numpy())[0]
        theirs = layout.of_head.forward(layout.views(torch.tensor(flat)), x, w)[0]
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)

    def test_one_preference_for_all_is_the_same_preference_in_every_row(self, head):
        layout, flat, x, _ = draw(head)
        one, all_rows = np.float32([[0.3, 0.7]]), np.tile(np.float32([[0.3, 0.7]]), (9, 1))
        forward, theta = layout.of_head.forward, layout.views(flat)
        short, long = (forward(theta, x.numpy(), w)[0] for w in (one, all_rows))
        np.testing.assert_allclose(short, long, atol=1e-6)

    def test_an_arm_comes_and_goes_without_touching_the_others(self, head):
        layout, flat, x, w = draw(head)
        wider = layout.of_arms(6)
        more = layout.with_column(flat, 2, 1.0)
        logits = wider.of_head.forward(wider.views(more), x.numpy(), w.numpy())[0]
        before = layout.of_head.forward(layout.views(flat), x.numpy(), w.numpy())[0]
        np.testing.assert_allclose(logits[:, :5], before, atol=1e-6)
        np.testing.assert_allclose(logits[:, 5], before[:, 2], atol=1e-6)
        np.testing.assert_array_equal(wider.without_column(more, 5), flat)


def test_adam_is_torchs_with_and_without_decay_of_weights():
    for decay in (0.0, 0.3):
        layout, flat, x, w = draw("mlp")
        state = np.stack([flat, np.zeros_like(flat), np.zeros_like(flat)])
        trainer = PolicyTrainer(layout, state, 0, Optimiser(0.01, 0.1, decay), torch.device("cpu"))
        theta = {
            name: torch.tensor(view.copy(), requires_grad=True)
            for name, view in layout.views(flat).items()
        }
        groups = [
            {"params": [v for k, v in theta.items() if not k.startswith("b")]},
            {"params": [v for k, v in theta.items() if k.startswith("b")], "weight_decay": 0.0},
        ]
        adam = torch.optim.AdamW(groups, lr=0.01, weight_decay=decay)
        for _ in range(20):
            estimate = torch.tensor(RNG.normal(size=(9, 5)), dtype=torch.float32)
            trainer.forward(x, w)
            trainer.step(estimate)
            log_pi = layout.of_head.forward(theta, x, w)[0].log_softmax(1)
            loss = -(log_pi.exp() * (estimate - 0.1 * log_pi)).sum(1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        for name, view in layout.views(state[0]).items():
            np.testing.assert_allclose(view, theta[name].detach(), atol=2e-5)


def test_reinforce_is_the_gradient_of_equation_5():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    log_pi = logits.log_softmax(1)
    arm, reward = torch.tensor([[0], [1], [2], [3], [0], [1]]), torch.rand(6, 1)
    entropy = -(log_pi.exp() * log_pi).sum(1)
    loss = -((reward - 0.3) * log_pi.gather(1, arm)).sum() - 0.05 * entropy.sum()
    loss.backward()
    pi = log_pi.exp().detach()
    slope = logit_slope(pi, reinforce(pi, arm, reward, pi.gather(1, arm), torch.tensor(0.3)))
    slope += 0.05 * entropy_slope(pi, log_pi.detach())
    torch.testing.assert_close(slope, -logits.grad)


def test_both_estimates_are_the_true_rewards_in_the_mean_over_the_arms_drawn():
    generator = torch.Generator().manual_seed(1)
    pi = torch.rand(1, 4, generator=generator).softmax(1).double()
    true = torch.rand(1, 4, generator=generator).double()
    guess = torch.rand(1, 4, generator=generator).double()
    mean_reinforce, mean_robust = torch.zeros(1, 4).double(), torch.zeros(1, 4).double()
    for k in range(4):
        arm, reward, chance = torch.tensor([[k]]), true[:, k : k + 1], pi[:, k : k + 1]
        mean_reinforce += pi[0, k] * reinforce(pi, arm, reward, chance, torch.tensor(0.2))
        mean_robust += pi[0, k] * doubly_robust(arm, reward, chance, guess)
    torch.testing.assert_close(mean_reinforce, true - 0.2)
    torch.testing.assert_close(mean_robust, true)


def test_importance_weights_are_clipped():
    chance, propensity = torch.tensor([0.9, 0.2, 0.0]), torch.tensor([0.01, 0.1, 0.5])
    weight = chance / clipped_propensity(chance, propensity, 10.0)
    torch.testing.assert_close(weight, torch.tensor([10.0, 2.0, 0.0]))
