"""Probe a network: clips, features, readouts, checks; all in one."""

import time
from dataclasses import asdict, replace

import cv2
import numpy as np

from .checks import (
    Finding,
    check_names,
    check_norms,
    check_untrained,
)
from .clips import (
    QUESTIONS,
    SOURCE_RATIO,
    draw_clips,
    own_clips,
    source_images,
)
from .features import Features, take_features
from .networks import Network, own_pipeline
from .readouts import TRAIN_SHARE, answers_right, with_interval

#: Frames of the raw pixels that a readout sees are that many pixels wide.
RAW_SIDE = 8

#: Source images whose clips the network's own head is asked about.
OWN_IMAGES = 30


def probe(
    network: Network,
    num_images: int = 120,
    seed: int = 0,
    folder: str | None = None,
    untrained: bool = True,
) -> dict:
    """Find out what a network knows of motion.

    Args:
        network: See :func:`~.networks.open_network`.
        num_images: Number of source images; two thirds of them are for
            fitting the readouts. Each gives nine clips.
        seed: Of images, motions, random weights and bootstrap.
        folder: Directory of images; None draws dead leaves.
        untrained: Whether to compare with the same network untrained,
            which takes as long again.

    Returns:
        The card, plain values: ``questions``, each with its scores;
        ``findings``; ``ok``, whether there are none; and how it was made.

    Raises:
        ValueError: If the network does not take such clips, or there are
            too few images.
    """
    if num_images < 12:
        raise ValueError(
            f'num_images={num_images}: readouts need at least 12 images'
        )
    start = time.perf_counter()
    clips, answers = _all_clips(network, num_images, seed, folder)
    norms: list = []
    features = dict(
        network=take_features(network, clips, norms),
        raw=Features(*[np.concatenate([_raw(c) for c in clips])] * 2),
    )
    if untrained:
        rival = replace(network, model=network.untrained(seed))
        features['untrained'] = take_features(rival, clips)
    images = np.repeat(np.arange(num_images), [len(c) for c in clips])
    held_out = np.arange(round(num_images * TRAIN_SHARE), num_images)
    questions, differences = [], {}
    for question in QUESTIONS:
        row, differences[question.name] = _ask(
            question, features, answers[question.name], images, held_out, seed
        )
        questions.append(row)

    findings: list[Finding] = []
    head = None
    own = _own(network, seed, folder)
    if own is not None:
        head, findings = _check_head(network, *own)
    else:
        findings = check_norms(norms, own=False)
    if untrained:
        findings += check_untrained(differences)
    return dict(
        network=network.name,
        clip_len=network.clip_len,
        side=network.side,
        images=folder or 'dead leaves',
        num_images=num_images,
        num_clips=len(images),
        features=features['network'].pooled.shape[1],
        seed=seed,
        questions=questions,
        own_head=head,
        findings=[asdict(f) for f in findings],
        ok=not findings,
        seconds=round(time.perf_counter() - start, 1),
    )


def _all_clips(network, num_images, seed, folder):
    clips, answers = [], []
    side = network.side
    pictures = source_images(num_images, SOURCE_RATIO * side, seed, folder)
    for index, image in enumerate(pictures):
        rng = np.random.default_rng((seed, index, 0))
        drawn, asked = draw_clips(image, network.clip_len, side, rng)
        clips.append(drawn)
        answers.append(asked)
    return clips, {
        key: np.concatenate([a[key] for a in answers]) for key in answers[0]
    }


def _raw(clips: np.ndarray) -> np.ndarray:
    """Return the pixels of small clips, (M, T * RAW_SIDE² * 3) float32."""
    size = (RAW_SIDE, RAW_SIDE)
    frames = clips.reshape(-1, *clips.shape[2:])
    small = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames]
    return np.stack(small).reshape(len(clips), -1).astype(np.float32)


def _ask(question, features, answers, images, held_out, seed):
    asked = answers >= 0
    of = images[asked]
    tested = of[np.isin(of, held_out)]
    row = dict(
        name=question.name,
        text=question.text,
        chance=1 / question.classes,
        clips=len(tested),
    )
    right = {}
    for key, found in features.items():
        values = found.placed if question.where else found.pooled
        right[key] = answers_right(values[asked], answers[asked], of, held_out)
        row[key] = with_interval(right[key], tested, seed)
    if 'untrained' not in right:
        return row, {}
    gain = right['network'].astype(int) - right['untrained']
    row['above_untrained'] = with_interval(gain, tested, seed)
    # All questions together are to find a difference by chance in one of
    # forty cards.
    level = 1 - 0.05 / len(QUESTIONS)
    return row, with_interval(gain, tested, seed, level)


def _own(network: Network, seed: int, folder: str | None):
    """Return clips of the network's own training config, or None."""
    pipeline = own_pipeline(network)
    if pipeline is None:
        return None
    sizes = [s['size'] for s in pipeline if s['type'] == 'CropSource']
    if not sizes:
        return None
    # Other images than those of the questions.
    pictures = source_images(OWN_IMAGES, sizes[-1], seed + 1, folder)
    clips, labels = zip(*own_clips(pipeline, pictures, seed))
    return list(clips), np.concatenate(labels)


def _check_head(network: Network, clips: list, labels: np.ndarray):
    norms: list = []
    scores = take_features(network, clips, norms).scores
    assert scores is not None  # own clips are those of its MoSI head
    names = network.model.cls_head.pool.names
    right, findings = check_names(scores, labels, names)
    head = dict(right=right, clips=len(labels), chance=1 / len(names))
    return head, check_norms(norms, own=True) + findings
