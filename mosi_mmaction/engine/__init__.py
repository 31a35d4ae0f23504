"""What the runner is given: hooks, loops, schedules, autocast, memory."""
