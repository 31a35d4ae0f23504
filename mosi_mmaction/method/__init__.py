"""The method: draw a plan, then render it. NumPy alone but for the device."""
