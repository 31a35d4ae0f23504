"""What does not fit between data, backbone and head is told in numbers."""

from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import HOOKS, MODELS

from mosi_mmaction import CheckChannelsHook, CheckLabelsHook


@pytest.mark.parametrize(
    'feats, found',
    [
        (torch.zeros(2, 6, 1, 1, 1), 6),
        ((torch.zeros(2, 4, 1, 1, 1), torch.zeros(2, 3, 1, 1, 1)), 7),
    ],
)
def test_channels_of_a_stock_head(feats, found):
    head = MODELS.build(dict(type='I3DHead', in_channels=5, num_classes=2))
    model = SimpleNamespace(cls_head=head)
    CheckChannelsHook().before_run(SimpleNamespace(model=model))
    with pytest.raises(ValueError, match=f'in_channels to {found}$'):
        head(feats)
    with pytest.raises(Exception) as error:  # looked at once only
        head(feats)
    assert 'in_channels to' not in str(error.value)


def test_channels_of_our_head():
    head = MODELS.build(dict(type='MoSIHead', in_channels=5))
    with pytest.raises(ValueError, match='in_channels=5, but .* to 6$'):
        head.loss(torch.zeros(9, 6, 1, 1, 1), _samples())
    assert 'CheckChannelsHook' in HOOKS


def _samples():
    from mosi_mmaction import MoSIDataSample

    sample = MoSIDataSample()
    sample.set_gt_label(torch.arange(9))
    return [sample]


class _Heard:
    def __init__(self):
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


def runner(classes, top):
    dataset = SimpleNamespace(top_label=top, ann_file='train.txt')
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(
        model=SimpleNamespace(cls_head=SimpleNamespace(num_classes=classes)),
        train_loop=SimpleNamespace(dataloader=loader, max_iters=1),
        val_loop=SimpleNamespace(dataloader=loader),
        logger=_Heard(),
    )


@pytest.mark.parametrize(
    'classes, top, warned', [(51, 9, 41), (10, 9, 0), (10, None, 0)]
)
def test_classes_that_never_occur(classes, top, warned):
    run = runner(classes, top)
    CheckLabelsHook().before_train(run)
    CheckLabelsHook().before_val(run)  # says no more of it
    told = run.logger.warnings
    assert len(told) == bool(warned)
    if warned:
        assert f'the last {warned} classes are never trained' in told[0]
        assert "'train.txt'" in told[0]
