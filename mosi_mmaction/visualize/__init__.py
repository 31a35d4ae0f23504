"""Draw and measure what a network is shown and where it looks.

For the tools: nothing of it is imported by training. Needs matplotlib and
scikit-learn, ``pip install mosi_mmaction[vis]``.
"""
try:
    import matplotlib  # noqa: F401
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'{error}: pictures and their figures need matplotlib and '
        'scikit-learn; `pip install mosi_mmaction[vis]` has both') from error
