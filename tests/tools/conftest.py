"""What several tools draw and measure."""

import pytest
import torch

from mosi_mmaction.apis import networks as network
from mosi_mmaction.synthetic.write import write_action_videos

PRETRAIN = 'tiny/mosi_r2p1d_deadleaves'


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    write_action_videos(
        root, 2, 'test', actions=('oscillate', 'bounce'), num_frames=20
    )
    return root


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    model = network.build_network(network.read_config(PRETRAIN), seed=3)
    file = tmp_path_factory.mktemp('checkpoint') / 'a.pth'
    torch.save(dict(state_dict=model.state_dict()), file)
    return str(file)
