"""Turn packed samples into the backbone's input."""

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor

from ...method.render_torch import render_batch


@MODELS.register_module()
class MoSIDataPreprocessor(BaseDataPreprocessor):
    """Stack, move to the device, render if requested, and normalise.

    Pixels go to the device as uint8 and become float only there. Data samples
    stay on the CPU, where their few labels are checked; the head sends the
    labels, so that no step waits for the device.

    Args:
        mean: Mean of each RGB channel, in grey levels (release: 0.45).
        std: Standard deviation of each RGB channel, in grey levels (release:
            0.225).
        channels_last: Whether the clips keep the memory format in which they
            were rendered, ``torch.channels_last_3d``.
        non_blocking: Whether copies to the device are asynchronous; for
            pinned memory.
        render: Whether clips are rendered here, on the device, from source
            images and plans, for pipelines without ``RenderPseudoMotion``;
            see :func:`~mosi_mmaction.render_on_device`.
        dtype: Of the clips, ``'float32'`` or ``'bfloat16'``. The latter only
            where the network runs under bfloat16 autocast, whose first layer
            would round them to it anyway: the same values, in two passes
            over the pixels instead of four. For GPUs.

    Raises:
        ValueError: If ``mean`` or ``std`` are not three numbers, or there
            is no such ``dtype``.
    """

    def __init__(
        self,
        mean: Sequence[float] = (114.75, 114.75, 114.75),
        std: Sequence[float] = (57.375, 57.375, 57.375),
        channels_last: bool = False,
        non_blocking: bool = True,
        render: bool = False,
        dtype: str = 'float32',
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        for name, value in (('mean', mean), ('std', std)):
            if len(value) != 3:
                raise ValueError(
                    f'MoSIDataPreprocessor.{name}={value!r}: '
                    'give one number for each of R, G, B'
                )
            self.register_buffer(
                name, torch.tensor(value, dtype=torch.float32), False
            )
        if dtype not in ('float32', 'bfloat16'):
            raise ValueError(
                f"MoSIDataPreprocessor.dtype={dtype!r}: 'float32' or "
                "'bfloat16'"
            )
        self.dtype = getattr(torch, dtype)
        self.channels_last = channels_last
        self.render = render

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make a batch.

        Args:
            data: ``inputs``: clips of B images, each (C, 3, N, L, L) uint8,
                as one tensor from ``mosi_collate`` or as a list; with
                ``render``, B source images (3, H, W) uint8 instead.
                ``data_samples``: a list of B; with ``render``, each has its
                plan as ``motion``.
            training: Not used.

        Returns:
            ``inputs`` (B, C, 3, N, L, L) of ``dtype`` on the device, and
            ``data_samples`` unchanged.

        Raises:
            ValueError: If there are clips although ``render`` needs source
                images, or vice versa.
        """
        samples = data.get('data_samples')
        if self.render:
            plans = _plans(data['inputs'], samples)
            clips = render_batch(self._stack(data['inputs'], -3), plans)
        else:
            _check_clips(data['inputs'])
            clips = self._stack(data['inputs'], -4)
        clips = self._normalise(clips)
        if not self.channels_last:
            clips = clips.contiguous()
        return dict(inputs=clips, data_samples=samples)

    def _normalise(self, clips: torch.Tensor) -> torch.Tensor:
        mean, std = (x.view(3, 1, 1, 1) for x in (self.mean, self.std))
        if self.dtype == torch.bfloat16:
            # Types change as values are read and written, not in passes of
            # their own; on a CPU that is slower.
            values = torch.sub(clips, mean)
            out = torch.empty_like(values, dtype=self.dtype)
            return torch.div(values, std, out=out)
        # Copy float32 clips too, as they belong to the caller.
        return clips.to(torch.float32, copy=True).sub_(mean).div_(std)

    def _stack(
        self, inputs: torch.Tensor | Sequence[torch.Tensor], channel: int
    ) -> torch.Tensor:
        """Make one tensor on the device, channels last in memory."""
        # Images and frames are channels last in memory; stacked in the same
        # way, they are copied as blocks and nothing is transposed.
        if isinstance(inputs, torch.Tensor):  # stacked in the worker
            batch = self.cast_data(inputs).movedim(channel, -1).contiguous()
        else:
            batch = torch.stack(
                [self.cast_data(x).movedim(channel, -1) for x in inputs]
            )
        return batch.movedim(-1, channel)


def _check_clips(inputs: Sequence[torch.Tensor]) -> None:
    if inputs[0].ndim != 5:
        raise ValueError(
            'MoSIDataPreprocessor got inputs of shape '
            f'{tuple(inputs[0].shape)} instead of clips (C, 3, N, L, L): put '
            'RenderPseudoMotion before PackMoSIInputs in the pipeline, or '
            'set render=True in model.data_preprocessor; for videos, '
            "FormatShape needs input_format='NCTHW'"
        )


def _plans(inputs: Sequence[torch.Tensor], samples: Sequence | None) -> list:
    if inputs[0].ndim == 5:
        raise ValueError(
            'MoSIDataPreprocessor has render=True but got clips that are '
            'rendered already: remove RenderPseudoMotion from the pipeline '
            '(mosi_mmaction.render_on_device() does both), or set '
            'render=False'
        )
    plans = [sample.get('motion') for sample in samples or ()]
    if len(plans) != len(inputs) or None in plans:
        raise ValueError(
            'MoSIDataPreprocessor has render=True, but not every source '
            "image has its plan, 'motion' in the data sample: end the "
            'pipeline with PackMoSIInputs'
        )
    sizes = {tuple(x.shape[1:]) for x in inputs}
    if len(sizes) > 1:
        raise ValueError(
            'MoSIDataPreprocessor(render=True): source images of one batch '
            f'have different sizes (H, W), {sorted(sizes)}: put CropSource '
            'into the pipeline'
        )
    return plans
