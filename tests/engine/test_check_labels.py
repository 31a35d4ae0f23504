"""Labels without a class, and data without a batch, stop the run."""

from types import SimpleNamespace

import pytest
from mmaction.registry import HOOKS
from mmengine.config import Config
from torch import nn
from torch.utils.data import DataLoader

from mosi_mmaction import ActionVideoDataset, config_path


class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.cls_head = nn.Linear(3, classes)


def compare_labels(part, ann_file, classes, wrap=lambda model: model, **args):
    dataset = ActionVideoDataset(str(ann_file), [], **args)
    model = Net(classes=classes)
    model.cls_head.num_classes = classes
    runner = SimpleNamespace(model=wrap(model))
    loop = SimpleNamespace(
        dataloader=SimpleNamespace(dataset=dataset), max_iters=1
    )
    setattr(runner, f'{part}_loop', loop)
    hook = HOOKS.build(dict(type='CheckLabelsHook'))
    getattr(hook, f'before_{part}')(runner)


@pytest.mark.parametrize(
    'samples, drop_last, fits',
    [(9, True, False), (10, True, True), (9, False, True)],
)
def test_fewer_samples_than_a_batch_stop_training(samples, drop_last, fits):
    # MMAction2's tools would save a network that has not taken a step.
    loader = DataLoader(range(samples), 10, drop_last=drop_last)
    loop = SimpleNamespace(dataloader=loader, max_iters=3 * len(loader))
    runner = SimpleNamespace(train_loop=loop, model=Net())
    hook = HOOKS.build(dict(type='CheckLabelsHook'))
    if fits:
        hook.before_train(runner)
        return
    with pytest.raises(ValueError, match='its 9 samples.*batch_size=10'):
        hook.before_train(runner)


@pytest.mark.parametrize('part', ['train', 'val', 'test'])
def test_a_label_without_a_class_stops_the_run(part, tmp_path):
    ann_file = tmp_path / 'list.txt'
    ann_file.write_text('a.mp4 2\nb c.mp4 4\nd.mp4 0\n')
    compare_labels(part, ann_file, 5)
    compare_labels(part, ann_file, 5, nn.DataParallel)
    for wrap in (lambda model: model, nn.DataParallel):
        with pytest.raises(ValueError) as error:
            compare_labels(part, ann_file, 4, wrap)
        text = str(error.value)
        assert 'num_classes=4' in text and 'the label 4' in text
        assert f'{part}_dataloader.dataset.ann_file' in text
        assert str(ann_file) in text and 'to 5 or more' in text


def test_labels_of_multi_class_and_of_none(tmp_path):
    ann_file = tmp_path / 'list.txt'
    ann_file.write_text('a.mp4 7 1\nb.mp4 3\n')
    with pytest.raises(ValueError, match='the label 7'):
        compare_labels('train', ann_file, 7, multi_class=True, num_classes=9)
    compare_labels('train', ann_file, 8, multi_class=True, num_classes=9)
    ann_file.write_text('a.mp4\nb.mp4\n')  # of a test they may be missing
    compare_labels('test', ann_file, 2, test_mode=True)


def test_all_configs_compare_labels():
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_actions'))
    assert cfg.default_hooks.labels == dict(type='CheckLabelsHook')
