"""What the runner is given: hooks, autocast, memory."""
