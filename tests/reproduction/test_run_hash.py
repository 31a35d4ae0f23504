"""The hash of a run is of what decides its result, and of nothing else."""

import pytest

from helpers.paths import CONFIGS
from mosi_mmaction.reproduction.runs import Run


@pytest.mark.parametrize(
    'options, decides',
    [
        ({'default_hooks.logger.interval': 5}, False),
        ({'default_hooks.checkpoint.max_keep_ckpts': 1}, False),
        ({'default_hooks.channels': None, 'log_level': 'DEBUG'}, False),
        ({'custom_hooks': [dict(type='StepTimeHook')]}, False),
        ({'custom_hooks': [dict(type='FreezeHook')]}, True),
        ({'default_hooks.fast': None}, True),
        ({'optim_wrapper.optimizer.lr': 1e-9}, True),
        ({'train_dataloader.batch_size': 3}, True),
    ],
)
def test_hash_of_a_run(options, decides):
    config = str(CONFIGS / 'tiny' / 'finetune_r2p1d_weizmann.py')
    plain = Run('plain', config).spec({})
    assert (Run('other', config, options=options).spec({}) != plain) is decides
