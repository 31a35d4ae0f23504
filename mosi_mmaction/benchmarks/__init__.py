"""What tools/benchmark.py measures, a case a module."""
