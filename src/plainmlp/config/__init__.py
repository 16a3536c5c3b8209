"""The typed configuration, its YAML, and where the inputs and results of a run lie."""
