"""Code shared by the command-line tools.

``start``, ``arguments`` and ``errors`` import nothing but the standard
library, so that a tool parses its arguments before torch is imported.
"""
