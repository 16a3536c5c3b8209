"""The same steps as in `plainmlp.nn`, compiled by Numba: the same bits, at the speed of their arithmetic.

`lanes` teaches Numba vectors of 16 numbers, and `tables` lets it compile the functions of the core as they stand, and
choose among them. `plan` says where the numbers of a network lie, `products` has the sums, `samples`, `passes`
and `one_sample` the passes, `steps` the updates, and `descent` is the door. What is compiled is kept on disk, see `cache`;
`python -m plainmlp.nn.compiled` compiles beforehand.
"""
