"""The cases of tools/benchmark.py, one per module."""
