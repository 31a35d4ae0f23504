"""Training-loop hooks, one duty a file."""

from .autocast import AutocastHook
from .deterministic import DeterministicHook

__all__ = ['AutocastHook', 'DeterministicHook']
