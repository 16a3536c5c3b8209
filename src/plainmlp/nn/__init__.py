"""The networks themselves: everything that trains, on NumPy alone, and the definition of every bit of it.

Begin with `products`, which says in which order sums go; then `network` (a pass forward and backward), `descent` (an
update) and `training` (an epoch). The functions of `functions`, `activations`, `losses` and `optimizers` are compiled
as they stand, for vectors of 16 numbers, by `compiled`, whose loops do the same in the same order.
"""
