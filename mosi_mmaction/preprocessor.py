"""From packed samples to what the backbone takes."""
from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor


@MODELS.register_module()
class MoSIDataPreprocessor(BaseDataPreprocessor):
    """Stack, move to the device, normalise.

    Pixels cross to the device as uint8 and become float only there. Data
    samples stay where they are: their few labels are checked on the CPU and
    sent by the head, so that no step waits for the device.

    Args:
        mean: Of every RGB channel, in grey levels (release: 0.45).
        std: Of every RGB channel, in grey levels (release: 0.225).
        channels_last: Whether the clips keep the memory format they were
            rendered in, ``torch.channels_last_3d``.
        non_blocking: Whether copies to the device are asynchronous; for
            pinned memory.
    """

    def __init__(self,
                 mean: Sequence[float] = (114.75, 114.75, 114.75),
                 std: Sequence[float] = (57.375, 57.375, 57.375),
                 channels_last: bool = False,
                 non_blocking: bool = True) -> None:
        super().__init__(non_blocking=non_blocking)
        for name, value in (('mean', mean), ('std', std)):
            if len(value) != 3:
                raise ValueError(f'MoSIDataPreprocessor.{name}={value!r}: '
                                 'give one number for each of R, G, B')
            self.register_buffer(
                name, torch.tensor(value, dtype=torch.float32), False)
        self.channels_last = channels_last

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make a batch.

        Args:
            data: ``inputs``, a list of B tensors (C, 3, N, L, L) uint8, or
                one tensor of them; ``data_samples``, a list of B.
            training: Not used.

        Returns:
            ``inputs`` (B, C, 3, N, L, L) float32 on the device, and
            ``data_samples`` as they were.
        """
        inputs = data['inputs']
        # Frames were rendered channels last; stacked that way, whole clips
        # are copied and nothing is transposed.
        clips = torch.stack([
            self.cast_data(x).movedim(-4, -1) for x in inputs
        ])  # (B, C, N, L, L, 3)
        clips = clips.float().sub_(self.mean).div_(self.std).movedim(-1, 2)
        if not self.channels_last:
            clips = clips.contiguous()
        return dict(inputs=clips, data_samples=data.get('data_samples'))
