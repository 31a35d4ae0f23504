"""Where a network looks, in videos and in rendered clips."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from helpers.paths import TOOLS
from mosi_mmaction import LabelPool
from mosi_mmaction.apis import networks as network
from mosi_mmaction.apis.videos import Video
from mosi_mmaction.method.motion import (
    draw_motion,
    draw_static_mask,
    render,
)
from mosi_mmaction.visualization import draw, where_it_looks

sys.path.insert(0, str(TOOLS))

import gradcam  # noqa: E402

PRETRAIN = 'tiny/mosi_r2p1d_deadleaves'


class TestGradCAM:
    def test_whole_tool(self, tmp_path, videos, checkpoint, capsys):
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
        assert sheet.shape[0] > where_it_looks.ON_SHEET
        (film,) = tmp_path.glob('*.mp4')
        assert report['drawn'] == [film.stem]
        said = capsys.readouterr().out
        assert 'drew 1 of 4 videos, spread over the list' in said
        assert said.count(f'as VIDEO): {film.stem}\n') == 1

    def test_each_video_gets_a_file(self):
        paths = ['a/run/1.mp4', 'a/walk/1.mp4', 'b/walk/1.mp4', 'a/2.mp4']
        names = where_it_looks.file_names([Video(p, '') for p in paths])
        assert names == ['run_1', 'walk_1_1', 'walk_1_2', '2']

    def test_one_figure_has_no_spread(self):
        average = where_it_looks.average
        assert gradcam.shown(average([0.8])) == '0.80 (n=1)'
        assert gradcam.shown(average([0.8, 0.6])) == '0.70 ± 0.10 (n=2)'
        assert gradcam.shown(average([float('nan')])) == 'nothing moves'

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
        found = [dict(video='a', auc=0.5)]
        figures = dict(auc={}, videos=found, drawn=['a'])
        monkeypatch.setattr(
            gradcam, 'look_at_videos', lambda *args, **kwargs: figures
        )

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
        sample = DATASETS.build(where_it_looks.enlarge_clips(cfg, 96))[0]
        plan = sample['motion']
        assert sample['imgs'].shape == (9, 8, 96, 96, 3)
        assert plan.source_size == (128, 128)  # 32 pixels of room, as before
        way = plan.offsets[:, -1] - plan.offsets[:, 0]
        np.testing.assert_array_equal(way, plan.pool.speeds * 16)
        assert cfg.val_dataloader.dataset.size == 64  # left as it was
        small = DATASETS.build(
            where_it_looks.enlarge_clips(cfg, 96, [0.25, 0.25])
        )
        boxes = small[0]['motion'].boxes
        assert (boxes[:, 2:] - boxes[:, :2] == 24).all()

    @pytest.mark.parametrize('travels', [False, True])
    def test_the_box_is_where_the_object_is(self, tmp_path, rng, travels):
        """A map of the very pixels that move is all inside the box."""
        image = np.zeros((64, 64, 3), np.uint8)
        plan = draw_motion(LabelPool(3, static=False), 64, 32, 5, rng)
        plan = draw_static_mask(plan, 0.25, rng=rng, travels=travels)
        clips = np.zeros(plan.shape, np.uint8)
        for clip, boxes in zip(clips, plan.frame_boxes):
            for frame, (x1, y1, x2, y2) in zip(clip, boxes):
                frame[y1:y2, x1:x2] = 255
        # As the renderer draws an object of another image.
        other = replace(plan, texture='other')
        shown = render(image, other, other=255 - image)
        np.testing.assert_array_equal(shown, clips)

        def cam(clip):
            return clip[..., 0] / 255, plan.pool.names[0]

        sample = dict(motion=plan, imgs=clips)
        figures = where_it_looks.look_at_rendered(
            [sample], {where_it_looks.TRAINED: [cam]}, tmp_path, 1
        )
        share = figures['share'][where_it_looks.TRAINED]
        assert (share['mean'], share['n']) == (1, 4)
        assert figures['area']['mean'] == 1 / 16

    def test_rendered_needs_a_mask(self):
        cfg = network.read_config('tiny/finetune_r2p1d_weizmann')
        with pytest.raises(ValueError, match='DrawStaticMask'):
            where_it_looks.enlarge_clips(cfg, 96)

    def test_panels_are_frame_cam_flow(self):
        clip = np.full((3, 96, 96, 3), (200, 40, 40), np.uint8)
        cam = np.zeros((3, 96, 96))
        cam[:, :48] = 1
        moved = np.zeros((2, 96, 96))
        moved[:, :, 48:] = 2
        frame, looked, flow = where_it_looks.panels(clip, cam, moved)[0]
        assert tuple(frame[5, 5]) == (200, 40, 40)
        np.testing.assert_allclose(
            looked[20, 50],
            (draw.heat(np.ones((1, 1)))[0, 0] / 2.0 + frame[5, 5] / 2.0),
            atol=1,
        )
        assert flow[50, 150].mean() > 150  # light: moves
        assert flow[50, 30].mean() < 20  # dark: does not
