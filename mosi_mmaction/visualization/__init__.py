"""Draw and measure what a network sees and where it looks.

Used by the tools only; training does not import it. Needs matplotlib and
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

# Pictures are written to files, so that no display is needed.
matplotlib.use('Agg')
