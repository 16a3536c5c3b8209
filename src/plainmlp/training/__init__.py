"""How one configuration becomes one trained model: our own engine, other libraries, checkpoints."""
