"""The experiments of the paper, and six of ours, as declared runs.

An experiment is a list of rows. A row is a condition: one pretraining (or
none) and one fine-tuning run for every replicate, a seed or a fold. A preset
defines networks and data: :class:`~.preset_tiny.Tiny` trains in minutes on a
CPU, :class:`~.preset_paper.Paper` at the paper's size. A run is named by a
hash of everything that decides its result, so runs that experiments share are
trained once.
"""

from .experiment import Experiment
from .leave_one_out import table1_loso
from .own_tables import flip, layers, rates, sources
from .panned import panned
from .paper_tables import fig6, fig7, table1, table2, table3, table4, table5

#: All except :func:`table1_loso`, by name.
EXPERIMENTS = dict(
    table1=table1,
    table2=table2,
    table3=table3,
    table4=table4,
    table5=table5,
    fig6=fig6,
    fig7=fig7,
    flip=flip,
    sources=sources,
    rates=rates,
    layers=layers,
    panned=panned,
)

__all__ = ['EXPERIMENTS', 'Experiment', 'table1_loso', *EXPERIMENTS]
