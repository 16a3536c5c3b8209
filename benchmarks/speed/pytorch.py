"""PyTorch, eager: a Sequential, its automatic gradients and its optimisers, on tensors in memory."""

from collections.abc import Callable, Iterator
from typing import Any

from speed.problem import Epoch, Problem, Run, Runner, run_epochs


def eager(problem: Problem) -> Runner:
    """Return a runner of PyTorch's eager mode with its optimisers as they are by default."""

    def run(n_epochs: int) -> Run:
        return run_epochs(_epochs(problem, fused=False), n_epochs)

    return run


def fused(problem: Problem) -> Runner:
    """Return a runner of PyTorch's eager mode with an update in one kernel, which is quicker for Adam on a CPU."""

    def run(n_epochs: int) -> Run:
        return run_epochs(_epochs(problem, fused=True), n_epochs)

    return run


def _network(problem: Problem) -> Any:
    """Return the network with its initial weights."""
    import torch
    from torch import nn

    activation = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[str(problem.config.model.activation)]
    modules: list[Any] = []
    for weight, bias in zip(*problem.layers(), strict=True):
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
        modules += [linear, activation()]
    return nn.Sequential(*modules[:-1])


def _optimizer(problem: Problem, network: Any, *, fused: bool) -> Any:
    import torch

    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[problem.config.optimizer.name]
    return kind(network.parameters(), lr=problem.learning_rate, fused=fused or None)


def _loss(problem: Problem) -> Callable[[Any, Any], Any]:
    """Return the mean cost of a batch, as ours is defined."""
    from torch.nn import functional

    def half_square(outputs: Any, targets: Any) -> Any:
        return functional.mse_loss(outputs, targets) * (outputs.shape[1] / 2)

    cross_entropy: Callable[[Any, Any], Any] = functional.cross_entropy
    return cross_entropy if problem.is_classification else half_square


def _epochs(problem: Problem, *, fused: bool) -> Iterator[Epoch]:
    import torch

    network, loss_of = _network(problem), _loss(problem)
    optimizer = _optimizer(problem, network, fused=fused)
    inputs, targets = map(torch.from_numpy, problem.train[:2])
    validation = [torch.from_numpy(array) for array in problem.validation[:2]]
    torch.manual_seed(problem.config.seed)
    while True:
        losses = []
        for batch, wanted in _batches(problem, inputs, targets):
            loss = loss_of(network(batch), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        yield Epoch(float(torch.stack(losses).mean()), *_validate(network, loss_of, *validation))


def _batches(problem: Problem, inputs: Any, targets: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the batches of an epoch; of the ways to pick rows, `index_select` is the quickest."""
    import torch

    if problem.shuffles:
        for rows in torch.randperm(len(inputs)).split(problem.batch_size):
            yield inputs.index_select(0, rows), targets.index_select(0, rows)
    else:
        for part in problem.slices:
            yield inputs[part], targets[part]


def _validate(network: Any, loss_of: Callable[[Any, Any], Any], inputs: Any, targets: Any) -> tuple[float, ...]:
    """Return the loss and, where the targets are classes, the accuracy."""
    import torch

    with torch.inference_mode():
        outputs = network(inputs)
        loss = float(loss_of(outputs, targets))
        return (loss, float((outputs.argmax(1) == targets).float().mean())) if targets.ndim == 1 else (loss,)
