"""classify() and features(), against MMAction2's own functions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from torch import nn

from helpers.paths import load_tool
from mosi_mmaction import config_path
from mosi_mmaction.apis import Prediction, classify, features, inference
from mosi_mmaction.apis.networks import build_network, read_config
from mosi_mmaction.apis.videos import find_videos
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.synthetic.write import write_action_videos

ACTIONS = ('bounce', 'oscillate')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A run's directory: videos, lists, config, checkpoint."""
    root = tmp_path_factory.mktemp('a run')
    write_action_videos(
        root / 'videos', 2, 'test', actions=ACTIONS, num_frames=20
    )
    videos = [Path(v.path) for v in find_videos([str(root / 'videos')])]
    (root / 'lists').mkdir()
    lines = [
        f'{v.relative_to(root / "videos")} {k % 2}'
        for k, v in enumerate(videos)
    ]
    for name in ('train', 'test'):
        (root / f'lists/{name}.txt').write_text('\n'.join(lines) + '\n')
    (root / 'lists/classes.txt').write_text('à gauche\nup and down\n')
    leaf = root / 'leaf.py'
    leaf.write_text(
        f'_base_ = {config_path("tiny/finetune_r2p1d_weizmann")!r}\n'
        'from mosi_mmaction import set_videos\n'
        f'set_videos(_base_, videos={str(root / "videos")!r}, '
        f'lists={str(root / "lists")!r})\n'
    )
    cfg = read_config(str(leaf))
    model = build_network(cfg, seed=1)
    with torch.no_grad():  # else all scores are about alike
        model.cls_head.fc_cls.weight.mul_(200)
    cfg.dump(root / 'finetune.py')
    meta = dict(cfg=cfg.pretty_text)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), root / 'a.pth')
    return root, [str(v) for v in videos]


@pytest.fixture(scope='module')
def expected(run):
    """What MMAction2's own functions say of each video."""
    from mmaction.apis import inference_recognizer, init_recognizer

    root, videos = run
    model = init_recognizer(
        str(root / 'finetune.py'), str(root / 'a.pth'), device='cpu'
    )
    return np.stack(
        [inference_recognizer(model, v).pred_score.numpy() for v in videos]
    )


def test_scores_are_those_of_mmaction(run, expected, capsys):
    root, videos = run
    assert len(videos) == 4
    found = classify(root / 'a.pth', videos, batch_size=3)
    assert [p.video for p in found] == videos
    scores = np.stack([p.scores for p in found])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert np.ptp(scores[:, 0]) > 0.01  # the videos differ
    assert '4/4' in capsys.readouterr().err
    names = ('à gauche', 'up and down')
    for prediction, score in zip(found, expected):
        assert prediction.classes == names
        assert prediction.label == names[score.argmax()]
        assert prediction.score == pytest.approx(score.max(), abs=1e-5)
        assert prediction.top(2)[0][0] == prediction.label


@pytest.mark.parametrize('average', [None, 'score'])
def test_scores_are_probabilities_whatever_is_averaged(run, average):
    """Against the scores of MMAction2's own head, clip by clip."""
    root, videos = run
    cfg = read_config(str(root / 'finetune.py'))
    cfg.model.cls_head.average_clips = average
    file = torch.load(root / 'a.pth')
    path = root / f'{average}.pth'
    torch.save(dict(file, meta=dict(cfg=cfg.pretty_text)), path)
    cfg.model.cls_head.average_clips = None
    model = build_network(cfg, str(path))
    answers = inference._run(model, inference._pipeline(cfg), videos, 4, False)
    for found, (_, sample) in zip(
        classify(path, videos, progress=False), answers
    ):
        clips = sample.pred_score  # (clips, classes), before the softmax
        assert len(clips) == 10
        expected = clips.softmax(1).mean(0)
        if average == 'score':
            expected = clips.mean(0).softmax(0)
        np.testing.assert_allclose(found.scores, expected, atol=1e-5)
        assert found.label == found.classes[int(expected.argmax())]


def test_directories_configs_and_names_may_be_given(run, expected, capsys):
    root, videos = run
    found = classify(
        str(root / 'a.pth'),
        root / 'videos',
        config=root / 'finetune.py',
        classes=['a', 'b'],
        progress=False,
    )
    order = [videos.index(p.video) for p in found]
    assert sorted(order) == list(range(4))
    np.testing.assert_allclose(
        np.stack([p.scores for p in found]), expected[order], atol=1e-5
    )
    assert {p.label for p in found} <= {'a', 'b'}
    assert '4/4' not in capsys.readouterr().err
    with pytest.raises(ValueError, match='3 names for a network of 2'):
        classify(root / 'a.pth', videos, classes=['a', 'b', 'c'])
    with pytest.raises(FileNotFoundError, match='no video') as error:
        classify(root / 'a.pth', 'nothing.avi')
    assert 'data' not in str(error.value)  # only lists have a data root
    with pytest.raises(FileNotFoundError, match='below the working directory'):
        classify(root / 'a.pth', root / 'lists/test.txt')
    with pytest.raises(ValueError, match='names no actions'):
        classify('mosi_r2p1d_deadleaves', videos)


