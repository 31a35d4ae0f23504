"""An experiment: rows that are compared in one table."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .presets import Row

#: Between a recipe and the number of its pretraining, in a condition.
PRETRAINING = ', pretraining '


@dataclass
class Experiment:
    """The declaration of a table."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folds: bool = False

    def keep(self, words: Iterable[str]) -> None:
        """Keep the rows that have any of these words, and their baselines.

        Args:
            words: Parts of conditions.

        Raises:
            ValueError: If no row has one of them.
        """
        for word in words:
            if not any(word in row.condition for row in self.rows):
                conditions = '; '.join(row.condition for row in self.rows)
                raise ValueError(
                    f'no row of {self.title!r} has {word!r}: '
                    f'there are {conditions}'
                )
        kept = [
            row
            for row in self.rows
            if any(word in row.condition for word in words)
        ]
        wanted = {id(row) for row in kept} | {id(row.baseline) for row in kept}
        self.rows = [row for row in self.rows if id(row) in wanted]
        self.notes.append('Not all rows of this experiment.')
