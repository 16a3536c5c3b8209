"""What a step of training costs: the same work on this package and on others, side by side in one run."""
