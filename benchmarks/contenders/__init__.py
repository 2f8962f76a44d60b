"""The same task in each framework: one module each, with ``send`` for the producer's process."""
