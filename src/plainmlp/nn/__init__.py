"""The networks themselves: everything that trains, on NumPy alone.

Inside this package an array of activations has the shape (n_models, n_units, n_batch): units before samples, so that
sums over units and over the batch run along long contiguous rows. Public functions take (n_samples, n_features).
"""
