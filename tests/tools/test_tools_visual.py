"""The tools that draw, run as a user runs them, on rendered material."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from helpers.motion_truth import measured_label, textured_image
from helpers.paths import TOOLS
from mosi_mmaction import LabelPool, config_path, render
from mosi_mmaction.apis import networks as network
from mosi_mmaction.synthetic.write import write_action_videos
from mosi_mmaction.visualization import draw

sys.path.insert(0, str(TOOLS))

import browse_motion  # noqa: E402
import embed  # noqa: E402
import gradcam  # noqa: E402
import plot_logs  # noqa: E402

PRETRAIN = 'tiny/mosi_r2p1d_deadleaves'


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    return str(
        draw.write_png(
            tmp_path_factory.mktemp('image') / 'a b.png',
            textured_image((120, 150)),
        )
    )


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


def browse(config, tmp_path, *argv):
    args = browse_motion.parse_args(
        [config, '--out-dir', str(tmp_path), *argv]
    )
    cfg = network.read_config(config, args.cfg_options)
    return cfg, args, browse_motion.pipeline_samples(cfg, args)


class TestBrowseMotion:
    def test_clips_are_those_of_the_training_set(self, tmp_path):
        """Source 3 of epoch 2 is to the byte what a loader would give."""
        from mmaction.registry import DATASETS

        from mosi_mmaction import EpochSampler

        cfg, args, (before, packed) = browse(
            PRETRAIN, tmp_path, '--index', '3', '--epoch', '2'
        )
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        sampler = EpochSampler(dataset, shuffle=False, seed=0)
        sampler.set_epoch(2)
        wanted = dataset[list(sampler)[3]]['inputs']
        np.testing.assert_array_equal(
            browse_motion.clips_of(before, packed),
            wanted.permute(0, 2, 3, 4, 1).numpy(),
        )

    def test_captions_name_what_the_pixels_do(self, tmp_path, image):
        _, _, (before, packed) = browse(PRETRAIN, tmp_path, '--image', image)
        pool = LabelPool()
        clips = browse_motion.clips_of(before, packed)
        titles = browse_motion.titles_of(before, packed)
        for clip, box, title in zip(clips, before['motion'].boxes, titles):
            seen = measured_label(clip, pool, 64, box)
            assert title.split()[0] == pool.names[seen]

    def test_rendering_left_to_the_device(self, tmp_path, image):
        cfg, args, (before, packed) = browse(
            PRETRAIN, tmp_path, '--image', image
        )
        wanted = browse_motion.clips_of(before, packed)
        steps = cfg.train_dataloader.dataset.pipeline
        cfg.train_dataloader.dataset.pipeline = [
            s for s in steps if s['type'] != 'RenderPseudoMotion'
        ]
        before, packed = browse_motion.pipeline_samples(cfg, args)
        assert packed['inputs'].ndim == 3
        np.testing.assert_array_equal(
            browse_motion.clips_of(before, packed), wanted
        )

    def test_animation_shows_the_clips(self, tmp_path, image):
        _, args, (before, packed) = browse(
            PRETRAIN, tmp_path, '--image', image, '--side', '32'
        )
        clips = browse_motion.clips_of(before, packed)
        frames = browse_motion.draw_animation(clips, ['a'] * 9, 32)
        assert len(frames) == 8
        for n in (0, 7):  # the clip in row 1, column 2 is the sixth
            y, x = 4 + draw.STRIP + 36 + draw.STRIP, 4 + 2 * 36
            np.testing.assert_array_equal(
                frames[n][y : y + 32, x : x + 32], clips[5, n]
            )

    def test_path_marks_start_and_end(self, tmp_path, image):
        _, _, (before, _) = browse(PRETRAIN, tmp_path, '--image', image)
        plan = before['motion']
        black = np.zeros((64, 64, 3), np.uint8)
        one = replace(plan, offsets=plan.offsets[3:4])  # right-2
        picture = browse_motion.draw_path(black, one, ['a'], 128)
        for color, n in ((browse_motion.START, 0), (browse_motion.END, -1)):
            ys, xs = np.nonzero((picture == color).all(-1))
            # 19 + 4 of two captions and the grid's gap, doubled in size.
            x, y = xs.min() - 4, ys.min() - 4 - 2 * draw.STRIP
            assert (x, y) == pytest.approx(
                tuple(2 * plan.offsets[3, n]), abs=2
            )

    def test_mask_figure_rests_outside_of_the_box(self, tmp_path, image):
        _, _, (before, packed) = browse(PRETRAIN, tmp_path, '--image', image)
        plan = before['motion']
        clips = render(before['img'], plan)
        q, (x1, y1, x2, y2) = plan.background[0], plan.boxes[0]
        picture = browse_motion.draw_mask(
            before['img'], plan, clips, ['a'] * 9, 32
        )
        # First clip: below the caption, a row unmasked, a row masked.
        top = 4 + draw.STRIP + 2 + 32 + 2
        outside = np.ones((32, 32), bool)
        # The box's line is two pixels wide and stands out by one.
        outside[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = False
        for k in range(8):
            left = 4 + 2 + 34 * k
            tile = picture[top : top + 32, left : left + 32]
            np.testing.assert_array_equal(tile[outside], clips[0, q][outside])

    @pytest.mark.parametrize(
        'config, number', [('mosi_r2p1d_imagenet', 5), (PRETRAIN, 5)]
    )
    def test_writes_everything(self, tmp_path, image, config, number):
        browse_motion.main(
            [
                config,
                '--image',
                image,
                '--side',
                '32',
                '--out-dir',
                str(tmp_path),
            ]
        )
        assert {p.name for p in tmp_path.iterdir()} == {
            'sheet.png',
            'motion.gif',
            'motion.mp4',
            'path.png',
            'mask.png',
        }
        for file in tmp_path.glob('*.png'):
            assert np.asarray(Image.open(file)).std() > 10

    def test_video_and_fine_tuning(self, tmp_path, videos):
        video = str(next(videos.rglob('*.mp4')))
        browse_motion.main(
            [
                'mosi_r2p1d_imagenet',
                '--video',
                video,
                '--side',
                '32',
                '--out-dir',
                str(tmp_path),
            ]
        )
        assert (tmp_path / 'mask.png').is_file()
        tuned = tmp_path / 'tuned'
        browse_motion.main(
            [
                'tiny/finetune_r2p1d_weizmann',
                '--video',
                video,
                '--side',
                '32',
                '--out-dir',
                str(tuned),
            ]
        )
        assert {p.name for p in tuned.iterdir()} == {
            'sheet.png',
            'motion.gif',
            'motion.mp4',
        }

    @pytest.mark.parametrize(
        'argv, match',
        [
            (['--image', 'nowhere.png'], 'nowhere.png'),
            (['--image', 'VIDEO'], 'use --video'),
        ],
    )
    def test_wrong_files(self, tmp_path, videos, argv, match):
        video = str(next(videos.rglob('*.mp4')))
        argv = [video if a == 'VIDEO' else a for a in argv]
        with pytest.raises((ValueError, FileNotFoundError), match=match):
            browse(PRETRAIN, tmp_path, *argv)


class TestGradCAM:
    def test_whole_tool(self, tmp_path, videos, checkpoint):
        gradcam.main(
            [
                PRETRAIN,
                checkpoint,
                str(videos),
                '--height',
                '64',
                '--recrop',
                '2',
                '--rendered',
                '1',
                '--random-inits',
                '2',
                '--pictures',
                '1',
                '--out-dir',
                str(tmp_path),
            ]
        )
        report = json.loads((tmp_path / 'report.json').read_text())
        filmed = report['auc']['as filmed']
        # 4 videos; 2 random networks; 2 re-framings of each.
        assert filmed['network']['n'] == filmed['centre prior']['n'] == 4
        assert filmed['random initialisation']['n'] == 8
        assert report['auc']['re-framed']['network']['n'] == 8
        aucs = [
            v['auc'] for v in report['videos'] if v['framing'] == 'as filmed'
        ]
        assert filmed['network']['mean'] == pytest.approx(np.mean(aucs))
        assert filmed['network']['sd'] == pytest.approx(np.std(aucs))
        assert report['rendered']['share']['network']['n'] == 8
        assert 0.16 <= report['rendered']['area']['mean'] <= 0.49
        sheet = np.asarray(Image.open(tmp_path / 'sheet.png'))
        assert sheet.shape[0] > gradcam.SHOWN
        assert len(list(tmp_path.glob('*.mp4'))) == 1

    def test_wrong_data_are_told_before_anything_is_computed(
        self, tmp_path, videos, checkpoint, monkeypatch
    ):
        monkeypatch.setattr(gradcam, 'look_at_videos', pytest.fail)
        argv = [PRETRAIN, checkpoint, str(videos), '--rendered', '1']
        argv += ['--out-dir', str(tmp_path)]
        wrong = 'tiny/mosi_r2p1d_images'
        monkeypatch.setenv('MOSI_DATA', str(tmp_path / 'nowhere'))
        with pytest.raises(FileNotFoundError, match='nowhere'):
            gradcam.main([wrong, *argv[1:]])
        with pytest.raises(FileNotFoundError, match='no video'):
            gradcam.main([*argv[:2], 'no.mp4', *argv[3:]])

    def test_figures_are_kept_whatever_comes_later(
        self, tmp_path, videos, checkpoint, monkeypatch
    ):
        figures = dict(auc={}, videos=[dict(video='a', auc=0.5)])
        monkeypatch.setattr(gradcam, 'look_at_videos', lambda *a: figures)

        def fail(*args):
            raise ValueError('an image cannot be read')

        monkeypatch.setattr(gradcam, 'look_at_rendered', fail)
        argv = [PRETRAIN, checkpoint, str(videos), '--rendered', '1']
        with pytest.raises(ValueError, match='cannot be read'):
            gradcam.main([*argv, '--out-dir', str(tmp_path)])
        report = json.loads((tmp_path / 'report.json').read_text())
        assert report['videos'] == figures['videos']

    def test_enlarged_clips_move_as_in_training(self):
        from mmaction.registry import DATASETS

        cfg = network.read_config(PRETRAIN)
        sample = DATASETS.build(gradcam.enlarge_clips(cfg, 96))[0]
        plan = sample['motion']
        assert sample['imgs'].shape == (9, 8, 96, 96, 3)
        assert plan.source_size == (128, 128)  # 32 pixels of room, as before
        way = plan.offsets[:, -1] - plan.offsets[:, 0]
        np.testing.assert_array_equal(way, plan.pool.speeds * 16)
        assert cfg.val_dataloader.dataset.size == 64  # left as it was
        small = DATASETS.build(gradcam.enlarge_clips(cfg, 96, [0.25, 0.25]))
        boxes = small[0]['motion'].boxes
        assert (boxes[:, 2:] - boxes[:, :2] == 24).all()

    def test_rendered_needs_a_mask(self):
        cfg = network.read_config('tiny/finetune_r2p1d_weizmann')
        with pytest.raises(ValueError, match='DrawStaticMask'):
            gradcam.enlarge_clips(cfg, 96)

    def test_panels_are_frame_cam_flow(self):
        clip = np.full((3, 96, 96, 3), (200, 40, 40), np.uint8)
        cam = np.zeros((3, 96, 96))
        cam[:, :48] = 1
        moved = np.zeros((2, 96, 96))
        moved[:, :, 48:] = 2
        frame, looked, flow = gradcam.panels(clip, cam, moved)[0]
        assert tuple(frame[5, 5]) == (200, 40, 40)
        np.testing.assert_allclose(
            looked[20, 50],
            (draw.heat(np.ones((1, 1)))[0, 0] / 2.0 + frame[5, 5] / 2.0),
            atol=1,
        )
        assert flow[50, 150][0] > 100 > flow[50, 150][2]  # red: moves
        assert flow[50, 30][2] > 100 > flow[50, 30][0]  # blue: does not


class TestEmbed:
    def test_groups_what_differs(self, rng):
        centres = np.repeat(np.eye(5)[:3] * 10, 8, axis=0)
        values = centres + rng.normal(0, 0.1, centres.shape)
        assigned, distance, plane = embed.group(values, 3, 0)
        for i in (0, 8, 16):
            assert len(set(assigned[i : i + 8])) == 1
        assert len(set(assigned)) == 3
        assert plane.shape == (24, 2)
        with pytest.raises(ValueError, match='fewer clusters'):
            embed.group(values[:3], 3, 0)

    def test_figures(self):
        found = dict(
            motions=['static'] * 3 + ['vertical'] * 2,
            histograms=np.eye(8)[[0, 0, 2, 6, 6]],
        )
        assigned = np.array([0, 0, 0, 1, 1])
        report = embed.summarise(found, list('aabbb'), assigned)
        assert report['nmi_motion'] == pytest.approx(1)
        assert 0 < report['nmi_action'] < 0.9
        first, second = report['clusters']
        assert (first['size'], first['motion']) == (3, 'static')
        assert first['actions'] == {'a': 2, 'b': 1}
        assert first['directions']['right'] == pytest.approx(2 / 3, abs=1e-3)
        assert second['motion'] == 'vertical'
        assert second['directions']['up'] == 1
        assert embed.summarise(found, [''] * 5, assigned)['nmi_action'] is None

    def test_whole_tool(self, tmp_path, videos, checkpoint):
        embed.main(
            [
                PRETRAIN,
                checkpoint,
                str(videos / 'test'),
                '--height',
                '64',
                '--clusters',
                '2',
                '--out-dir',
                str(tmp_path),
            ]
        )
        report = json.loads((tmp_path / 'report.json').read_text())
        assert report['videos'] == 4
        assert sum(c['size'] for c in report['clusters']) == 4
        actions = sum(
            (list(c['actions'].items()) for c in report['clusters']), []
        )
        assert sum(n for a, n in actions if a == 'oscillate') == 2
        assert np.asarray(Image.open(tmp_path / 'clusters.png')).std() > 10


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
        curves = plot_logs.read_curves(str(tmp_path))
        assert curves['pretext/left'] == ([1, 2], [0.2, 0.9])
        epochs, values = curves['loss']
        assert epochs == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
        assert values[:2] == pytest.approx([3, 3 - 1 / 3])
        figure = plot_logs.draw_curves({'run': curves})
        assert [ax.get_title() for ax in figure.axes] == [
            'loss',
            'accuracy',
            'pretext accuracy by direction',
        ]
        drawn = figure.axes[2].lines[0]
        assert drawn.get_label() == 'left'
        assert drawn.get_xydata().tolist() == [[1, 0.2], [2, 0.9]]

    def test_a_resumed_run_is_one_run(self, tmp_path):
        write_run(tmp_path, [{'acc/top1': 0.5}, {'acc/top1': 0.6}])
        later = tmp_path / '20260102_000000' / 'vis_data'
        later.mkdir(parents=True)
        (later / 'scalars.json').write_text(
            '{"acc/top1": 0.9, "step": 2}\n{"acc/top1": 0.95, "step": 3}\n'
        )
        curves = plot_logs.read_curves(str(tmp_path))
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
        name, rows = plot_logs.tabulate(
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
        axes = plot_logs.draw_versus(name, rows, 'mask_size').axes[0]
        assert axes.lines[0].get_ydata() == pytest.approx([0.2, 0.7, 0.7, 0.9])

    def test_versus_leaves_out_what_is_no_run(self, tmp_path, capsys):
        write_run(tmp_path / 'a', [{'acc/top1': 0.4}], frozen=1)
        (tmp_path / 'browse').mkdir()
        (tmp_path / 'curves.png').touch()
        others = [str(tmp_path / n) for n in ('browse', 'curves.png')]
        _, rows = plot_logs.tabulate(
            [*others, str(tmp_path / 'a')], 'frozen_stages', None
        )
        assert [(s, v.tolist()) for s, v in rows] == [('1', [0.4])]
        said = capsys.readouterr().out
        assert 'browse: no run' in said and 'curves.png: no run' in said
        with pytest.raises(ValueError, match='no run'):
            plot_logs.tabulate(others, 'frozen_stages', None)

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

    def test_says_what_is_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='LocalVisBackend'):
            plot_logs.read_curves(str(tmp_path))
        write_run(tmp_path, [{'acc/top5': 0.5}])
        with pytest.raises(ValueError, match='acc/top5'):
            plot_logs.last_accuracy(str(tmp_path), None)

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

    def test_confusion_matrix_is_drawn_row_by_row(self):
        counts = np.array([[3, 1], [0, 5]])
        axes = plot_logs.draw_confusion(counts, ('a', 'b')).axes[0]
        texts = {t.get_position(): t.get_text() for t in axes.texts}
        assert texts == {(0, 0): '75', (1, 0): '25', (1, 1): '100'}


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
    subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            str(TOOLS / 'train.py'),
            str(tmp_path / 'leaf.py'),
            '--work-dir',
            str(tmp_path / 'run'),
            '--cfg-options',
            'train_cfg.max_epochs=2',
            'param_scheduler.1.T_max=1',
            'param_scheduler.1.end=2',
            'default_hooks.logger.interval=1',
            *loaders,
        ],
        check=True,
        env=dict(os.environ, CUDA_VISIBLE_DEVICES=''),
    )
    events = next((tmp_path / 'run').rglob('events.out.tfevents.*'))
    reader = EventAccumulator(str(events.parent))
    reader.Reload()
    curves = plot_logs.read_curves(str(tmp_path / 'run'))
    for name in ('loss', 'pretext/top1'):
        logged = [e.value for e in reader.Scalars(name)]
        assert logged == pytest.approx(curves[name][1], rel=1e-5)


def test_animation_opens_elsewhere(tmp_path, image):
    """OpenCV, not Pillow, reads the size of the GIF's frames."""
    browse_motion.main(
        [
            PRETRAIN,
            '--image',
            image,
            '--side',
            '32',
            '--out-dir',
            str(tmp_path),
        ]
    )
    reader = cv2.VideoCapture(str(tmp_path / 'motion.mp4'))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 8
