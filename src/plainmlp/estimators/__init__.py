"""The networks as Python objects: `network` by themselves, `classifier` and `regressor` as scikit-learn's estimators."""
