"""Loops."""

from .round_train_loop import RoundTrainLoop

__all__ = ['RoundTrainLoop']
