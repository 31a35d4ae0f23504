"""The paper's method in NumPy, and the same on a device."""
