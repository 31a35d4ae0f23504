"""An experiment: rows that are compared in one table."""

from collections.abc import Callable, Iterable
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

    def keep(
        self,
        words: Iterable[str],
        finished: Callable[[Row], bool] = lambda row: False,
    ) -> None:
        """Keep the rows that have any of these words, and their baselines.

        Args:
            words: Parts of conditions.
            finished: Whether all runs of a row are finished; such rows are
                kept, too, so that a table does not lose them.

        Raises:
            ValueError: If no row has one of the words.
        """
        for word in words:
            if not any(word in row.condition for row in self.rows):
                conditions = '; '.join(row.condition for row in self.rows)
                raise ValueError(
                    f'no row of {self.title!r} has {word!r}: '
                    f'there are {conditions}'
                )
        asked = [
            row
            for row in self.rows
            if any(word in row.condition for word in words)
        ]
        wanted = {id(row) for row in asked}
        wanted |= {id(row.baseline) for row in asked}
        for row in self.rows:
            if finished(row) and (
                row.baseline is None or finished(row.baseline)
            ):
                wanted.add(id(row))
        kept = [row for row in self.rows if id(row) in wanted]
        if len(kept) < len(self.rows):
            self.notes.append('Not all rows of this experiment.')
        self.rows = kept
