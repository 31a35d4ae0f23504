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
from mosi_mmaction.visualization import draw

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
