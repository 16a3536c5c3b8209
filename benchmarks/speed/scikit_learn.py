"""scikit-learn: its multilayer perceptrons, with a validation part after each epoch."""

import time
import warnings
from typing import Any

import numpy as np

from speed.problem import Epoch, Problem, Run, Runner


def scikit_learn(problem: Problem) -> Runner:
    """Return a runner of scikit-learn's own training.

    It parts the rows, checks them and draws its weights in each training, which is no part of a step: the seconds are
    those of a training of all epochs less those of one of a single epoch.
    """

    def run(n_epochs: int) -> Run:
        short, _ = _fit(problem, 1)
        seconds, estimator = _fit(problem, n_epochs)
        scores = estimator.validation_scores_ if problem.is_classification else [float("nan")] * n_epochs
        epochs = [Epoch(loss, float("nan"), score) for loss, score in zip(estimator.loss_curve_, scores, strict=True)]
        return Run(seconds - short, epochs)

    return run


def _fit(problem: Problem, n_epochs: int) -> tuple[float, Any]:
    """Train, and return the seconds and the estimator."""
    from sklearn.exceptions import ConvergenceWarning

    inputs = np.concatenate([problem.train.inputs, problem.validation.inputs])
    targets = np.concatenate([problem.train.targets, problem.validation.targets])
    estimator = _estimator(problem, n_epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that all epochs were made is what is wanted
        start = time.perf_counter()
        estimator.fit(inputs, targets)
        return time.perf_counter() - start, estimator


def _estimator(problem: Problem, n_epochs: int) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    config, n_validation = problem.config, len(problem.validation.inputs)
    return (MLPClassifier if problem.is_classification else MLPRegressor)(
        hidden_layer_sizes=config.model.hidden_sizes,
        activation={"relu": "relu", "sigmoid": "logistic"}[str(config.model.activation)],
        solver=config.optimizer.name,
        alpha=0.0,
        batch_size=problem.batch_size,
        learning_rate_init=problem.learning_rate,
        momentum=0.0,
        nesterovs_momentum=False,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        shuffle=problem.shuffles,
        early_stopping=True,
        validation_fraction=n_validation / (len(problem.train.inputs) + n_validation),
        random_state=config.seed,
    )
