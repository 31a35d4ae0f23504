"""Losses written out, pools that must agree, no wait for the device."""

import itertools

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.registry import init_default_scope

from mosi_mmaction import LabelPool, MoSIHead, PooledFeatureHead

POOLS = [
    dict(zip(('num_speeds', 'axes', 'decoupled', 'static'), values))
    for values in itertools.product(
        (3, 5), ('x', 'y', 'xy'), (True, False), (True, False)
    )
    if values[2] or values[1] == 'xy'
]


def make(in_channels=6, seed=0, **args):
    """Return a head without dropout, its weights large enough to matter."""
    torch.manual_seed(seed)
    head = MoSIHead(
        in_channels, **{'dropout_ratio': 0.0, 'init_std': 1.0, **args}
    )
    head.init_weights()
    for name, bias in head.named_parameters():
        if name.endswith('bias'):
            torch.nn.init.normal_(bias)
    return head


def samples(labels, **meta):
    """Return one data sample for each row of labels."""
    out = []
    for row in labels:
        sample = ActionDataSample()
        sample.set_gt_label(np.asarray(row))
        sample.set_metainfo(meta)
        out.append(sample)
    return out


def features(clips, channels=6, seed=1):
    torch.manual_seed(seed)
    return torch.randn(clips, channels, 2, 3, 3)


