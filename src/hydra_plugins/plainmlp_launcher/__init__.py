"""What plainmlp adds to Hydra: the sweeper `grid` and the launchers `processes` and `dask`.

Hydra imports every module here whose name does not begin with an underscore, at the start of every command.
"""
