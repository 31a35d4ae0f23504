"""How a run is carried out: hooks, precision, memory."""
