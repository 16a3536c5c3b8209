"""PyTorch: its layers, its automatic gradients and its optimisers."""

from collections.abc import Callable
from functools import partial
from typing import Any

from plainmlp.nn.activations import LEAK
from plainmlp.nn.descent import Start
from plainmlp.nn.recipe import Recipe
from plainmlp.training.backends.table import Array, Step, join_layers, split_layers


class TorchNetwork:
    """A network of PyTorch."""

    def __init__(self, start: Start) -> None:
        import torch

        torch.set_num_threads(start.threads)
        self._recipe = start.recipe
        weights, biases = split_layers(start.parameters, start.architecture)
        # the memory of some optimisers has this dtype and not that of the weights
        torch.set_default_dtype(torch.from_numpy(start.parameters).dtype)
        self._weights = [torch.tensor(weight, requires_grad=True) for weight in weights]
        self._biases = [torch.tensor(bias, requires_grad=True) for bias in biases]
        activations = _activations()
        self._activations = [activations[name] for name in start.architecture.activations]
        self._costs = partial(_costs()[start.architecture.loss], **dict(start.architecture.loss_options))
        self._optimizer = _optimizer(start.recipe, self._weights, self._biases)

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update."""
        import torch

        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad()
        sums = self._forward(torch.from_numpy(inputs))
        costs = self._costs(sums, torch.from_numpy(targets))
        loss = (costs if weights is None else costs * torch.from_numpy(weights)).mean() + self._penalty()
        loss.backward()
        step = Step(loss.item(), sums.detach().numpy(), self._join("grad"))
        self._optimizer.step()
        return step

    def parameters(self) -> Array:
        """Return the parameters as they are now."""
        return self._join("data")

    def _forward(self, values: Any) -> Any:
        from torch.nn.functional import linear

        biases = self._biases or [None] * len(self._weights)
        for weight, bias, activation in zip(self._weights, biases, [*self._activations, None], strict=True):
            values = linear(values, weight, bias)
            values = values if activation is None else activation(values)
        return values

    def _penalty(self) -> Any:
        """Return l1 * sum |w| + l2 / 2 * sum w^2; nothing is computed for a rate of zero."""
        l1, l2 = self._recipe.l1, self._recipe.l2
        absolute = l1 * sum(weight.abs().sum() for weight in self._weights) if l1 else 0.0
        return absolute + (l2 / 2 * sum(weight.square().sum() for weight in self._weights) if l2 else 0.0)

    def _join(self, attribute: str) -> Array:
        """Return the data or the gradients of all parameters."""
        layers = ([getattr(p, attribute).numpy() for p in part] for part in (self._weights, self._biases))
        return join_layers(*layers)


def _activations() -> dict[str, Callable[[Any], Any]]:
    import torch
    from torch.nn import functional

    return {
        "identity": lambda z: z,
        "relu": torch.relu,
        "leaky_relu": partial(functional.leaky_relu, negative_slope=LEAK),
        "elu": functional.elu,
        "selu": torch.selu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softplus": partial(functional.softplus, threshold=700),  # beyond which PyTorch takes it for the identity
        "silu": functional.silu,
        "gelu": partial(functional.gelu, approximate="tanh"),
    }


def _costs() -> dict[str, Callable[..., Any]]:
    """Return for each loss the function (sums, targets, **options) that gives the cost of each sample."""
    import torch
    from torch.nn import functional

    def summed(cost: Callable[..., Any], scale: float = 1.0) -> Callable[..., Any]:
        return lambda z, t, **options: scale * cost(z, t, reduction="none", **options).sum(dim=1)

    return {
        "cross_entropy": partial(functional.cross_entropy, reduction="none"),
        "binary_cross_entropy": summed(functional.binary_cross_entropy_with_logits),
        "squared_error": summed(functional.mse_loss, 0.5),
        "absolute_error": summed(functional.l1_loss),
        "huber": lambda z, t, threshold: summed(functional.huber_loss)(z, t, delta=threshold),
        "relu_squared_error": lambda z, t: summed(functional.mse_loss, 0.5)(torch.relu(z), t),
    }


def _optimizer(recipe: Recipe, weights: list[Any], biases: list[Any]) -> Any:
    """Return PyTorch's optimiser; only weights decay."""
    from torch import optim

    o, rate, every = recipe.optimizer_options, recipe.learning_rate, [*weights, *biases]
    if recipe.optimizer in {"sgd", "momentum", "nesterov"}:
        return optim.SGD(every, rate, momentum=o.get("momentum", 0.0), nesterov=recipe.optimizer == "nesterov")
    if recipe.optimizer == "adagrad":
        return optim.Adagrad(every, rate, eps=o["epsilon"])
    if recipe.optimizer == "rmsprop":
        return optim.RMSprop(every, rate, alpha=o["decay"], eps=o["epsilon"])
    adam = {"lr": rate, "betas": (o["beta1"], o["beta2"]), "eps": o["epsilon"]}
    if recipe.optimizer == "adam":
        return optim.Adam(every, **adam)
    if recipe.optimizer == "nadam":
        return optim.NAdam(every, **adam, momentum_decay=o["momentum_decay"])
    decaying = {"params": weights, "weight_decay": o["weight_decay"]}
    return optim.AdamW([decaying, *([{"params": biases, "weight_decay": 0.0}] if biases else [])], **adam)


NETWORK = TorchNetwork
