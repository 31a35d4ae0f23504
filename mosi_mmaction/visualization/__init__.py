"""Draw and measure what a network is shown and where it looks.

For the tools: nothing of it is imported by training. Needs matplotlib and
scikit-learn, ``pip install mosi_mmaction[vis]``.
"""

try:
    import matplotlib
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'{error}: pictures and their figures need matplotlib and '
        'scikit-learn; `pip install mosi_mmaction[vis]` has both'
    ) from error

# Pictures are written to files, also where there is no display.
matplotlib.use('Agg')
