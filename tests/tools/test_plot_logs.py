"""Curves and tables out of logs that are written here."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import launch
from helpers.paths import TOOLS
from mosi_mmaction import LabelPool, config_path, render_on_device
from mosi_mmaction.apis import networks as network
from mosi_mmaction.visualization import logs, plots

sys.path.insert(0, str(TOOLS))

import plot_logs  # noqa: E402

PRETRAIN = 'tiny/mosi_r2p1d_deadleaves'


def write_run(folder, validation, side_ratio=None, frozen=-1):
    """What mmengine writes of a run, with two epochs of three steps."""
    folder = folder / '20260101_000000' / 'vis_data'
    folder.mkdir(parents=True)
    lines = []
    for epoch, values in enumerate(validation, 1):
        lines += [
            dict(
                loss=3.0 - n / 3,
                top1_acc=0.1 * epoch,
                epoch=epoch,
                iter=3 * epoch - 2 + n,
                step=3 * epoch - 2 + n,
            )
            for n in range(3)
        ]
        lines.append(dict(values, step=epoch))
    (folder / 'scalars.json').write_text(
        '\n'.join(map(json.dumps, lines)) + '\n'
    )
    mask = (
        []
        if side_ratio is None
        else [dict(type='DrawStaticMask', side_ratio=side_ratio)]
    )
    (folder / 'config.py').write_text(
        f'train_dataloader = dict(dataset=dict(pipeline={mask!r}))\n'
        f'model = dict(backbone=dict(frozen_stages={frozen}))\n'
    )


class TestPlotLogs:
    def test_curves(self, tmp_path):
        write_run(
            tmp_path,
            [
                {'pretext/top1': 0.5, 'pretext/left': 0.2},
                {'pretext/top1': 0.7, 'pretext/left': 0.9},
            ],
        )
        curves = logs.read_curves(str(tmp_path))
        assert curves['pretext/left'] == ([1, 2], [0.2, 0.9])
        epochs, values = curves['loss']
        assert epochs == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
        assert values[:2] == pytest.approx([3, 3 - 1 / 3])
        figure = plots.draw_curves({'run': curves})
        assert [ax.get_title() for ax in figure.axes] == [
            'training loss',
            'accuracy',
            'pretext accuracy by direction',
        ]
        drawn = figure.axes[2].lines[0]
        assert drawn.get_label() == 'left'
        assert drawn.get_xydata().tolist() == [[1, 0.2], [2, 0.9]]

    def test_runs_are_compared_by_one_colour_each(self):
        curves = {
            'loss': ([1, 2], [2.0, 1.0]),
            'acc/top1': ([1, 2], [0.2, 0.4]),
            'acc/top5': ([1, 2], [0.6, 0.8]),
            'top1_acc': ([1, 2], [0.3, 0.5]),
        }
        figure = plots.draw_curves({'a': curves, 'b': curves})
        titles = [axes.get_title() for axes in figure.axes]
        assert titles == ['training loss', 'validation top-1']
        for axes, values in zip(figure.axes, ([2, 1], [0.2, 0.4])):
            assert [line.get_label() for line in axes.lines] == ['a', 'b']
            assert len({line.get_color() for line in axes.lines}) == 2
            assert {line.get_linestyle() for line in axes.lines} == {'-'}
            for line in axes.lines:
                assert line.get_ydata().tolist() == values
        assert [a.get_ylabel() for a in figure.axes] == ['loss', 'accuracy']

    def test_ticks_are_epochs_that_were_validated(self):
        epochs = [10, 20, 30, 40]
        curves = {
            'loss': ([e / 2 for e in range(1, 81)], [1.0] * 80),
            'acc/top1': (epochs, [0.1] * 4),
        }
        for axes in plots.draw_curves({'a': curves}).axes:
            assert sorted(axes.get_xticks()) == epochs
        curves['acc/top1'] = (list(range(1, 31)), [0.1] * 30)
        for axes in plots.draw_curves({'a': curves, 'b': curves}).axes:
            ticks = sorted(axes.get_xticks())
            assert len(ticks) <= 8 and ticks[-1] == 30
            assert set(ticks) <= set(range(1, 31))

    def test_equal_curves_are_told_apart(self):
        names = ('left', 'right', 'up', 'down')
        curves = {f'pretext/{n}': ([1, 2], [0.0, 0.0]) for n in names}
        curves['pretext/static'] = ([1, 2], [1.0, 1.0])  # meets none
        figure = plots.draw_curves({'a': curves})
        figure.canvas.draw()
        (axes,) = figure.axes
        heights = [
            line.get_transform().transform(line.get_xydata())[0, 1]
            for line in axes.lines
        ]
        assert (np.diff(heights[:4]) < -1.5).all()  # in pixels
        assert min(heights) > axes.get_window_extent().y0
        assert heights[4] == axes.transData.transform((1, 1))[1]
        low, high = axes.get_xlim()
        assert low < 1 and high > 2

    @pytest.mark.parametrize(
        'head, classes',
        [
            ("dict(type='I3DHead', num_classes=6)", 6),
            ("dict(type='MoSIHead', in_channels=8)", 9),
            ("dict(type='MoSIHead', in_channels=8, axes='x')", 5),
        ],
    )
    def test_chance(self, tmp_path, head, classes):
        for name in 'ab':
            write_run(tmp_path / name, [{'acc/top1': 0.5}])
        runs = [str(tmp_path / name) for name in 'ab']
        assert logs.chance_of(runs) is None
        for run in runs:
            (config,) = (tmp_path / run).rglob('config.py')
            config.write_text(f'model = dict(cls_head={head})\n')
        assert logs.chance_of(runs) == pytest.approx(1 / classes)
        config.write_text('model = dict(cls_head=dict(num_classes=77))\n')
        assert logs.chance_of(runs) is None
        figure = plots.draw_curves({'a': {'acc/top1': ([1], [0.5])}}, 0.125)
        line = figure.axes[0].lines[-1]
        assert line.get_label() == 'chance'
        assert set(line.get_ydata()) == {0.125}

    def test_runs_of_one_name_are_told_apart(self):
        runs = ['x/a/run', 'x/b/run', 'x/other', 'x/a/run']
        names = ['a/run', 'b/run', 'other', 'a/run']
        assert logs.names_of(runs) == names

    def test_a_resumed_run_is_one_run(self, tmp_path):
        write_run(tmp_path, [{'acc/top1': 0.5}, {'acc/top1': 0.6}])
        later = tmp_path / '20260102_000000' / 'vis_data'
        later.mkdir(parents=True)
        (later / 'scalars.json').write_text(
            '{"acc/top1": 0.9, "step": 2}\n{"acc/top1": 0.95, "step": 3}\n'
            '{"acc/top1": 0.99, "st'  # killed
        )
        curves = logs.read_curves(str(tmp_path))
        assert curves['acc/top1'] == ([1, 2, 3], [0.5, 0.9, 0.95])

    def test_versus_mask_size(self, tmp_path):
        for name, ratio, top1 in (
            ('a', 0.5, 0.6),
            ('b', 0.1, 0.2),
            ('c', 0.5, 0.8),
            ('d', None, 0.9),
            ('e', (0.3, 0.5), 0.7),
        ):
            write_run(
                tmp_path / name,
                [{'pretext/top1': 0.0}, {'pretext/top1': top1}],
                ratio,
            )
        name, rows = logs.tabulate(
            [str(tmp_path / n) for n in 'abcde'], 'mask_size', None
        )
        assert name == 'pretext/top1'
        assert [s for s, _ in rows] == ['0.1', '0.3 to 0.5', '0.5', 'no mask']
        assert [v.tolist() for _, v in rows] == [
            [0.2],
            [0.7],
            [0.6, 0.8],
            [0.9],
        ]
        axes = plots.draw_versus(name, rows, 'mask_size').axes[0]
        assert axes.lines[0].get_ydata() == pytest.approx([0.2, 0.7, 0.7, 0.9])

    def test_versus_leaves_out_what_is_no_run(self, tmp_path, capsys):
        write_run(tmp_path / 'a', [{'acc/top1': 0.4}], frozen=1)
        (tmp_path / 'browse').mkdir()
        (tmp_path / 'curves.png').touch()
        others = [str(tmp_path / n) for n in ('browse', 'curves.png')]
        _, rows = logs.tabulate(
            [*others, str(tmp_path / 'a')], 'frozen_stages', None
        )
        assert [(s, v.tolist()) for s, v in rows] == [('1', [0.4])]
        said = capsys.readouterr().out
        assert (
            'browse: not a training run' in said
            and 'curves.png: not a training run' in said
        )
        with pytest.raises(ValueError, match='no training run'):
            logs.tabulate(others, 'frozen_stages', None)

    def test_versus_frozen_stages(self, tmp_path, capsys):
        for name, frozen, top1 in (('a', 2, 0.4), ('b', -1, 0.5)):
            write_run(tmp_path / name, [{'acc/top1': top1}], frozen=frozen)
        plot_logs.main(
            [
                'versus',
                str(tmp_path / 'a'),
                str(tmp_path / 'b'),
                '--x',
                'frozen_stages',
                '--out',
                str(tmp_path / 'out.png'),
            ]
        )
        said = capsys.readouterr().out
        assert '| none | 50.0 | 1 |\n| 2 | 40.0 | 1 |' in said
        assert (tmp_path / 'out.png').is_file()

    def test_pictures_of_other_runs_are_other_files(self, tmp_path):
        def out(*argv):
            return plot_logs.default_out(plot_logs.parse_args(argv))

        assert out('curves', 'w/a/', 'w/b') == 'work_dirs/curves/a+b.png'
        versus = out('versus', 'w/a', '--x', 'mask_size')
        assert versus == 'work_dirs/versus/mask_size_a.png'
        confusion = out('confusion', 'c.py', 'w/a/epoch_4.pth')
        assert confusion == 'work_dirs/confusion/a/epoch_4.png'
        many = [f'w/{"long name" * 3}{i}' for i in range(40)]
        one, other = out('curves', *many), out('curves', *many[:-1], 'w/z')
        assert one != other and len(Path(one).name) < 110

    def test_says_what_is_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='LocalVisBackend'):
            logs.read_curves(str(tmp_path))
        write_run(tmp_path, [{'acc/top5': 0.5}])
        with pytest.raises(ValueError, match='acc/top5'):
            logs.last_accuracy(str(tmp_path), None)

    def test_confusion(self, checkpoint):
        cfg = network.read_config(
            PRETRAIN,
            {
                'test_dataloader.dataset.num_images': 4,
                'test_dataloader.num_workers': 0,
                'test_dataloader.persistent_workers': False,
            },
        )
        counts, names = plot_logs.confusion(cfg, checkpoint)
        assert names == LabelPool().names
        np.testing.assert_array_equal(counts.sum(1), 4)
        # Against the network itself, image by image.
        from mmaction.registry import DATASETS

        model = network.build_network(cfg, checkpoint)
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
        wanted = np.zeros((9, 9), int)
        for i in range(4):
            clips = dataset[i]['inputs'].permute(0, 2, 3, 4, 1).numpy()
            for label, clip in enumerate(clips):
                feature = torch.from_numpy(network.features(model, clip))
                wanted[label, model.cls_head.fc_cls(feature).argmax()] += 1
        np.testing.assert_array_equal(counts, wanted)
        render_on_device(cfg)
        found, _ = plot_logs.confusion(cfg, checkpoint)
        np.testing.assert_array_equal(found, wanted)

    def test_confusion_of_actions(self, tmp_path, videos):
        """Against scikit-learn, from the answers of classify()."""
        from sklearn.metrics import confusion_matrix

        from mosi_mmaction.apis.inference import classify

        names = ['springen', 'zu Fuß gehen', 'schwingen']
        (tmp_path / 'classes.txt').write_text(
            '\n'.join(names) + '\n', encoding='utf-8'
        )
        paths = sorted(videos.rglob('*.mp4'))
        labels = [(0, 2)['oscillate' in path.parts] for path in paths]
        (tmp_path / 'test.txt').write_text(
            ''.join(f'{p} {k}\n' for p, k in zip(paths, labels))
        )
        options = {
            'model.cls_head.num_classes': 3,
            'test_dataloader.dataset.ann_file': str(tmp_path / 'test.txt'),
            'test_dataloader.dataset.data_prefix.video': '',
            'test_dataloader.num_workers': 0,
            'test_dataloader.persistent_workers': False,
        }
        cfg = network.read_config('tiny/finetune_r2p1d_weizmann', options)
        model = network.build_network(cfg, seed=1)
        # Spread out, so that not all get the same answer.
        torch.nn.init.normal_(
            model.cls_head.fc_cls.weight,
            generator=torch.Generator().manual_seed(2),
        )
        file = tmp_path / 'a.pth'
        torch.save(dict(state_dict=model.state_dict()), file)
        counts, found = plot_logs.confusion(cfg, str(file))
        assert found == tuple(names)
        cfg.dump(tmp_path / 'config.py')
        answers = classify(
            file,
            [str(p) for p in paths],
            config=tmp_path / 'config.py',
            progress=False,
        )
        predicted = [names.index(a.label) for a in answers]
        np.testing.assert_array_equal(
            counts, confusion_matrix(labels, predicted, labels=range(3))
        )
        (tmp_path / 'classes.txt').write_text('too\nfew\n')
        assert plot_logs.confusion(cfg, str(file))[1] == ('0', '1', '2')

    def test_confusion_needs_a_classifier(self, tmp_path):
        cfg = network.read_config('tiny/retrieval_r2p1d_weizmann')
        with pytest.raises(ValueError, match='does not classify'):
            plot_logs.confusion(cfg, None)

    def test_confusion_matrix_is_drawn_row_by_row(self):
        counts = np.array([[3, 1], [0, 5]])
        figure = plots.draw_confusion(counts, ('a', 'b' * 40), 'videos')
        (axes,) = figure.axes
        texts = {t.get_position(): t.get_text() for t in axes.texts}
        assert texts == {(0, 0): '75', (1, 0): '25', (1, 1): '100'}
        ticks = [t.get_text() for t in axes.get_yticklabels()]
        assert ticks[0] == 'a (4)'
        assert ticks[1] == f'{"b" * 15}…{"b" * 16} (5)'
        assert axes.get_xlabel() == 'predicted label'
        assert axes.get_ylabel() == 'true label (number of videos)'
        title = figure.get_suptitle()
        assert title.startswith('top-1: 88.9 % of 9 videos\n')

    def test_cells_of_many_classes_hold_their_numbers(self):
        figure = plots.draw_confusion(np.eye(30, dtype=int), list('a' * 30))
        figure.canvas.draw()
        (axes,) = figure.axes
        cell = axes.get_window_extent().width / 30
        for text in axes.texts:
            assert text.get_window_extent().width < 0.9 * cell


@pytest.mark.slow
def test_tensorboard(tmp_path):
    """A run with the backend that the documentation names writes events."""
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    base = config_path(PRETRAIN)
    (tmp_path / 'leaf.py').write_text(
        f'_base_ = {base!r}\n'
        "vis_backends = [dict(type='LocalVisBackend'),\n"
        "                dict(type='TensorboardVisBackend')]\n"
        "visualizer = dict(type='ActionVisualizer',\n"
        '                  vis_backends=vis_backends)\n'
    )
    loaders = [
        f'{split}_dataloader.{key}'
        for split in ('train', 'val')
        for key in (
            'num_workers=0',
            'persistent_workers=False',
            'dataset.num_images=4',
            'batch_size=2',
        )
    ]
    log = tmp_path / 'log'
    options = [
        *('--work-dir', tmp_path / 'run', '--cfg-options'),
        'train_cfg.max_epochs=2',
        'param_scheduler.1.T_max=1',
        'param_scheduler.1.end=2',
        'default_hooks.logger.interval=1',
        *loaders,
    ]
    code = launch.run('train.py', tmp_path / 'leaf.py', *options, log=log)
    assert code == 0, log.read_text()[-3000:]
    events = next((tmp_path / 'run').rglob('events.out.tfevents.*'))
    reader = EventAccumulator(str(events.parent))
    reader.Reload()
    curves = logs.read_curves(str(tmp_path / 'run'))
    for name in ('loss', 'pretext/top1'):
        logged = [e.value for e in reader.Scalars(name)]
        assert logged == pytest.approx(curves[name][1], rel=1e-5)
