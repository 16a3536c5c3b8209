"""Small models of every kind, to be exported."""

from dataclasses import replace

import numpy as np

from networks import draw_parameters, make_architecture
from parted import split_section
from plainmlp.data.arrays import Column, Description, Part
from plainmlp.data.preparation import Preparation, fit_preparation
from plainmlp.data.scaling import Scaling
from plainmlp.training.model import Model

NUMBERS = tuple(Column(name) for name in "abcd")
CLASSES = ("none", "some", "all")


def description_of(loss: str, columns: tuple[Column, ...] = NUMBERS, *, n_outputs: int = 3) -> Description:
    """Return what the outputs of a network with a loss mean; one output of a binary cross-entropy is two classes."""
    if loss == "cross_entropy":
        return Description("drawn", "classification", columns, ("amount",), CLASSES)
    if loss == "binary_cross_entropy" and n_outputs == 1:
        return Description("drawn", "classification", columns, ("amount",), CLASSES[:2])
    task = "multilabel" if loss == "binary_cross_entropy" else "regression"
    return Description("drawn", task, columns, tuple(f"target {place}" for place in range(n_outputs)))


def drawn_model(activations="tanh", loss="cross_entropy", dtype=np.float32, *, n_outputs=3, **options) -> Model:
    """Return a model of four numbers with random weights, and its preparation fitted to random numbers."""
    description = description_of(loss, n_outputs=n_outputs)
    generator = np.random.default_rng(3)
    rows = Part(generator.normal(5, 3, (50, 4)), generator.normal(-20, 40, (50, n_outputs)))
    preparation = fit_preparation(rows, description, split_section("standard", "standard"), "refuse")
    architecture = make_architecture((4, 7, 6, n_outputs), activations, loss, **options)
    return Model(architecture, draw_parameters(architecture, dtype=dtype), preparation, description)


def model_on(preparation: Preparation, description: Description, dtype=np.float32) -> Model:
    """Return a network of random weights on prepared data."""
    loss = {"classification": "cross_entropy", "multilabel": "binary_cross_entropy"}.get(
        description.task, "squared_error"
    )
    n_outputs = len(description.class_names or description.target_names)
    architecture = make_architecture((len(preparation.input_names), 9, n_outputs), "tanh", loss)
    return Model(architecture, draw_parameters(architecture, dtype=dtype), preparation, description)


def copying_model(preparation: Preparation, dtype=np.float32) -> Model:
    """Return a network without a hidden layer whose outputs are its prepared inputs, bit for bit."""
    names = preparation.input_names
    as_it_is = replace(preparation, target_scaling=Scaling(np.zeros(len(names)), np.ones(len(names))))
    description = Description("copied", "regression", preparation.columns, names)
    architecture = make_architecture((len(names), len(names)), (), "squared_error", bias=False)
    return Model(architecture, np.eye(len(names), dtype=dtype).ravel(), as_it_is, description)
