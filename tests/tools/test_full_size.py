"""The whole way at the paper's size, as a user goes it, on a stand-in."""

import os
import pickle
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
import torch
from av.video.frame import PictureType
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import mosi_mmaction  # noqa: F401, for torch.load() of checkpoints
from helpers.paths import ROOT
from helpers.standin_hmdb51 import CLASSES, make

TRAINED, TESTED = 2, 3  # videos of one step, and of the test


@pytest.fixture(scope='module')
def hmdb51(shared_data, tmp_path_factory):
    """The stand-in with its lists, those of split 1 cut short."""
    footage = shared_data / 'videos/weizmann'
    if not footage.is_dir():
        pytest.skip(f'no footage at {footage}')
    out = tmp_path_factory.mktemp('data with blanks') / 'hmdb51'
    make(out, footage)
    done = subprocess.run(
        [
            sys.executable,
            ROOT / 'tools/data/prepare.py',
            'hmdb51',
            *('--splits', out / 'testTrainMulti_7030_splits'),
            *('--videos', out / 'videos', '--out', out),
            '--allow-other-counts',
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (out / 'hmdb51_missing.txt').exists()
    for half, count in (('train', TRAINED), ('val', TESTED)):
        path = out / f'hmdb51_{half}_split_1_videos.txt'
        lines = path.read_text().splitlines(keepends=True)
        assert len(lines) == len(CLASSES)
        path.write_text(''.join(lines[:count]))
    return out


@pytest.mark.slow
def test_the_stand_in_is_made_as_hmdb51_is(hmdb51, shared_data):
    split_files = '*_test_split1.txt'
    folder = hmdb51 / 'testTrainMulti_7030_splits'
    ours = {path.name for path in folder.glob(split_files)}
    assert len(ours) == 51
    official = shared_data / 'splits/hmdb51/testTrainMulti_7030_splits'
    if official.is_dir():
        assert ours == {path.name for path in official.glob(split_files)}
    videos = sorted((hmdb51 / 'videos').rglob('*.avi'))
    for mark in '#; [(':
        assert any(mark in path.name for path in videos)
    for path in videos[::20]:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            assert stream.codec_context.codec_tag == 'XVID'
            assert (stream.height, stream.average_rate) == (240, 30)
            kinds = [
                PictureType(frame.pict_type) for frame in file.decode(stream)
            ]
        assert 36 <= len(kinds) <= 90
        assert kinds.count(PictureType.B) > len(kinds) / 3


def run(hmdb51, tool, *args):
    done = subprocess.run(
        [ROOT / 'tools' / tool, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=hmdb51,  # the config is found from anywhere
        env=dict(
            os.environ,
            PYTHON=sys.executable,
            MOSI_DATA=str(hmdb51),
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
        ),
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout + done.stderr


def score(model, path):
    """Test a video by hand, without our pipeline: (51,) float32."""
    with av.open(str(path)) as file:
        frames = [f.to_ndarray(format='rgb24') for f in file.decode(video=0)]
    room = max(len(frames) - 64, 0)
    clips = []
    for i in range(10):
        clip = []
        for step in range(16):
            place = int(room * i / 10 + 63 / 15 * step + 1e-6)
            image = frames[min(place, len(frames) - 1)]
            width = int(image.shape[1] * 128 / 240 + 0.5)
            image = cv2.resize(image, (width, 128))
            left = (width - 112) // 2
            clip.append(image[8:120, left : left + 112])
        clips.append(np.stack(clip))
    # (10, 16, 112, 112, 3) to (10, 3, 16, 112, 112)
    batch = torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3)
    with torch.no_grad():
        features = model.backbone((batch - 255 * 0.45) / (255 * 0.225))
        return model.cls_head(features).softmax(1).mean(0)


@pytest.mark.long
@pytest.mark.parametrize('network', ['r2p1d', 'r2d3d'])
def test_pretrain_fine_tune_and_test(network, hmdb51, tmp_path):
    common = ['train_cfg.max_epochs=1', 'train_dataloader.batch_size=1']
    for half in ('train', 'val'):
        common.append(f'{half}_dataloader.num_workers=1')
    common.append('val_dataloader.batch_size=1')
    pretrained = tmp_path / 'mosi/epoch_1.pth'
    log = run(
        hmdb51,
        'dist_train.sh',
        ROOT / f'configs/mosi_{network}_hmdb.py',
        2,
        *('--work-dir', pretrained.parent),
        *('--cfg-options', *common),
    )
    assert 'Epoch(train) [1][1/1]' in log
    finetuned = tmp_path / 'finetune/epoch_1.pth'
    config = ROOT / f'configs/finetune_{network}_hmdb.py'
    log = run(
        hmdb51,
        'dist_train.sh',
        config,
        2,
        *('--work-dir', finetuned.parent),
        *('--cfg-options', *common, f'load_from={pretrained}'),
    )
    assert 'Epoch(train) [1][1/1]' in log
    dump = tmp_path / 'scores.pkl'
    run(
        hmdb51,
        'dist_test.sh',
        config,
        finetuned,
        2,
        *('--work-dir', tmp_path / 'test', '--dump', dump),
        *('--cfg-options', 'test_dataloader.batch_size=1'),
        'test_dataloader.num_workers=1',
    )

    # The second training began with the first one's weights: the first step
    # of Adam moves none by more than its rate, a tenth of base.
    cfg = Config.fromfile(config)
    rate = 0.1 * cfg.optim_wrapper.optimizer.lr
    weights = [
        torch.load(path)['state_dict'] for path in (pretrained, finetuned)
    ]
    names = [n for n in weights[0] if n.startswith('backbone.')]
    moved = 0
    for name in names:
        if name.endswith(('running_mean', 'running_var', 'tracked')):
            continue
        step = (weights[1][name] - weights[0][name]).abs().max()
        assert step < 1.01 * rate, name
        moved += bool(step > 0)
    assert moved > 10

    # What was told of every test video is what is found by hand.
    with open(dump, 'rb') as file:
        told = pickle.load(file)
    list_file = hmdb51 / 'hmdb51_val_split_1_videos.txt'
    videos = [
        line.rpartition(' ') for line in list_file.read_text().splitlines()
    ]
    assert len(told) == len(videos) == TESTED
    init_default_scope('mmaction')
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(weights[1])
    scores = [score(model, hmdb51 / 'videos' / v) for v, _, _ in videos]
    apart = (scores[0] - scores[1]).abs().max()
    for found, sample, (_, _, label) in zip(scores, told, videos):
        assert int(sample['gt_label']) == int(label)
        error = (torch.as_tensor(sample['pred_score']) - found).abs().max()
        assert error < min(1e-4, 0.1 * float(apart))