def test_without_names_a_warning_says_how_to_give_them(run, tmp_path):
    root, videos = run
    file = torch.load(root / 'a.pth')
    elsewhere = file['meta']['cfg'].replace(str(root / 'lists'), '/moved')
    torch.save(dict(file, meta=dict(cfg=elsewhere)), tmp_path / 'b.pth')
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, 'print_log', lambda *args: told.append(args))
        (found,) = classify(tmp_path / 'b.pth', videos[0], progress=False)
        assert found.label in ('0', '1')
        classify(root / 'a.pth', videos[0], progress=False)
    assert len(told) == 1 and 'classes.txt' in told[0][0]


def test_a_broken_video_stops_or_is_left_out(run, expected, tmp_path):
    root, videos = run
    broken = tmp_path / 'broken.avi'
    broken.write_bytes(Path(videos[0]).read_bytes()[:100])
    given = [videos[0], broken, videos[1]]
    with pytest.raises(BadSourceError, match='broken.avi'):
        classify(root / 'a.pth', given, progress=False)
    for size in (1, 4):
        found = classify(
            root / 'a.pth', given, bad_files='skip', batch_size=size
        )
        assert [p.video for p in found] == videos[:2]
        scores = np.stack([p.scores for p in found])
        np.testing.assert_allclose(scores, expected[:2], atol=1e-5)
    with pytest.raises(ValueError, match="bad_files='no'"):
        classify(root / 'a.pth', given, bad_files='no')


def test_tool_prints_names_and_scores(run, expected, capsys):
    root, videos = run
    tool = load_tool('classify')
    lists, data = str(root / 'lists/test.txt'), str(root / 'videos')
    tool.main([str(root / 'a.pth'), lists, '--data-root', data, '--top', '2'])
    lines = capsys.readouterr().out.splitlines()
    names = ('à gauche', 'up and down')
    for line, video, scores in zip(lines, videos, expected, strict=True):
        order = scores.argsort()[::-1]
        wanted = [f'{names[k]}\t{scores[k]:.3f}' for k in order]
        assert line == '\t'.join([video, *wanted])


def test_features_are_those_of_mmaction(run):
    from mmaction.apis import inference_recognizer, init_recognizer

    root, videos = run
    cfg = Config.fromfile(root / 'finetune.py')
    cfg.model.cls_head = dict(type='PooledFeatureHead')
    model = init_recognizer(cfg, str(root / 'a.pth'), device='cpu')
    expected = [inference_recognizer(model, v).feature for v in videos]
    found = features(root / 'a.pth', videos, batch_size=3, progress=False)
    assert found.shape == (4, 64) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)


def test_features_of_a_pretrained_network(run):
    root, videos = run
    zoo = 'mosi_r2p1d_deadleaves'
    plain = features(zoo, videos, progress=False)
    read = features(zoo, videos, config=root / 'finetune.py', progress=False)
    assert plain.shape == read.shape == (4, 64)
    assert abs(plain - read).max() > 1e-3  # other sizes and frames
    again = features(zoo, videos[1], progress=False)
    np.testing.assert_allclose(again[0], plain[1], atol=1e-5)
    with pytest.raises(ValueError, match='not weights of the backbone'):
        features(
            'mosi_r2p1d-small_deadleaves',
            videos,
            config=root / 'finetune.py',
        )


class Plain(nn.Module):
    """A network of the user's, as in docs/your_backbone.md."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv3d(3, width, (1, 8, 8), (1, 8, 8))

    def forward(self, x):
        return self.conv(x)


class PassesOn(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)


@pytest.mark.parametrize('kind', [Plain, PassesOn])
def test_a_network_without_the_argument_pretrained(kind, tmp_path):
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves'))
    cfg.model.backbone = dict(type=kind.__name__, width=5)
    cfg.model.cls_head.in_channels = 5
    MODELS.register_module(module=kind)
    try:
        model = build_network(cfg)
        file = dict(
            meta=dict(cfg=cfg.pretty_text), state_dict=model.state_dict()
        )
        torch.save(file, tmp_path / 'a.pth')
        found = build_network(cfg, str(tmp_path / 'a.pth'))
    finally:
        MODELS.module_dict.pop(kind.__name__)
    assert found.backbone.conv.weight.equal(model.backbone.conv.weight)


def test_a_test_of_dense_clips_or_of_frames(run, expected):
    # A config of another project.
    root, videos = run
    cfg = Config.fromfile(root / 'finetune.py')
    steps = cfg.test_dataloader.dataset.pipeline
    (sampling,) = (s for s in steps if s.type == 'SampleFrames')
    sampling.update(type='DenseSampleFrames', sample_range=8, num_clips=1)
    pipeline = inference._pipeline(cfg)
    assert [type(t).__name__ for t in pipeline.transforms] == [
        s.type for s in steps
    ]
    steps[:] = [dict(type='RawFrameDecode'), dict(type='PackActionInputs')]
    with pytest.raises(ValueError, match='extracted frames, not videos'):
        inference._pipeline(cfg)


def test_the_best_come_first():
    scores = np.array([0.2, 0.5, 0.3])
    found = Prediction('a.avi', scores, ('x', 'y', 'z'))
    assert found.top(2) == [('y', 0.5), ('z', 0.3)]
    assert (found.label, found.score) == ('y', 0.5)
