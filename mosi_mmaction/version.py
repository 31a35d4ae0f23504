"""The package's version, importable without torch or OpenMMLab."""

__version__ = '0.1.0'
