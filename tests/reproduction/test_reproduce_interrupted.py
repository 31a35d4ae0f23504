"""Runs that are interrupted or killed end with the same table."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from helpers.paths import TOOLS
from mosi_mmaction.reproduction.results_store import Results


def _command(micro, root):
    return [
        sys.executable,
        '-W',
        'ignore',
        str(TOOLS / 'reproduce.py'),
        'flip',
        '--images',
        str(micro['images']),
        '--videos',
        str(micro['videos']),
        '--splits',
        str(micro['splits']),
        '--work-dir',
        str(root),
        '--pretrain-epochs',
        '2',
        '--finetune-epochs',
        '12',
        '--seeds',
        '2',
        '--jobs',
        '1',
    ]


def _reproduce(micro, root):
    done = subprocess.run(
        _command(micro, root), capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def _table(root):
    """All that the table says but what it cost."""
    rows = Results(root / 'results').tables()['flip_given']['rows']
    return [{k: v for k, v in row.items() if k != 'hours'} for row in rows]


def _raw(root):
    return {p.parent.name: p.read_bytes() for p in root.glob('*/result.json')}


def _weights(root):
    """The last weights of every run: accuracies alone are too coarse."""
    weights = {}
    for folder in root.glob('tiny-*'):
        epoch = 12 if 'finetune' in folder.name else 2
        state = torch.load(folder / f'epoch_{epoch}.pth')['state_dict']
        weights.update({(folder.name, k): v for k, v in state.items()})
    return weights


def _same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(first[k], second[k]) for k in first
    )


def _kill(micro, root, moment, everybody):
    """Start, and SIGKILL as soon as ``moment()`` is true."""
    with open(root.with_suffix('.log'), 'a') as log:
        tool = subprocess.Popen(
            _command(micro, root),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.time() + 600
    while not moment():
        assert tool.poll() is None and time.time() < end, root.with_suffix(
            '.log'
        ).read_text()[-2000:]
        time.sleep(0.05)
    if everybody:
        os.killpg(tool.pid, signal.SIGKILL)
    else:
        tool.kill()
    tool.wait()


@pytest.fixture(scope='module')
def straight(micro, tmp_path_factory):
    """Folder of runs that nobody interrupted."""
    root = tmp_path_factory.mktemp('straight')
    _reproduce(micro, root)
    return root


@pytest.mark.long
def test_interrupted_runs_end_with_the_same_table(micro, straight, tmp_path):
    broken = tmp_path / 'broken'
    raw, table = _raw(straight), _table(straight)
    weights = _weights(straight)
    assert len(raw) == 6  # 2 pretrainings, 2 x 2 fine-tunings
    lines = Results(straight / 'results').runs()
    assert lines.keys() == raw.keys()
    for name, line in lines.items():
        assert json.loads(raw[name]).items() <= line.items()
        assert all(line[k] is not None for k in line if k != 'init'), line
    assert '/tmp' not in (straight / 'results/runs.jsonl').read_text()
    assert all(row['pretext'] is not None for row in table)

    def saved(kind, epoch):
        return lambda: any(broken.glob(f'tiny-{kind}*/epoch_{epoch}.pth'))

    # In a pretraining, with all of its processes; then in a fine-tuning
    # the tool alone, so that the training goes on without it.
    _kill(micro, broken, saved('mosi', 1), everybody=True)
    _kill(micro, broken, saved('finetune', 4), everybody=False)
    _reproduce(micro, broken)
    assert any(
        len(list(p.glob('*/vis_data'))) > 1 for p in broken.glob('tiny-*')
    )
    assert _table(broken) == table
    for name, text in _raw(broken).items():
        ours, whole = json.loads(text), json.loads(raw[name])
        assert ours['final'] == whole['final']
        # A kill may have come between a checkpoint and its validation.
        assert [e for e in whole['curve'] if e in ours['curve']] == ours[
            'curve'
        ]
    assert _raw(broken).keys() == raw.keys()
    assert _same(_weights(broken), weights)

    # One seed of one row once more, the others are kept.
    name = table[1]['finetunes'][1]
    kept = {
        p: p.stat().st_mtime_ns
        for p in straight.glob('*/result.json')
        if name not in p.parts
    }
    shutil.rmtree(straight / name)
    _reproduce(micro, straight)
    assert _raw(straight) == raw
    assert _same(_weights(straight), weights)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


@pytest.mark.long
def test_killed_before_its_last_validation(micro, straight):
    name = _table(straight)[0]['finetunes'][0]
    whole = (straight / name / 'result.json').read_bytes()
    # As if the kill had come between the last checkpoint and the end.
    (straight / name / 'result.json').unlink()
    for path in (straight / name).glob('*/vis_data/scalars.json'):
        lines = path.read_text().splitlines(keepends=True)
        last = json.loads(lines[-1])
        assert last['step'] == 12 and 'acc/top1' in last
        path.write_text(''.join(lines[:-1]))
    _reproduce(micro, straight)
    assert (straight / name / 'result.json').read_bytes() == whole
