"""What a checkpoint may do when it is loaded, and what it may not."""

import builtins
import os
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from helpers.compat_process import load
from mosi_mmaction.compat import imports as compat

compat.apply()


def history():
    buffer = HistoryBuffer()
    for value in (4.0, 1.0, 3.0):
        buffer.update(value)
    return buffer


@pytest.mark.parametrize('core', ['core', '_core'])
def test_history_buffers_of_any_numpy_load(tmp_path, core):
    # The old format keeps the pickle uncompressed, so that its names can be
    # changed to those which the other major version of NumPy writes.
    path = tmp_path / 'epoch_1.pth'
    torch.save(
        {
            'message_hub': {'loss': history()},
            'scalars': [np.dtype(code).type(1) for code in '?bBhHiIlLqQefd'],
            'array': np.arange(6, dtype=np.float32).reshape(2, 3),
            'weight': torch.ones(2),
        },
        path,
        _use_new_zipfile_serialization=False,
    )
    content, replaced = re.subn(
        rb'numpy\._?core\.', f'numpy.{core}.'.encode(), path.read_bytes()
    )
    assert replaced
    path.write_bytes(content)
    loaded = load(path)
    buffer = loaded['message_hub']['loss']
    assert [
        buffer.statistics(name) for name in ('min', 'max', 'mean', 'current')
    ] == [1, 4, 8 / 3, 3]
    assert [s.dtype for s in loaded['scalars']] == list('?bBhHiIlLqQefd')
    assert all(s == 1 for s in loaded['scalars'])
    assert loaded['array'].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert torch.load(path, weights_only=True)['weight'].tolist() == [1, 1]


class Reduced:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call

    def __call__(self):
        """Exists as pickle wants the function of a call to be callable."""
        raise NotImplementedError


def test_hostile_call_is_refused_and_not_made(tmp_path):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    torch.save({'state_dict': Reduced(os.system, f'touch {marker}')}, path)
    with pytest.raises(ValueError, match='refused'):
        load(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # so the file was hostile indeed


@pytest.mark.parametrize('strategy', ['cos', 'linear'])
def test_the_schedule_that_keeps_a_function_loads(tmp_path, strategy):
    path = tmp_path / 'epoch_1.pth'
    weight = torch.nn.Parameter(torch.zeros(1))
    schedule = OneCycleParamScheduler(
        torch.optim.SGD([weight], lr=0.1, momentum=0.9),
        'lr',
        eta_max=0.1,
        total_steps=9,
        anneal_strategy=strategy,
    )
    torch.save({'param_schedulers': [schedule.state_dict()]}, path)
    (state,) = load(path)['param_schedulers']
    assert state == schedule.state_dict()


@pytest.mark.parametrize(
    'owner, name',
    [
        (HistoryBuffer, 'update'),
        (OneCycleParamScheduler, '__init__'),
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, '__subclasses__'),
        (Reduced(getattr, HistoryBuffer, 'min'), '__globals__'),
        (OrderedDict, 'fromkeys'),
        (history(), 'mean'),
        (np.ndarray, 'tofile'),
    ],
)
def test_getattr_serves_nothing_but_history_buffers_methods(
    tmp_path, owner, name
):
    path = tmp_path / 'hostile.pth'
    torch.save(Reduced(getattr, owner, name), path)
    assert torch.load(path, weights_only=False) is not None
    with pytest.raises(ValueError, match='refused'):
        load(path)


def test_getattr_chain_that_would_run_code(tmp_path):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    names = Reduced(
        getattr, Reduced(getattr, HistoryBuffer, 'min'), '__globals__'
    )
    module = Reduced(dict.__getitem__, names, '__builtins__')
    torch.save(
        Reduced(
            Reduced(dict.__getitem__, module, 'exec'),
            f'open({str(marker)!r}, "w")',
        ),
        path,
    )
    with pytest.raises(ValueError, match='refused'):
        load(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize(
    'function, args',
    [
        (builtins.eval, ('1',)),
        (HistoryBuffer.min, (history(),)),
    ],
)
def test_other_calls_stay_forbidden(tmp_path, function, args):
    path = tmp_path / 'hostile.pth'
    torch.save(Reduced(function, *args), path)
    with pytest.raises(ValueError, match='refused'):
        load(path)
