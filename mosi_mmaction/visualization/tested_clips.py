"""Show the clips of a test with labels and predictions.

MMAction2's VisualizationHook can do so for no clip of a 3D network (mmaction2
1.2.0): it takes clips of three axes, and gives the visualizer an argument
that it does not have.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook

from .draw import caption, enlarge, grid, write_gif

_HEIGHT = 120
_FPS = 8


class TestedClipsHook(Hook):
    """Write an animation of every n-th sample of a test, or show it.

    A sample of the pretext task shows all its clips, a video its middle one.

    Args:
        folder: Directory for the files ``<number of the sample>.gif``; None
            writes none.
        show: Whether to play them in a window.
        interval: Every how many samples.
        wait_time: Time for which the last frame stays in the window, in
            seconds.
        names: Names of the classes; numbers if there are none.
    """

    __test__ = False  # not one of pytest's

    def __init__(
        self,
        folder: str | None = None,
        show: bool = False,
        interval: int = 1,
        wait_time: float = 2,
        names: Sequence[str] | None = None,
    ) -> None:
        if interval < 1:
            raise ValueError(f'--interval {interval}: must be at least 1')
        self.folder = folder
        self.show = show
        self.interval = interval
        self.wait_time = wait_time
        self.names = names
        self._seen = 0

    def before_test(self, runner) -> None:
        """Start with the first sample."""
        self._seen = 0

    def after_test_iter(
        self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = ()
    ) -> None:
        """Draw the samples of a batch.

        Raises:
            ValueError: If the batch has no clips yet.
        """
        for clips, sample in zip(data_batch['inputs'], outputs):
            # Ranks take turns at the samples.
            number = self._seen * get_world_size() + get_rank()
            self._seen += 1
            if number % self.interval == 0:
                self._draw(f'{number:06d}', clips, sample)

    def _draw(self, name: str, clips: torch.Tensor, sample: Any) -> None:
        if clips.ndim != 5:
            raise ValueError(
                f'--show, --show-dir: the pipeline of the test gives '
                f'{tuple(clips.shape)} instead of clips (C, 3, N, H, W)'
            )
        shown = [
            [caption(enlarge(frame, _HEIGHT), text) for frame in clip]
            for clip, text in _captioned(clips, sample, self.names)
        ]
        frames = [grid(pictures, columns=3) for pictures in zip(*shown)]
        if self.folder is not None:
            write_gif(Path(self.folder) / f'{name}.gif', frames, _FPS)
        if self.show:
            for frame in frames:
                cv2.imshow('test', frame[..., ::-1])
                cv2.waitKey(1000 // _FPS)
            cv2.waitKey(max(1, round(1000 * self.wait_time)))


def _captioned(
    clips: torch.Tensor, sample: Any, names: Sequence[str] | None
) -> Iterator[tuple[np.ndarray, str]]:
    """Yield what is shown of a sample: clips (N, H, W, 3), and their text."""
    pool = sample.get('label_pool')
    names = pool.names if pool is not None else names
    scores = sample.get('pred_score')
    rows = (
        [None] if scores is None else [*scores.reshape(-1, scores.shape[-1])]
    )
    labels: list = sample.gt_label.reshape(len(rows), -1).tolist()
    first = len(clips) // 2 if len(rows) == 1 else 0
    for clip, score, known in zip(clips[first:], rows, labels):
        text = ', '.join(_name(label, names) for label in known if label >= 0)
        if score is not None:
            best = int(score.argmax())
            text += f' → {_name(best, names)} {float(score[best]):.2f}'
        yield clip.permute(1, 2, 3, 0).cpu().numpy(), text.strip()


def _name(label: int, names: Sequence[str] | None) -> str:
    return names[label] if names and label < len(names) else str(label)
