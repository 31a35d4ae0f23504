"""Clips with known motion, from images that no network was trained on.

Each source image gives nine clips. Five are of the paper's kind (one box
moves, the rest is a frozen frame, Eq. 1-3): one for each direction, at either
speed, and a static one. Four have layers: one for each direction of an object
while a camera moves along its own path.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from mmengine.dataset import Compose

from ..datasets.source_image import SourceImageDataset
from ..method.labels import LabelPool, read_only
from ..method.motion import draw_motion, draw_static_mask, render
from ..method.plan import Camera, PseudoMotion
from ..synthetic.dead_leaves import draw_dead_leaves


@dataclass(frozen=True)
class Question:
    """A question to a readout.

    Attributes:
        name: One word.
        text: The answers to distinguish.
        classes: Number of answers, which are equally likely.
        where: Whether the readout sees the position of features in the frame.
    """

    name: str
    text: str
    classes: int
    where: bool = False


#: The questions of a card, in its order.
QUESTIONS = (
    Question('direction', 'left, right, up or down', 4),
    Question(
        'speed',
        "half or all of the clip's side from the first frame to the last",
        2,
    ),
    Question('still', 'standing still or moving', 2),
    Question('place', 'the quarter in which the moving box lies', 4, True),
    Question('object', 'direction of the object, the camera moves too', 4),
    Question('camera', 'direction of the camera, the object moves too', 4),
)

#: First number of the seeds of the probe. Images of datasets are drawn
#: from pairs (seed, index), these from triples, so that none is shared.
_SEEDS = 250_000

#: Side of the source image as a multiple of the clip's: as the tiny
#: configs, so that the fastest window moves by its own side.
SOURCE_RATIO = 2

_NINE = LabelPool(num_speeds=5)
_FOUR = LabelPool(num_speeds=3, static=False)


def source_images(
    count: int, size: int, seed: int = 0, folder: str | None = None
) -> Iterator[np.ndarray]:
    """Yield square source images, (size, size, 3) uint8 RGB.

    Args:
        count: Number of images.
        size: Side in pixels.
        seed: Of the drawn images, or of the choice out of the directory.
        folder: Directory of images or videos (their middle frames);
            None draws dead leaves.

    Raises:
        ValueError: If the directory has fewer images.
    """
    if folder is None:
        for index in range(count):
            rng = np.random.default_rng((_SEEDS, seed, index))
            yield draw_dead_leaves(size, rng)
        return
    steps = [
        dict(type='LoadSourceFrame', frame='middle', short_side=size),
        dict(type='CropSource', size=size, flip_ratio=0.0, random_crop=False),
    ]
    dataset = SourceImageDataset(
        data_root=folder, pipeline=steps, test_mode=True, bad_files='skip'
    )
    if len(dataset) < count:
        raise ValueError(
            f'{folder}: {len(dataset)} images, but the probe wants {count}; '
            'give more images, or --images fewer'
        )
    order = np.random.default_rng((_SEEDS, seed)).permutation(len(dataset))
    for index in order[:count].tolist():
        yield dataset[index]['img']


def draw_clips(
    image: np.ndarray, clip_len: int, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Make the nine clips of an image, and the answers to the questions.

    Args:
        image: Source image, (S, S, 3) uint8 RGB.
        clip_len: Number of frames.
        side: Of a clip in pixels.
        rng: The only source of randomness.

    Returns:
        (9, clip_len, side, side, 3) uint8 RGB, and by the question's name
        (9,) int64, -1 where a clip is not asked.
    """
    size = image.shape[0]
    plan = draw_motion(_NINE, size, side, clip_len, rng)
    plan = draw_static_mask(plan, (0.4, 0.6), rng=rng)
    faster = rng.integers(0, 2, 4)
    words = ('left', 'right', 'up', 'down')
    kept = [_NINE.names.index(f'{w}-{v + 1}') for w, v in zip(words, faster)]
    kept.append(_NINE.names.index('static'))
    plain = render(image, plan)[kept]
    boxes = plan.frame_boxes[kept, 0]  # these masks stay in place
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 - side / 2
    layered, object_way, camera_way = _draw_layers(size, clip_len, side, rng)

    clips = np.concatenate([plain, render(image, layered)])
    answers = {q.name: np.full(9, -1) for q in QUESTIONS}
    answers['direction'][:4] = range(4)
    answers['speed'][:4] = faster
    answers['still'][4] = 0
    answers['still'][rng.integers(4)] = 1
    # A box in the very middle is in no quarter.
    clear = (abs(centre[:4]) > side / 32).all(1)
    quarter = (centre[:4] > 0) @ [1, 2]
    answers['place'][:4] = np.where(clear, quarter, -1)
    answers['object'][5:] = object_way
    answers['camera'][5:] = camera_way
    return clips, answers


def _draw_layers(
    size: int, clip_len: int, side: int, rng: np.random.Generator
) -> tuple[PseudoMotion, np.ndarray, np.ndarray]:
    """Draw an object and a camera, each in a direction of its own."""
    plan = draw_motion(_FOUR, size, side, clip_len, rng)
    plan = draw_static_mask(plan, (0.4, 0.6), rng=rng, shape='mixed', soft=0.1)
    # The camera's path is drawn as the object's is.
    camera = draw_motion(_FOUR, size, side, clip_len, rng)
    chosen = rng.integers(0, len(_FOUR), len(_FOUR))
    offsets = read_only(camera.offsets[chosen])
    scale = read_only(np.ones(offsets.shape[:2]))
    return (
        replace(plan, background=None, camera=Camera(offsets, scale)),
        plan.labels,
        camera.labels[chosen],
    )


def own_clips(
    pipeline: list[dict], images: Iterator[np.ndarray], seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Render images as a pretraining config does, all labels of each.

    Args:
        pipeline: Of a pretraining config; what loads or augments the image
            is left out.
        images: Source images of the size of its ``CropSource``.
        seed: Of the motions.

    Yields:
        Clips (C, N, L, L, 3) uint8 RGB and their labels (C,).
    """
    steps = Compose(
        [
            step
            for step in pipeline
            if step['type'].startswith(('Draw', 'RenderPseudoMotion'))
        ]
    )
    for index, img in enumerate(images):
        rng = np.random.default_rng((_SEEDS, seed, index, 1))
        results = steps(dict(img=img, rng=rng, sample_idx=index))
        clips = results['imgs']
        yield np.asarray(clips), results['motion'].labels
