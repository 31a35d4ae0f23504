"""What a config shows its network, drawn from the clips themselves."""

import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.motion_truth import measured_label, textured_image
from helpers.paths import TOOLS
from mosi_mmaction import LabelPool, render
from mosi_mmaction.apis import networks as network
from mosi_mmaction.visualization import draw, motions

sys.path.insert(0, str(TOOLS))

import browse_motion  # noqa: E402

PRETRAIN = 'tiny/mosi_r2p1d_deadleaves'


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    return str(
        draw.write_png(
            tmp_path_factory.mktemp('image') / 'a b.png',
            textured_image((120, 150)),
        )
    )


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
        # The tile is in the lower left corner of a grid with gaps of 8.
        tile = picture[-128 - 8 : -8, 8 : 8 + 128]
        for color, n in ((motions.START, 0), (motions.END, -1)):
            ys, xs = np.nonzero((tile == color).all(-1))
            x, y = xs.min(), ys.min()
            assert (x, y) == pytest.approx(
                tuple(2 * plan.offsets[3, n]), abs=2
            )

    def test_mask_figure_rests_outside_of_the_box(self, tmp_path, image):
        _, _, (before, packed) = browse(PRETRAIN, tmp_path, '--image', image)
        plan = before['motion']
        clips = render(before['img'], plan)
        q, (x1, y1, x2, y2) = plan.background[0], plan.boxes[0]
        picture = browse_motion.draw_mask(
            before['img'], plan, clips, ['a'] * 9, 64
        )
        # Nine blocks in two columns, each of a caption, a row unmasked with
        # numbers, a row masked.
        block = draw.STRIP + 2 + draw.STRIP + 64 + 2 + 64 + 2
        top = picture.shape[0] - 5 * (block + 8) + block - 64 - 2
        outside = np.ones((64, 64), bool)
        # Twice as large, by cubic interpolation, which reaches two pixels.
        y1, x1 = (max(2 * int(v) - 4, 0) for v in (y1, x1))
        outside[y1 : 2 * y2 + 4, x1 : 2 * x2 + 4] = False
        wanted = draw.enlarge(clips[0, q], 64)
        for k in range(6):
            left = 8 + 2 + 66 * k
            tile = picture[top : top + 64, left : left + 64]
            np.testing.assert_array_equal(tile[outside], wanted[outside])

    def test_equally_many_frames_for_any_background(self):
        for q in range(16):
            shown = motions.frames_with(q, 16)
            assert len(shown) == 6 and q in shown
            assert shown == sorted(set(shown))
            assert shown[0] == 0 and shown[-1] == 15
        assert motions.frames_with(None, 16) == motions.chosen_frames(16, 6)
        assert motions.frames_with(1, 2) == [0, 1]

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

    def test_pictures_say_what_they_show(self, tmp_path, image, videos):
        """The source, its label, and what training does to it."""

        def said(config, *argv):
            cfg, args, (before, packed) = browse(config, tmp_path, *argv)
            titles = browse_motion.titles_of(
                before, packed, ['sitzen', 'sich bücken']
            )
            return browse_motion.source_of(cfg, args, before), titles[0]

        source, _ = said(PRETRAIN, '--image', image)
        assert source.startswith(f'source: {"/".join(image.split("/")[-2:])};')
        source, _ = said(PRETRAIN, '--index', '3', '--epoch', '2')
        assert source.startswith(
            'source: a computer-drawn image, number 3 of the training set; '
            'epoch 2, seed 0.'
        )
        tuned = 'tiny/finetune_r2p1d_weizmann'
        video = next(videos.rglob('*.mp4'))
        source, title = said(tuned, '--video', str(video))
        assert title == 'a video without a label'
        assert f'{video.parent.name}/{video.name}; epoch 0' in source
        assert (
            'at random as in training: RandomResizedCrop, Flip, '
            'ClipColorJitter (light and colours);' in source
        )
        (tmp_path / 'train.txt').write_text(f'{video} 1\n')
        cfg = network.read_config(tuned)
        cfg.train_dataloader.dataset.ann_file = str(tmp_path / 'train.txt')
        cfg.train_dataloader.dataset.data_prefix.video = ''
        args = browse_motion.parse_args([tuned])
        before, packed = browse_motion.pipeline_samples(cfg, args)
        source = browse_motion.source_of(cfg, args, before)
        (title,) = browse_motion.titles_of(
            before, packed, ['sitzen', 'sich bücken']
        )
        assert title == 'label: sich bücken'
        assert f'{video.name}, number 0 of the training set' in source

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
