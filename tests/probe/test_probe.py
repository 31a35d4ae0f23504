"""The probe: clips whose answers are true, and loads that it judges."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers import launch
from helpers.loads import (
    BROKEN,
    HARMLESS,
    backbone_of,
    head_accuracy,
    variants,
)
from helpers.paths import load_tool
from mosi_mmaction.probe import clips as probe_clips
from mosi_mmaction.probe.card import draw_card, percent
from mosi_mmaction.probe.features import take_features
from mosi_mmaction.probe.networks import open_network, reset
from mosi_mmaction.probe.probe import probe
from mosi_mmaction.probe.readouts import answers_right, with_interval
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves

ZOO = 'mosi_r2p1d_deadleaves'


@pytest.fixture(scope='module')
def network():
    return open_network(ZOO)


@pytest.fixture(scope='module')
def card(network):
    return probe(network, 36)


def scores(card, key='network'):
    return {row['name']: row[key]['mean'] for row in card['questions']}


# ------------------------------------------------------------------- clips
def shift_between(first, last, reach):
    """Find the shift of the content of two windows, by trying them all."""
    side = first.shape[0]
    errors = {}
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            a = first[max(0, -y) : side - y, max(0, -x) : side - x]
            b = last[max(0, y) : side + y, max(0, x) : side + x]
            a, b = a[: b.shape[0], : b.shape[1]], b[: a.shape[0], : a.shape[1]]
            errors[x, y] = abs(a.astype(int) - b).mean()
    return min(errors, key=errors.get)


@pytest.mark.parametrize('seed', range(8))
def test_answers_are_those_of_the_pixels(seed):
    """Motion and place, measured without a look at the plan."""
    side = 48
    rng = np.random.default_rng(seed)
    image = draw_dead_leaves(2 * side, rng)
    clips, answers = probe_clips.draw_clips(image, 16, side, rng)
    assert clips.shape == (9, 16, side, side, 3)
    still = clips[4]
    assert (still == still[0]).all()
    # A window that goes left shows content that goes right.
    content = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    for number in range(4):
        clip = clips[number]
        changed = (clip != clip[:1]).any((0, 3))
        rows, columns = (
            np.flatnonzero(changed.any(1)),
            np.flatnonzero(changed.any(0)),
        )
        box = clip[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        # Steps of 1.6 or 3.2 pixels a frame; over two frames, 3 or 6 or so.
        steps = [shift_between(box[n], box[n + 2], 8) for n in range(0, 14, 3)]
        way = np.median(steps, 0)
        assert (np.sign(way) == content[answers['direction'][number]]).all()
        assert (abs(way).max() > 4.8) == answers['speed'][number]
        if answers['place'][number] >= 0:
            centre = np.array([columns.mean(), rows.mean()]) + 0.5
            # A part of the box may happen not to change.
            if (abs(centre - side / 2) > 2).all():
                quarter = (centre > side / 2) @ [1, 2]
                assert quarter == answers['place'][number]
    assert answers['object'][:5].tolist() == [-1] * 5
    for number in range(5, 9):
        # Of two motions, the frame as a whole shows one or the other.
        steps = [
            shift_between(clips[number][n], clips[number][n + 2], 8)
            for n in (2, 6, 10)
        ]
        way = np.median(steps, 0)
        seen = {content[answers[k][number]] for k in ('camera', 'object')}
        assert tuple(np.sign(way)) in seen


def test_each_answer_is_as_likely():
    rows = []
    for index, image in enumerate(probe_clips.source_images(200, 32)):
        rng = np.random.default_rng((0, index))
        rows.append(probe_clips.draw_clips(image, 4, 16, rng)[1])
    for question in probe_clips.QUESTIONS:
        given = np.concatenate([r[question.name] for r in rows])
        counts = np.bincount(given[given >= 0], minlength=question.classes)
        assert len(counts) == question.classes
        expected = counts.sum() / question.classes
        assert (abs(counts - expected) < 5 * expected**0.5).all()
    both = [np.concatenate([r[k] for r in rows]) for k in ('object', 'camera')]
    table = np.histogram2d(*both, bins=4, range=[(0, 4)] * 2)[0]
    assert (abs(table - 50) < 35).all()  # neither tells the other


def test_no_image_of_a_data_set_is_asked_about():
    from mosi_mmaction import DeadLeavesDataset

    trained = {
        DeadLeavesDataset(4, 64, seed=seed).get_data_info(i)['img'].tobytes()
        for seed in (0, 1)
        for i in range(4)
    }
    asked = {i.tobytes() for i in probe_clips.source_images(8, 64)}
    assert len(asked) == 8
    assert not asked & trained


# ---------------------------------------------------------------- readouts
def test_readouts_are_asked_about_other_images(rng):
    """Features that only tell the image are at chance."""
    images = np.repeat(np.arange(60), 4)
    answers = np.tile(np.arange(4), 60)
    held_out = np.arange(40, 60)
    only_image = np.eye(60)[images] + 1e-3 * rng.normal(size=(240, 60))
    right = answers_right(only_image, answers, images, held_out)
    assert right.mean() < 0.5
    told = rng.normal(size=(4, 10))[answers] + 0.1 * only_image[:, :10]
    assert answers_right(told, answers, images, held_out).all()
    shuffled = rng.permutation(answers)
    assert answers_right(told, shuffled, images, held_out).mean() < 0.5


def test_intervals_hold_the_truth(rng):
    """In about 95 of 100 draws, clips of an image being alike."""
    held = 0
    for seed in range(100):
        quality = rng.random(40)
        images = np.repeat(np.arange(40), 4)
        found = with_interval(rng.random(160) < quality[images], images, seed)
        held += found['low'] <= 0.5 <= found['high']
    assert held >= 86
    full = with_interval(np.ones(40, bool), np.repeat(np.arange(10), 4), 0)
    assert full['mean'] == 1
    assert full['low'] == pytest.approx(0.025**0.1)


# -------------------------------------------------------------------- card
def test_a_trained_network_knows_what_it_was_taught(card):
    known = scores(card)
    assert min(known[k] for k in ('direction', 'speed', 'still')) > 0.95
    assert known['place'] > 0.5 and known['camera'] > 0.8
    for key in ('raw', 'untrained'):
        assert scores(card, key)['direction'] < 0.5
    assert card['own_head']['right'] > 0.95
    assert card['ok'], card['findings']
    assert card['seconds'] < 300


def test_an_untrained_network_is_called_one(network):
    model = network.untrained(5)
    card = probe(replace(network, model=model), 36)
    kinds = {f['kind'] for f in card['findings']}
    assert kinds == {'norms', 'untrained'}
    assert scores(card)['direction'] < 0.5


class NoNorm(nn.Module):
    """A network without a batch norm, whose features tell nothing."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 6, 3, stride=2)
        self.place = nn.Parameter(torch.arange(6.0))

    def forward(self, x):
        return self.conv(x).relu() + self.place.view(-1, 1, 1, 1)


