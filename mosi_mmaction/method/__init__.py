"""The method: draw a plan, then render it. NumPy only, except on a device."""
