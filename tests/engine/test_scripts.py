"""Our hooks in scripts that build a Runner by hand, without a config."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mosi_mmaction import config_path

# Those of every config of ours, but for the interval.
HOOKS = Config.fromfile(
    config_path('tiny/finetune_r2p1d_actions')
).default_hooks
HOOKS.checkpoint.update(interval=1, save_best='toy/mean', rule='greater')


class Toy(BaseModel):
    def __init__(self, backbone=None):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.backbone = backbone or nn.Identity()

    def forward(self, x, mode='loss'):
        """Return the loss, or the values."""
        values = self.layer(torch.stack(x))
        return dict(loss=values.mean()) if mode == 'loss' else list(values)


class Mean(BaseMetric):
    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        """Keep the values."""
        self.results += [float(value) for value in data_samples]

    def compute_metrics(self, results):
        """Return their mean."""
        return dict(mean=sum(results) / len(results))


def runner(folder, name='script', **options):
    data = [dict(x=torch.tensor([i, 1.0])) for i in range(4)]
    loader = DataLoader(data, batch_size=2, collate_fn=pseudo_collate)
    return Runner(
        **{
            'model': Toy(),
            'work_dir': str(folder),
            'train_dataloader': loader,
            'train_cfg': dict(by_epoch=True, max_epochs=1),
            'val_dataloader': loader,
            'val_cfg': {},
            'val_evaluator': [Mean()],
            'optim_wrapper': dict(optimizer=dict(type='SGD', lr=0.1)),
            'param_scheduler': dict(
                type='OneCycleLR', by_epoch=True, eta_max=0.1, total_steps=3
            ),
            'default_hooks': HOOKS,
            'default_scope': 'mmaction',
            'experiment_name': f'{name}_{folder}'.replace('/', '_'),
            'log_level': 'ERROR',
            **options,
        }
    )


def test_a_network_that_a_script_built_is_trained_and_saved(tmp_path):
    # Its checkpoint is read again, with the schedule in it, to be published.
    runner(tmp_path).train()
    file = torch.load(tmp_path / 'epoch_1.pth')
    assert file['meta']['mosi_mmaction']['backbone'] == {}
    assert file['meta']['mosi_mmaction']['data']['samples'] == 4
    assert len([*tmp_path.glob('epoch_1-*.pth')]) == 1


def test_validation_alone_saves_nothing(tmp_path):
    network = Toy()
    found = runner(tmp_path, 'validation', model=network).val()
    with torch.no_grad():
        want = network([torch.tensor([i, 1.0]) for i in range(4)], 'predict')
    assert found['toy/mean'] == pytest.approx(sum(map(float, want)) / 4)
    assert not [*tmp_path.rglob('*.pth')]
