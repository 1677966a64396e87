"""One step of Algorithm 1 on a device: forward, gradient of the logits, backward, Adam."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.policy_gradient._parameters import Layout
from bandits.policy_gradient._reward_estimates import entropy_slope, logit_slope

__all__ = ["Optimiser", "PolicyTrainer", "weight_of_latest"]

MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


class Optimiser(NamedTuple):
    """What a step depends on besides the data."""

    learning_rate: float
    entropy: float
    weight_decay: float
    averaging: float | None = None  # decay of the average, where there is one


class PolicyTrainer:
    """A policy being trained; its arrays are changed in place.

    On a CPU the tensors share the memory of the arrays. On another device they are copies, and
    `write_back` brings them home.

    Parameters
    ----------
    layout : Layout
    state : ndarray of float32 of shape (3 or 4, layout.size)
        Parameters, Adam's running means of gradients and of their squares, and, where there is
        averaging, the average of the parameters.
    steps : int
        Adam's steps so far.
    optimiser : Optimiser
    device : torch.device
    """

    def __init__(
        self,
        layout: Layout,
        state: NDArray[np.float32],
        steps: int,
        optimiser: Optimiser,
        device: Any,
    ) -> None:
        import torch

        self.head, self.steps, self.optimiser, self.device = (
            layout.of_head,
            steps,
            optimiser,
            device,
        )
        self._home = torch.from_numpy(state)
        self._state = self._home.to(device)
        self._flat, self._mean, self._square, *averages = self._state
        self._average = averages[0] if averages else None
        self._gradient, self._scratch = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        self._theta, self._slopes = layout.views(self._flat), layout.views(self._gradient)
        shrink = 1.0 - optimiser.learning_rate * optimiser.weight_decay * layout.is_weight()
        self._shrink = self.tensor(shrink) if optimiser.weight_decay else None

    def tensor(self, values: NDArray[Any]) -> Any:
        """Return floats as float32, and integers as they are, on the device."""
        import torch

        kind = np.float32 if values.dtype.kind == "f" else np.int64
        return torch.from_numpy(np.array(values, dtype=kind)).to(self.device)

    def forward(self, x: Any, w: Any) -> Any:
        """Return the probabilities of the arms, shape (n, K), and keep what `step` needs."""
        logits, self._kept = self.head.forward(self._theta, x, w)
        self._log_chance = logits.log_softmax(1)
        self._chance = self._log_chance.exp()
        return self._chance

    def choose(self, noise: Any) -> Any:
        """Draw one arm per row by Gumbel noise of shape (n, K); return shape (n, 1)."""
        return (self._log_chance + noise).argmax(1, keepdim=True)

    def step(self, estimate: Any) -> None:
        """Climb the mean of sum_a pi_a R_a + beta H(pi) over the rows of the last `forward`.

        Parameters
        ----------
        estimate : tensor of shape (n, K)
            Estimated rewards R of all arms.
        """
        slope = logit_slope(self._chance, estimate)
        if self.optimiser.entropy:
            slope += self.optimiser.entropy * entropy_slope(self._chance, self._log_chance)
        self.head.backward(self._theta, self._slopes, self._kept, slope / -len(slope))
        self._adam()

    def _adam(self) -> None:
        """Take one step of Adam (Kingma & Ba 2015), weights decayed apart from it (AdamW)."""
        import torch

        self.steps += 1
        gradient = self._gradient
        self._mean.lerp_(gradient, 1.0 - MEAN_DECAY)
        self._square.mul_(SQUARE_DECAY).addcmul_(gradient, gradient, value=1.0 - SQUARE_DECAY)
        if self._shrink is not None:
            self._flat.mul_(self._shrink)
        # Both corrections of the running means' start, moved into the size of the step.
        square = (1.0 - SQUARE_DECAY**self.steps) ** 0.5
        size = self.optimiser.learning_rate * square / (1.0 - MEAN_DECAY**self.steps)
        root = torch.sqrt(self._square, out=self._scratch).add_(EPSILON * square)
        self._flat.addcdiv_(self._mean, root, value=-size)
        decay = self.optimiser.averaging
        if decay is not None and self._average is not None:
            self._average.lerp_(self._flat, weight_of_latest(decay, self.steps))

    def write_back(self) -> None:
        """Copy what was learned to where it came from."""
        if self._home is not self._state:
            self._home.copy_(self._state)


def weight_of_latest(decay: float, steps: int) -> float:
    """Return the weight of iterate t in sum_s decay^(t-s) theta_s / sum_s decay^(t-s), s = 1..t.

    That is an exponential moving average that owes nothing to where it started from.

    Examples
    --------
    >>> weight_of_latest(0.5, 1), weight_of_latest(0.5, 2) == 1 / (1 + 0.5)
    (1.0, True)
    """
    return (1.0 - decay) / (1.0 - decay**steps)
