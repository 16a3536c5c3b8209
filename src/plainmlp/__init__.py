"""Multilayer perceptrons in plain NumPy, inside a pipeline whose every result can be traced and reproduced."""
