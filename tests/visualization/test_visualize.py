"""Figures against closed forms; pictures against the pixels they show."""

import copy

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from helpers.motion_truth import textured_image
from mosi_mmaction import render_on_device
from mosi_mmaction.apis import networks as network
from mosi_mmaction.apis import videos
from mosi_mmaction.media.mp4 import write_mp4
from mosi_mmaction.visualization import draw, measure
from mosi_mmaction.visualization.cam import CAM


def moving_box_clip(dx, dy, box=(20, 30, 44, 54), size=(96, 120), frames=5):
    """A textured box that goes (dx, dy) pixels a frame, on a still wall."""
    wall = textured_image(size, seed=3)
    patch = textured_image(160, seed=7)
    x1, y1, x2, y2 = box
    clip = []
    for n in range(frames):
        frame = wall.copy()
        x, y = x1 + n * dx, y1 + n * dy
        frame[y : y + y2 - y1, x : x + x2 - x1] = patch[: y2 - y1, : x2 - x1]
        clip.append(frame)
    return np.stack(clip)


class TestFlow:
    @pytest.mark.parametrize(
        'dx, dy, word, direction',
        [
            (3, 0, 'horizontal', 'right'),
            (-3, 0, 'horizontal', 'left'),
            (0, 3, 'vertical', 'down'),
            (0, -3, 'vertical', 'up'),
            (2, 2, 'mixed', 'down-right'),
        ],
    )
    def test_names_what_was_drawn(self, dx, dy, word, direction):
        flow = measure.optical_flow(moving_box_clip(dx, dy))
        inside = flow[0, 36:48, 26:38].reshape(-1, 2)
        assert np.median(inside, 0) == pytest.approx([dx, dy], abs=0.6)
        assert measure.dominant_motion(flow) == word
        histogram = measure.direction_histogram(flow)
        assert histogram.sum() == pytest.approx(1)
        assert measure.DIRECTIONS[histogram.argmax()] == direction
        assert histogram.max() > 0.5

    def test_still_clip(self):
        flow = np.zeros((4, 40, 50, 2), np.float32)
        assert measure.dominant_motion(flow) == 'static'
        assert not measure.direction_histogram(flow).any()

    def test_magnitude(self):
        flow = np.array([[[[3.0, 4.0]]]])
        assert measure.magnitude(flow) == np.array([[[5.0]]])


class TestFlowAUC:
    def test_is_the_probability_of_the_right_order(self):
        rng = np.random.default_rng(0)
        motion, values = rng.random((2, 20, 25))
        moving = motion > np.sort(motion.ravel())[-101]  # 20 % of 500
        inside, outside = values[moving], values[~moving]
        assert len(inside) == 100
        pairs = inside[:, None] > outside[None]
        assert measure.flow_auc(values, motion) == pytest.approx(pairs.mean())

    def test_ends(self):
        motion = np.arange(100.0).reshape(10, 10)
        assert measure.flow_auc(motion, motion) == 1
        assert measure.flow_auc(-motion, motion) == 0
        assert measure.flow_auc(np.ones((10, 10)), motion) == 0.5
        assert np.isnan(measure.flow_auc(motion, np.zeros((10, 10))))


class TestShareInside:
    def test_counts_the_mass_of_the_box(self):
        values = np.zeros((10, 20))
        values[2, 5], values[9, 19] = 3, 1
        assert measure.share_inside(values, (5, 2, 6, 3)) == 0.75
        assert measure.share_inside(values, (0, 0, 5, 10)) == 0

    def test_of_nothing_is_the_area(self):
        assert measure.share_inside(np.zeros((10, 20)), (0, 0, 10, 10)) == 0.5


class TestCentrePrior:
    def test_is_highest_in_the_middle(self):
        prior = measure.centre_prior(9, 13)
        assert np.unravel_index(prior.argmax(), prior.shape) == (4, 6)
        np.testing.assert_allclose(prior, prior[::-1, ::-1])
        assert (np.diff(prior[4, 6:]) < 0).all()


