"""The classifier: classes or labels in, probabilities out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, is_multilabel, type_of_target

from plainmlp.estimators.base import BaseMLP, keep_signature
from plainmlp.estimators.parameters import choice
from plainmlp.estimators.rows import Rows, dense
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.functions import log
from plainmlp.nn.losses import LOSSES


@keep_signature
@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multilayer perceptron that predicts classes or labels.

    Two classes share one output; several classes have one each, and so have labels. `BaseMLP` describes the other
    parameters and attributes.

    Parameters
    ----------
    class_weight : "balanced" or mapping of class to float, optional
        How much the samples of each class count; for labels, a list of such mappings. "balanced" makes all classes
        count the same.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        In order; for labels their numbers.
    multilabel_ : bool
        Whether several labels were learned.
    """

    class_weight: Literal["balanced"] | Mapping[Any, float] | None = None
    _losses = tuple(name for name, loss in LOSSES.items() if {"classification", "multilabel"} & set(loss.tasks))

    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
    ) -> Self:
        """Train for one more iteration, over the given rows.

        Parameters
        ----------
        X, y, sample_weight
            See `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes that will ever be seen: needed in the first call, unless `y` has labels.
        """
        if self.class_weight == "balanced":
            message = "class_weight='balanced' is not allowed with partial_fit: the rows to come are not known"
            raise ValueError(message)
        if not hasattr(self, "network_"):
            if classes is None and type_of_target(y) != "multilabel-indicator":
                message = "classes=None is not allowed in the first call of partial_fit: it must hold every class"
                raise ValueError(message)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            message = f"classes={classes!r} is not allowed: the first call of partial_fit had {self.classes_!r}"
            raise ValueError(message)
        return self._partial_fit(X, y, sample_weight, classes)

    def decision_function(self, X: Any) -> Array:
        """Return the sums that reach the outputs, which decide the class.

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_classes or n_labels)
            Of two classes, the second is predicted above 0; of several, the one with the largest sum; each label above 0.
        """
        inputs = self._inputs(X)
        sums = self.network_.logits(inputs)
        if self.multilabel_ or len(self.classes_) != 2:
            return sums
        return sums[:, 1] - sums[:, 0] if sums.shape[1] == 2 else sums[:, 0]

    def predict(self, X: Any) -> Array:
        """Return the class of each sample, (n_samples,), or 1 and 0 for each label, (n_samples, n_labels)."""
        decisions = self.decision_function(X)
        if self.multilabel_:
            return (decisions > 0).astype(np.int64)
        chosen = (decisions > 0).astype(np.intp) if decisions.ndim == 1 else decisions.argmax(axis=1)
        return np.asarray(self.classes_[chosen])

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class or label, (n_samples, n_classes or n_labels)."""
        inputs = self._inputs(X)
        probabilities = self.network_.outputs(inputs)
        if not self.multilabel_ and probabilities.shape[1] < len(self.classes_):
            return np.hstack([1 - probabilities, probabilities])
        return probabilities

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`, -inf for a probability of 0."""
        with np.errstate(all="ignore"):
            return log(self.predict_proba(X))

    def _encode(self, y: Any, *, reset: bool, classes: Any = None) -> Array:
        """Return the places of classes among `classes_`, or labels as numbers."""
        check_classification_targets(y)
        has_labels = is_multilabel(y)
        if not has_labels and y.ndim == 2 and y.shape[1] > 1:
            message = (
                "y has several columns of classes; allowed: one column, or a column of 0 and 1 for each label; "
                "sklearn.multioutput.MultiOutputClassifier fits an estimator to each column"
            )
            raise ValueError(message)
        labels = dense(y) if has_labels else column_or_1d(y, warn=True)
        if reset:
            self.multilabel_ = has_labels
            known = np.arange(labels.shape[1]) if has_labels else labels
            self.classes_ = np.unique(known if classes is None else classes)
        if has_labels != self.multilabel_ or (has_labels and labels.shape[1] != len(self.classes_)):
            message = f"y of the shape {labels.shape} is not allowed: this estimator knows {len(self.classes_)} classes"
            raise ValueError(message)
        if has_labels:
            return labels.astype(np.float64)
        if unknown := sorted(set(labels.tolist()) - set(self.classes_.tolist())):
            message = f"y has the class {unknown[0]!r}, which is not among those known: {self.classes_.tolist()!r}"
            raise ValueError(message)
        return np.searchsorted(self.classes_, labels)

    def _class_weights(self, targets: Array) -> Array | None:
        """Return the weight of each sample's class."""
        if self.class_weight is None:
            return None
        labels = targets.astype(np.int64) if self.multilabel_ else self.classes_[targets]
        return np.asarray(compute_sample_weight(self.class_weight, labels))

    def _convert(self, rows: Rows) -> Rows:
        """Return rows with targets as the loss takes them: for a single output, a column of 0 and 1."""
        is_single = self._outputs(rows.targets)[1] == 1 and len(self.classes_) == 2
        return rows._replace(targets=rows.targets[:, np.newaxis].astype(np.float64)) if is_single else rows

    def _outputs(self, targets: Array) -> tuple[str, int]:
        """Return the loss and the number of outputs: two classes need only one."""
        given, n_classes = choice("loss", self.loss)[0], len(self.classes_)
        single = n_classes == 2 and not self.multilabel_
        fitting = "binary_cross_entropy" if single or self.multilabel_ else "cross_entropy"
        loss = fitting if given == "auto" else given
        if loss != fitting and not single:
            message = f"loss={loss!r} is not allowed for these targets: it must be 'auto' or {fitting!r}"
            raise ValueError(message)
        return loss, 1 if single and loss == "binary_cross_entropy" else n_classes

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
