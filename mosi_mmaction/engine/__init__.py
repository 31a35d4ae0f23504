"""Hooks, loops, schedules and autocast for the runner."""