def any_network():
    return NoNorm()


def test_any_module_can_be_asked(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    # Some random weights do answer a question, by chance.
    torch.manual_seed(0)
    network = open_network('test_probe:any_network', clip_len=6, side=24)
    fresh = reset(any_network())
    assert sorted(fresh.place.tolist()) == list(range(6))
    assert not torch.equal(fresh.conv.weight, network.model.conv.weight)
    card = probe(network, 24)
    assert card['features'] == 6
    assert [f['kind'] for f in card['findings']] == ['untrained']
    with pytest.raises(ValueError, match='--clip-len, --side'):
        probe(replace(network, side=1), 12)


# ------------------------------------------------------------------- loads
def some(treatments, *quick):
    """Leave all but a few of them to the long tests."""
    return [
        pytest.param(name, marks=[] if name in quick else pytest.mark.long)
        for name in treatments
    ]


@pytest.mark.parametrize(
    'name',
    some(
        BROKEN,
        'prefix lost, nothing loaded',
        'every other tensor',
        'channels of one convolution shuffled',
        'pixels of 0 to 1',
        'frames reversed',
        'BGR for RGB',
    ),
)
def test_broken_loads_that_matter_are_flagged(network, name):
    broken = dict(variants(network, {name: BROKEN[name]}))[name]
    matters = head_accuracy(broken) < 0.95
    assert matters == (name != 'BGR for RGB')
    card = probe(broken, 12, untrained=False)
    assert card['ok'] != matters, card['findings']


@pytest.mark.parametrize(
    'name',
    some(
        HARMLESS,
        'weights in half precision',
        'channels permuted, and unpermuted',
        'BGR weights for BGR clips',
    ),
)
def test_good_loads_are_not_flagged(network, name):
    good = dict(variants(network, {name: HARMLESS[name]}))[name]
    for found in (good, backbone_of(good)):
        card = probe(found, 18)
        assert card['ok'], card['findings']


# ------------------------------------------------------- what can be opened
def test_every_kind_of_name_opens(tmp_path, network):
    from mosi_mmaction.checkpoints.zoo import checkpoint_path

    path = checkpoint_path(ZOO)
    file = torch.load(path, map_location='cpu', weights_only=True)
    backbone = {
        k.removeprefix('backbone.'): v
        for k, v in file['state_dict'].items()
        if k.startswith('backbone.')
    }
    torch.save(dict(file, state_dict=backbone), tmp_path / 'alone.pth')
    frames = np.random.default_rng(0).integers(
        0, 256, (2, 8, 32, 32, 3), np.uint8
    )

    def pooled(found):
        assert (found.clip_len, found.side) == (8, 32)
        return take_features(found, [frames]).pooled

    expected = pooled(network)
    for name in (path, f'mosi://{ZOO}', str(tmp_path / 'alone.pth')):
        np.testing.assert_allclose(
            pooled(open_network(name)), expected, atol=1e-5
        )
    config = 'tiny/mosi_r2p1d_deadleaves'
    np.testing.assert_allclose(
        pooled(open_network(config, path)), expected, atol=1e-5
    )
    assert abs(pooled(open_network(config)) - expected).max() > 0.01
    with pytest.raises(ValueError, match='brings its own weights'):
        open_network(path, path)
    with pytest.raises(ValueError, match='brings its own weights'):
        open_network(ZOO, 'another.pth')
    for name in (path, ZOO):
        with pytest.raises(ValueError, match='go with a config'):
            open_network(name, options={'model.backbone.depth': 18})
    with pytest.raises(FileNotFoundError, match='no file'):
        open_network('no_such_network')
    with pytest.raises(FileNotFoundError, match='PYTHONPATH'):
        open_network('no_such_module:make')
    with pytest.raises(ValueError, match='no_such'):
        open_network('json:no_such')
    with pytest.raises(ValueError, match='returned a str'):
        open_network('os:getcwd')


# -------------------------------------------------------------------- tool
def test_picture_of_a_card_names_the_run(card):
    card = dict(card, network='work_dirs/my_mosi/epoch_40.pth')
    axes = draw_card(card).axes[0]
    assert axes.get_title() == 'my_mosi/epoch_40.pth'
    assert axes.get_xlabel() == 'named correctly (%)'
    assert draw_card(dict(card, network=ZOO)).axes[0].get_title() == ZOO


def test_tool_writes_a_card(tmp_path):
    log = tmp_path / 'log'
    options = ['--num-images', 12, '--strict', '--out-dir', tmp_path / 'card']
    network = 'tiny/mosi_r2p1d_deadleaves'
    code = launch.run('probe.py', network, *options, log=log)
    said = log.read_text()
    assert code == 1, said  # it is untrained
    assert 'Check how the weights are loaded' in said
    card = json.loads((tmp_path / 'card/card.json').read_text())
    assert [q['name'] for q in card['questions']] == [
        q.name for q in probe_clips.QUESTIONS
    ]
    assert not card['ok']
    text = (tmp_path / 'card/card.md').read_text()
    assert text in said + '\n'
    assert (tmp_path / 'card/card.png').stat().st_size > 5000


def test_cards_of_two_runs_lie_in_two_places(tmp_path, monkeypatch):
    tool = load_tool('probe')
    monkeypatch.chdir(tmp_path)
    for run in 'ab':
        (tmp_path / run).mkdir()
        (tmp_path / run / 'epoch_14.pth').touch()
    config = ['my.py', '--checkpoint', 'b/epoch_14.pth']
    for argv, place in (
        (['a/epoch_14.pth'], 'a/epoch_14'),
        (config, 'b/epoch_14'),
        (['mosi_r2p1d_deadleaves'], 'mosi_r2p1d_deadleaves'),
        (['tiny/mosi_r2p1d_images'], 'mosi_r2p1d_images'),
        (['my_module:build'], 'my_module_build'),
    ):
        found = tool.default_out_dir(tool.parse_args(argv))
        assert found.as_posix() == f'work_dirs/probe/{place}'


def test_an_interval_of_no_width_is_left_out():
    same = dict(mean=0.25, low=0.25, high=0.25)
    assert percent(same) == '25'
    assert percent(dict(same, high=0.31)) == '25 [25, 31]'
