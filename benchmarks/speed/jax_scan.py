"""JAX: a jitted epoch, its steps in one `lax.scan`, its buffers donated; several networks by `vmap`."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from speed.problem import Array, Epoch, Problem, Run, Runner, run_epochs

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def jit(problem: Problem) -> Runner:
    """Return a runner of one network."""
    import jax

    compiled = jax.jit(_epoch_of(problem), donate_argnums=(0,))

    def run(n_epochs: int) -> Run:
        return run_epochs(_epochs(problem, compiled, _carry(problem, 0), 1), n_epochs)

    return run


def vmap(problem: Problem) -> Runner:
    """Return a runner of all networks of a problem; the epochs are those of the last."""
    import jax

    compiled = jax.jit(jax.vmap(_epoch_of(problem), in_axes=(0, None, None, None)), donate_argnums=(0,))

    def run(n_epochs: int) -> Run:
        carries = [_carry(problem, model) for model in range(problem.n_models)]
        carry = jax.tree.map(lambda *arrays: jax.numpy.stack(arrays), *carries)
        return run_epochs(_epochs(problem, compiled, carry, problem.n_models), n_epochs)

    return run


def _carry(problem: Problem, model: int) -> Any:
    """Return the initial parameters, and what the optimiser remembers: two moments and the number of steps."""
    import jax
    import jax.numpy as jnp

    parameters = [(jnp.array(weight.T), jnp.array(bias)) for weight, bias in zip(*problem.layers(model), strict=True)]
    if problem.config.optimizer.name == "sgd":
        return parameters, ()
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    return parameters, (*zeros, jnp.zeros((), jnp.float32))


def _outputs_of(problem: Problem) -> Callable[[Any, Any], Any]:
    """Return the network as a function of parameters and inputs."""
    import jax

    activate = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}[str(problem.config.model.activation)]

    def outputs(parameters: Any, inputs: Any) -> Any:
        for weight, bias in parameters[:-1]:
            inputs = activate(inputs @ weight + bias)
        return inputs @ parameters[-1][0] + parameters[-1][1]

    return outputs


def _loss_of(problem: Problem) -> Callable[[Any, Any], Any]:
    """Return the mean cost of outputs as ours is defined; classes come as rows of an identity matrix."""
    import jax
    import jax.numpy as jnp

    if problem.is_classification:
        return lambda outputs, targets: -jnp.sum(targets * jax.nn.log_softmax(outputs)) / len(targets)
    return lambda outputs, targets: jnp.sum((outputs - targets) ** 2) / (2 * len(targets))


def _update_of(problem: Problem) -> Callable[..., Any]:
    """Return the update rule: from parameters, memory and gradients to new parameters and memory."""
    import jax

    rate = problem.learning_rate

    def sgd(parameters: Any, memory: Any, gradients: Any) -> Any:
        return jax.tree.map(lambda p, g: p - rate * g, parameters, gradients), memory

    def adam(parameters: Any, memory: Any, gradients: Any) -> Any:
        mean, squares, steps = memory
        steps += 1
        mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradients)
        squares = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, squares, gradients)
        scale, root = rate / (1 - BETA1**steps), jax.numpy.sqrt(1 - BETA2**steps)

        def moved(p: Any, m: Any, v: Any) -> Any:
            return p - scale * m / (jax.numpy.sqrt(v) / root + EPSILON)

        return jax.tree.map(moved, parameters, mean, squares), (mean, squares, steps)

    return {"sgd": sgd, "adam": adam}[problem.config.optimizer.name]


def _epoch_of(problem: Problem) -> Callable[[Any, Any, Any, Any], Any]:
    """Return an epoch as a function of the carry, the batches' rows, the train part and the validation part."""
    import jax
    import jax.numpy as jnp

    outputs, loss, update = _outputs_of(problem), _loss_of(problem), _update_of(problem)
    gradient = jax.value_and_grad(lambda parameters, inputs, targets: loss(outputs(parameters, inputs), targets))

    def epoch(carry: Any, order: Any, train: Any, validation: Any) -> Any:
        def step(carry: Any, rows: Any) -> Any:
            batch = train if rows is None else [array[rows] for array in train]
            value, gradients = gradient(carry[0], *batch)
            return update(*carry, gradients), value

        carry, losses = step(carry, None) if problem.steps == 1 else jax.lax.scan(step, carry, order)
        found, targets = outputs(carry[0], validation[0]), validation[1]
        accuracy = jnp.mean(found.argmax(1) == targets.argmax(1))
        return carry, losses, loss(found, targets), accuracy

    return epoch


def _epochs(problem: Problem, compiled: Callable[..., Any], carry: Any, n_models: int) -> Iterator[Epoch]:
    import jax

    generator = np.random.default_rng(problem.config.seed)
    train, validation = (
        [jax.numpy.asarray(part.inputs), jax.numpy.asarray(problem.targets_by_unit(part.targets))]
        for part in (problem.train, problem.validation)
    )
    while True:
        order = _order(problem, generator).reshape(problem.steps, problem.batch_size)
        carry, *results = compiled(carry, order, train, validation)
        losses, *scores = (np.asarray(result)[-1:] if n_models > 1 else np.asarray(result) for result in results)
        accuracy = float(scores[1].item()) if problem.is_classification else float("nan")
        yield Epoch(float(losses.mean()), float(scores[0].item()), accuracy)


def _order(problem: Problem, generator: np.random.Generator) -> Array:
    """Return the order of the samples; drawing it on the host is quicker than in XLA."""
    n_samples = len(problem.train.inputs)
    order = generator.permutation(n_samples) if problem.shuffles else np.arange(n_samples)
    return order.astype(np.int32)