class TestOffCentreWindow:
    @pytest.mark.parametrize('x, y', [(30, 20), (60, 40), (90, 50)])
    def test_shows_the_motion_off_its_centre(self, x, y, rng):
        motion = np.zeros((80, 120))
        motion[y - 3 : y + 3, x - 3 : x + 3] = 1
        windows = {
            measure.off_centre_window(motion, 0.6, 0.25, rng)
            for _ in range(30)
        }
        assert len(windows) > 10
        for x1, y1, x2, y2 in windows:
            assert (x2 - x1, y2 - y1) == (72, 48)
            assert 0 <= x1 and x2 <= 120 and 0 <= y1 and y2 <= 80
            off = (
                abs((x - 0.5 - x1) / 72 - 0.5),
                abs((y - 0.5 - y1) / 48 - 0.5),
            )
            assert max(off) >= 0.25
            assert max(off) <= 0.4

    def test_motion_in_a_corner_gets_what_there_is(self, rng):
        motion = np.zeros((80, 120))
        motion[0, 0] = 1
        x1, y1, x2, y2 = measure.off_centre_window(motion, 0.6, 0.25, rng)
        assert (x2 - x1, y2 - y1) == (72, 48)


class TestDraw:
    def test_caption_is_never_cut(self):
        image = np.full((30, 20, 3), 90, np.uint8)
        text = 'a title much wider than its picture'
        out = draw.caption(image, text)
        assert out.shape[0] == 30 + draw.STRIP
        np.testing.assert_array_equal(out[draw.STRIP :, :20], image)
        strip = out[: draw.STRIP]
        assert strip.min() < 60  # letters
        # White on all sides of the letters: none is cut.
        for border in (strip[0], strip[-1], strip[:, 0], strip[:, -1]):
            assert (border == 255).all()

    def test_several_lines_are_a_strip_each(self):
        image = np.full((30, 90, 3), 90, np.uint8)
        out = draw.caption(image, 'a\nb')
        np.testing.assert_array_equal(
            out[: 2 * draw.STRIP],
            np.concatenate(
                [draw.caption(image, t)[: draw.STRIP] for t in 'ab']
            ),
        )

    def test_wrapped_lines_fit(self):
        text = 'words that are broken into lines which fit a width'
        lines = draw.wrap(text, 100).split('\n')
        assert ' '.join(lines) == text and len(lines) > 2
        blank = np.full((1, 1, 3), 255, np.uint8)
        for line in lines:
            assert draw.caption(blank, line).shape[1] <= 100
        assert draw.wrap('a b', 1) == 'a\nb'

    @pytest.mark.parametrize(
        'text', ['bücken', 'Fuß', 'Händen', 'бег', 'course à pied', 'čekání']
    )
    def test_letters_are_letters(self, text):
        """Each letter is drawn otherwise than one that no font has."""
        blank = np.full((1, 60, 3), 255, np.uint8)
        tofu = draw.caption(blank, '\U000f1234')[: draw.STRIP]
        drawn = {
            letter: draw.caption(blank, letter)[: draw.STRIP]
            for letter in set(text) - {' '}
        }
        assert (tofu < 128).any()
        for letter, strip in drawn.items():
            assert (strip < 128).any()
            assert (strip != tofu).any(), letter
        # And none like another.
        assert len({s.tobytes() for s in drawn.values()}) == len(drawn)

    def test_box_has_its_line_and_edges(self):
        image = np.full((30, 40, 3), 90, np.uint8)
        out = draw.outline(image, (5, 6, 25, 21), (255, 0, 0), 2, (0, 0, 0))
        assert image.min() == 90
        row = out[15, 3:9].tolist()
        red, black, grey = [255, 0, 0], [0, 0, 0], [90, 90, 90]
        assert row == [grey, black, red, red, black, grey]
        column = out[18:23, 15].tolist()
        assert column == [black, red, red, black, grey]
        np.testing.assert_array_equal(out[9:18, 8:22], image[9:18, 8:22])

    def test_tag_stays_inside_the_picture(self):
        image = np.full((40, 60, 3), 90, np.uint8)
        for corner in ((0, 0), (59, 39), (-20, 80)):
            out = draw.tag(image, 'end', corner, (230, 159, 0))
            assert (out == (230, 159, 0)).all(-1).sum() > 100
            assert (out < 20).all(-1).any()  # black letters
        dark = draw.tag(image, 'end', (0, 0), (0, 0, 120))
        assert (dark > 230).all(-1).any()  # white ones

    def test_pale_keeps_light_and_dark(self):
        image = textured_image((40, 50))
        image[..., 0] = image[..., 0] // 2
        out = draw.pale(image)
        spread = np.ptp(out.astype(int), axis=-1).mean()
        assert spread < 0.3 * np.ptp(image.astype(int), axis=-1).mean()
        luma = [cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in (image, out)]
        np.testing.assert_allclose(*luma, atol=2)

    def test_grid_keeps_every_pixel(self):
        images = [np.full((10 + i, 20, 3), 10 * i, np.uint8) for i in range(5)]
        out = draw.grid(images, 2, gap=3)
        assert out.shape == (3 + 11 + 3 + 13 + 3 + 14 + 3, 3 + 2 * 23, 3)
        for i in range(5):
            assert (out == 10 * i).all(-1).sum() == (10 + i) * 20

    def test_heat_gets_lighter_all_the_way(self):
        rgb = draw.heat(np.linspace(0, 1, 33)[None])[0].astype(float)
        luma = rgb @ [0.299, 0.587, 0.114]
        assert (np.diff(luma) > 0).all()
        assert luma[0] < 5 and luma[-1] > 220
        # In even steps, unlike the rainbow.
        assert np.diff(luma).max() < 3 * np.diff(luma).mean()

    def test_scale_and_convention_are_as_wide_as_their_words(self):
        scale = draw.scale(100, 'least', 'most')
        assert scale.shape[1] > 100 + 30
        inside = (scale != 255).any((0, 2)).nonzero()[0]
        assert inside[0] > 0 and inside[-1] < scale.shape[1] - 1
        picture = draw.convention()
        assert picture.shape[0] == scale.shape[0]
        inside = (picture != 255).any((0, 2)).nonzero()[0]
        assert inside[-1] < picture.shape[1] - 1
        narrow = draw.convention(300)
        assert narrow.shape[0] == 2 * draw.STRIP and narrow.shape[1] <= 300
        assert (narrow != 255).sum() == (picture != 255).sum()

    def test_overlay_mixes(self):
        image = np.full((4, 4, 3), 200, np.uint8)
        out = draw.overlay(image, np.zeros((4, 4)), alpha=0.25)
        expected = 0.75 * 200 + 0.25 * draw.heat(np.zeros((4, 4)))
        np.testing.assert_allclose(out, expected, atol=1)

    @pytest.mark.parametrize(
        'write, suffix', [(draw.write_gif, 'gif'), (write_mp4, 'mp4')]
    )
    def test_animations_have_the_frames_and_their_colors(
        self, tmp_path, write, suffix
    ):
        colors = [(220, 30, 30), (30, 200, 30), (30, 30, 220), (30, 30, 220)]
        frames = [np.full((49, 65, 3), c, np.uint8) for c in colors]
        path = write(tmp_path / 'new' / f'clip.{suffix}', frames)
        if suffix == 'gif':
            image = Image.open(path)
            read = []
            for n in range(image.n_frames):
                image.seek(n)
                read.append(
                    (np.asarray(image.convert('RGB')), image.info['duration'])
                )
            assert image.info['loop'] == 0
            # Pillow joins equal frames and adds up their time; GIF counts
            # in hundredths of a second.
            assert sum(ms for _, ms in read) == pytest.approx(500, abs=40)
            read = [frame for frame, _ in read]
        else:
            reader = cv2.VideoCapture(str(path))
            read = []
            while True:
                there, frame = reader.read()
                if not there:
                    break
                read.append(frame[..., ::-1])
            assert len(read) == 4
            assert read[0].shape[:2] == (50, 66)
        for frame, color in zip(read, colors):
            np.testing.assert_allclose(
                frame[10:40, 10:50].mean((0, 1)), color, atol=12
            )

    def test_png_is_rgb(self, tmp_path):
        image = np.zeros((5, 6, 3), np.uint8)
        image[..., 0] = 255
        read = Image.open(draw.write_png(tmp_path / 'a.png', image))
        assert read.getpixel((2, 2)) == (255, 0, 0)


