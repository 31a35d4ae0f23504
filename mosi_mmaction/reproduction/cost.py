"""The remaining runs of a list of experiments, and their estimated cost."""

import shlex

from .experiment import Experiment
from .presets import Preset
from .run_commands import Launch, commands
from .run_process import finished
from .runs import Run

#: Seconds from the start of a process to its first step, for estimates.
STARTUP = 10


def print_plan(
    tables: list[tuple[Experiment, Preset, str]],
    runs: dict[str, Run],
    launch: Launch,
    scale: int,
    jobs: int,
) -> None:
    """Print the commands and the estimated cost of the remaining runs."""
    preset = tables[0][1]
    root, unit = preset.root, preset.unit
    cost, printed = {}, set()
    for name, run in runs.items():
        epochs = run.resolve(root, runs).train_cfg.max_epochs
        done = finished(root / name, run.spec(runs))
        cost[name] = (
            0.0 if done else (epochs * run.cost + scale * STARTUP) / 3600
        )
    sums = []
    for table, _, stem in tables:
        used = {}
        for row in table.rows:
            for name in (*row.pretrains, *row.finetunes):
                used[name] = cost[name]
                if name not in printed:
                    run = runs[name]
                    epochs = run.resolve(root, runs).train_cfg.max_epochs
                    train, test = commands(run, root, epochs, launch)
                    state = (
                        f'about {60 * cost[name]:.1f} {unit}-minutes'
                        if cost[name]
                        else 'done'
                    )
                    print(
                        f'# {stem}, {row.condition}: {epochs} epochs, '
                        f'seed {run.seed}, {state}'
                    )
                    print(shlex.join(train))
                    if run.test:
                        print(shlex.join(test))
                    printed.add(name)
        sums.append(
            f'# {stem}: {len(used)} runs, to do about '
            f'{sum(used.values()):.2f} {unit}-hours'
        )
    print(*sums, sep='\n')
    total = sum(cost.values())
    print(
        f'# {len(cost)} runs, each once; to do about {total:.2f} '
        f'{unit}-hours, {total / jobs / scale:.2f} hours with {jobs} at '
        'once if nothing else runs. config.py and lists are written as '
        'the runs start.'
    )
