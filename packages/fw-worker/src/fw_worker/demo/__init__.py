"""``fw demo``: the user's example, run for real on this machine, step by step."""