@pytest.fixture(scope='module')
def tiny():
    return network.read_config('tiny/mosi_r2p1d_deadleaves')


class TestNetwork:
    def test_seeds(self, tiny):
        first, again, other = (
            next(network.build_network(tiny, seed=s).parameters())
            for s in (0, 0, 1)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_loads_every_weight_or_stops(self, tiny, tmp_path):
        model = network.build_network(tiny, seed=5)
        file = tmp_path / 'a.pth'
        torch.save(dict(state_dict=model.state_dict()), file)
        loaded = network.build_network(tiny, str(file))
        for a, b in zip(model.parameters(), loaded.parameters()):
            assert torch.equal(a, b)
        state = model.state_dict()
        state.pop('cls_head.fc_cls.bias')
        torch.save(dict(state_dict=state), file)
        with pytest.raises(ValueError, match='cls_head.fc_cls.bias'):
            network.build_network(tiny, str(file))
        with pytest.raises(FileNotFoundError, match='nowhere'):
            network.build_network(tiny, 'nowhere.pth')

    def test_takes_clips_whoever_renders_in_training(self, tiny):
        """Pretrained on a device: the answers of the one for workers."""
        clip = np.random.default_rng(0).integers(
            0, 256, (8, 32, 32, 3), np.uint8
        )
        on_device = copy.deepcopy(tiny)
        render_on_device(on_device)
        on_device.model.data_preprocessor.dtype = 'bfloat16'
        answers = []
        for cfg in (tiny, on_device):
            model = network.build_network(cfg, seed=5)
            cam, _ = CAM(model)(clip)
            answers.append((network.features(model, clip), cam))
        for expected, found in zip(*answers):
            np.testing.assert_array_equal(found, expected)

    def test_clip_settings(self, tiny):
        assert network.clip_settings(tiny) == (8, 2, 32)
        tuned = network.read_config('tiny/finetune_r2p1d_weizmann')
        assert network.clip_settings(tuned) == (8, 4, 40)

    def test_names_of_classes_are_beside_the_list(self, tmp_path):
        (tmp_path / 'classes.txt').write_text('run\nwalk\n')
        for root, ann_file in (
            (None, str(tmp_path / 'test.txt')),
            (str(tmp_path), 'test.txt'),
            ('elsewhere', str(tmp_path / 'test.txt')),
        ):
            dataset = dict(data_root=root, ann_file=ann_file)
            cfg = Config(dict(test_dataloader=dict(dataset=dataset)))
            assert network.class_names(cfg) == ['run', 'walk']

    def test_find_videos(self, tmp_path):
        for name in ('walk/a b.mp4', 'run/c.MP4', 'run/notes.txt'):
            path = tmp_path / 'videos' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'x')
        root = str(tmp_path / 'videos')
        found = videos.find_videos([root])
        assert [(v.name, v.label) for v in found] == [
            ('c', 'run'),
            ('a b', 'walk'),
        ]
        listed = tmp_path / 'list.txt'
        listed.write_text('walk/a b.mp4 3\nrun/c.MP4 1\n')
        found = videos.find_videos([str(listed)], root)
        assert [(v.name, v.label) for v in found] == [('a b', '3'), ('c', '1')]
        names = ['standing', 'zu Fuß', 'sitting']
        (tmp_path / 'classes.txt').write_text(
            '\n'.join(names) + '\n', encoding='utf-8'
        )
        found = videos.find_videos([str(listed)], root)
        assert [v.label for v in found] == ['3', 'zu Fuß']
        listed.write_text('walk/gone.mp4 3\n')
        with pytest.raises(FileNotFoundError, match='gone.mp4'):
            videos.find_videos([str(listed)], root)
        with pytest.raises(ValueError, match='no video'):
            videos.find_videos([])

    def test_read_clips_takes_the_middle(self, tmp_path):
        frames = [np.full((64, 64, 3), 6 * n, np.uint8) for n in range(40)]
        path = write_mp4(tmp_path / 'v.mp4', frames)
        clips = videos.read_clips(str(path), 8, 2)
        assert clips.shape == (1, 8, 64, 64, 3)
        shown = clips[0].mean((1, 2, 3)) / 6
        np.testing.assert_allclose(np.diff(shown), 2, atol=0.5)
        # The 16 frames that a clip spans lie in the middle of the 40.
        assert shown.mean() == pytest.approx(19.5, abs=1.5)
        three = videos.read_clips(str(path), 8, 2, num_clips=3)
        starts = three[:, 0].mean((1, 2, 3)) / 6
        assert (np.diff(starts) > 4).all()


def test_features_are_the_pooled_backbone(tiny):
    model = network.build_network(tiny, seed=2)
    clip = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)
    scores = model.cls_head.fc_cls(
        torch.from_numpy(network.features(model, clip))
    )
    sample = network.pack(clip)
    with torch.no_grad():
        inputs = model.data_preprocessor(sample)['inputs']
        wanted = model.cls_head(model.extract_feat(inputs)[0])[0]
    torch.testing.assert_close(scores.detach(), wanted)
