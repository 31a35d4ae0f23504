"""The experiments of the paper: their rows, their runs, their scheduler."""