def log_softmax(scores):
    scores = scores - scores.max(1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


def written_out(head, x, labels):
    """Return (loss, log-likelihood of every label) by NumPy alone."""
    x = x.detach().numpy().astype(np.float64).mean((2, 3, 4))
    weights = {k: v.detach().numpy() for k, v in head.state_dict().items()}
    joint, loss = 0, 0
    speeds = head.pool.speeds
    if not head.separate:
        joint = log_softmax(
            x @ weights['fc_cls.weight'].T + weights['fc_cls.bias']
        )
        return -joint[np.arange(len(x)), labels].mean(), joint
    for axis in head.pool.axes:
        scores = log_softmax(
            x @ weights[f'fc_cls_{axis}.weight'].T
            + weights[f'fc_cls_{axis}.bias']
        )
        # Class k of an axis is the speed k - K.
        of_label = speeds[:, 'xy'.index(axis)] + head.pool.max_speed
        joint = joint + scores[:, of_label]
        loss -= scores[np.arange(len(x)), of_label[labels]].mean()
    return loss, joint


@pytest.mark.parametrize('args', POOLS)
def test_class_count_follows_the_pool(args):
    pool = LabelPool(**args)
    joint = make(**args)
    assert joint.num_classes == len(pool) == joint.fc_cls.out_features
    separate = make(separate=True, **args)
    own = {
        n: m.out_features
        for n, m in separate.named_children()
        if isinstance(m, torch.nn.Linear)
    }
    assert own == {f'fc_cls_{a}': args['num_speeds'] for a in args['axes']}
    x = features(4)
    assert joint(x).shape == separate(x).shape == (4, len(pool))


def test_registered_with_the_papers_defaults():
    head = MODELS.build(dict(type='MoSIHead', in_channels=8))
    assert head.num_classes == 9 and head.dropout.p == 0.5
    assert not head.separate
    head.init_weights()
    assert head.fc_cls.weight.std().item() == pytest.approx(0.01, rel=0.3)
    assert 'axis_labels' not in head.state_dict()


@pytest.mark.parametrize(
    'args',
    [{'num_speeds': 4}, {'axes': 'yx'}, {'axes': 'y', 'decoupled': False}],
)
def test_a_pool_that_is_none(args):
    with pytest.raises(ValueError, match=next(iter(args))):
        MoSIHead(4, **args)


@pytest.mark.parametrize(
    'args',
    [
        dict(label_smooth_eps=0.1),
        dict(multi_class=True),
        dict(init_cfg=dict(type='Normal', layer='Linear', std=0.1)),
    ],
)
def test_nothing_is_ignored_that_would_change_training(args):
    with pytest.raises(ValueError, match=f'MoSIHead.{next(iter(args))}='):
        MoSIHead(4, **args)
    MoSIHead(4, topk=(1,), average_clips='prob', label_smooth_eps=0.0)


@pytest.mark.parametrize('separate', [False, True])
@pytest.mark.parametrize('args', POOLS[::3])
@pytest.mark.parametrize('batch', [1, 3])
def test_loss_is_a_cross_entropy_written_out(separate, args, batch):
    head = make(separate=separate, **args)
    count = len(head.pool)
    x = features(batch * count)
    labels = np.tile(np.arange(count), (batch, 1))
    out = head.loss(x, samples(labels))
    loss, joint = written_out(head, x, labels.ravel())
    assert out['loss_cls'].item() == pytest.approx(loss, rel=1e-5)
    right = (joint.argmax(1) == labels.ravel()).mean()
    assert out['top1_acc'].item() == pytest.approx(right)

    shuffled = np.roll(labels, 1, axis=1)
    other = head.loss(x, samples(shuffled))['loss_cls'].item()
    told, _ = written_out(head, x, shuffled.ravel())
    assert other == pytest.approx(told, rel=1e-5)
    assert other != pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize('separate', [False, True])
def test_loss_of_a_batch_is_the_mean_of_its_images(separate):
    head = make(separate=separate)
    labels = [list(range(9))] * 3
    x = features(27)
    alone = [
        head.loss(part, samples(labels[:1]))['loss_cls'] for part in x.split(9)
    ]
    assert head.loss(x, samples(labels))['loss_cls'].item() == pytest.approx(
        torch.stack(alone).mean().item(), rel=1e-5
    )


def test_training_a_head_names_the_motions():
    head = make(in_channels=9)
    x, labels = torch.eye(9).repeat(2, 1) * 3, [list(range(9))] * 2
    optimizer = torch.optim.Adam(head.parameters(), lr=0.3)
    for _ in range(30):
        optimizer.zero_grad()
        head.loss(x, samples(labels))['loss_cls'].backward()
        optimizer.step()
    assert head.loss(x, samples(labels))['top1_acc'] == 1
    reversed_labels = [list(range(9))[::-1]] * 2
    assert head.loss(x, samples(reversed_labels))['top1_acc'] == 1 / 9


def test_loss_can_be_configured():
    x, labels = features(9), [list(range(9))]
    plain = make().loss(x, samples(labels))['loss_cls']
    double = make(loss_cls=dict(type='CrossEntropyLoss', loss_weight=2.0))
    assert double.loss(x, samples(labels))['loss_cls'].item() == pytest.approx(
        2 * plain.item()
    )


@pytest.mark.parametrize('separate', [False, True])
@pytest.mark.parametrize('wrong', [-1, 9, 100])
def test_label_outside_of_the_pool(separate, wrong):
    head = make(separate=separate)
    labels = [list(range(9)), [*range(8), wrong]]
    with pytest.raises(ValueError, match=rf'gt_label contains {wrong}\b.*9'):
        head.loss(features(18), samples(labels))
    with pytest.raises(ValueError, match=rf'{wrong}\b'):
        head.predict(features(18), samples(labels))


@pytest.mark.parametrize(
    'other',
    [
        dict(num_speeds=3),
        dict(axes='x'),
        dict(static=False),
        dict(decoupled=False),
    ],
)
def test_clips_of_another_pool(other):
    given = samples(
        [list(range(9))], label_pool=LabelPool(**other), img_path='a b.jpg'
    )
    for method in (make().loss, make().predict):
        with pytest.raises(ValueError, match=r"'a b\.jpg'.*set_motion"):
            method(features(9), given)


def test_clips_of_the_same_pool():
    given = samples([list(range(9))], label_pool=LabelPool())
    assert make().loss(features(9), given)['loss_cls'] > 0


@pytest.mark.parametrize('separate', [False, True])
@pytest.mark.parametrize(
    'args',
    [{}, dict(decoupled=False, num_speeds=3), dict(axes='y', static=False)],
)
def test_predictions(separate, args):
    head = make(separate=separate, **args)
    count = len(head.pool)
    x = features(3 * count)
    given = samples([range(count)] * 3, img_path='x')
    with torch.no_grad():
        out = head.predict(x, given)
    assert out is given
    _, joint = written_out(head, x, np.zeros(3 * count, int))
    # With separate heads a label's score is the product of its speeds'.
    told = np.exp(log_softmax(joint)).reshape(3, count, count)
    for sample, scores in zip(out, told):
        np.testing.assert_allclose(
            sample.pred_score, scores, rtol=1e-4, atol=1e-7
        )
        assert sample.pred_label.tolist() == scores.argmax(1).tolist()
        assert sample.gt_label.tolist() == list(range(count))
    assert len({tuple(s.pred_label.tolist()) for s in out}) > 1


def test_all_that_backbones_return():
    head = make(in_channels=6)
    x = features(9)
    pooled = x.mean((2, 3, 4))
    told = head(pooled)
    tokens = x.flatten(2).swapaxes(1, 2)  # (M, T, D)
    for given in (
        x,
        tokens,
        (x,),
        [tokens],
        (x[:, :2], x[:, 2:]),
        (x[:, :4], pooled[:, 4:]),
        ((x[:, :2],), tokens[..., 2:]),
        x.mean(2),
    ):
        torch.testing.assert_close(head(given), told)


def test_dropout_is_for_training_only():
    head = make(dropout_ratio=0.5)
    x = features(9)
    assert not torch.equal(head.train()(x), head(x))
    assert torch.equal(head.eval()(x), head(x))


@pytest.mark.parametrize('separate', [False, True])
def test_a_training_step_does_not_wait_for_the_device(separate):
    # Tensors on 'meta' have no values: to look at one on the host, by
    # item(), cpu(), bool() or an index that depends on it, is an error.
    init_default_scope('mmaction')
    model = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(
                type='ResNet3d',
                depth=18,
                pretrained=None,
                base_channels=4,
                norm_eval=False,
            ),
            cls_head=dict(type='MoSIHead', in_channels=32, separate=separate),
            data_preprocessor=dict(type='MoSIDataPreprocessor'),
        )
    ).to('meta')
    with pytest.raises((NotImplementedError, RuntimeError)):
        torch.ones(1, device='meta').item()
    data = dict(
        inputs=[torch.zeros(9, 3, 4, 16, 16, dtype=torch.uint8)] * 2,
        data_samples=samples([range(9)] * 2, label_pool=LabelPool()),
    )
    batch = model.data_preprocessor(data, training=True)
    assert batch['inputs'].device.type == 'meta'
    losses = model(**batch, mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert all(v.device.type == 'meta' for v in losses.values())
    assert all(p.grad is not None for p in model.parameters())


# ------------------------------------------------------- features, no labels
@pytest.mark.parametrize('clips', [1, 3])
def test_pooled_features_are_means(clips):
    maps, tokens = features(2 * clips), torch.randn(2 * clips, 4, 5)
    out = PooledFeatureHead().predict(
        (maps, (tokens,)), [ActionDataSample() for _ in range(2)]
    )
    assert len(out) == 2
    for i, sample in enumerate(out):
        of = slice(i * clips, (i + 1) * clips)
        expected = np.concatenate(
            [
                maps[of].numpy().mean((0, 2, 3, 4)),
                tokens[of].numpy().mean((0, 1)),
            ]
        )
        np.testing.assert_allclose(sample.feature, expected, atol=1e-6)


def test_features_keep_their_order():
    x = torch.arange(4.0).reshape(4, 1)
    out = PooledFeatureHead().predict(
        x, [ActionDataSample() for _ in range(4)]
    )
    assert [s.feature.tolist() for s in out] == [[0.0], [1.0], [2.0], [3.0]]
