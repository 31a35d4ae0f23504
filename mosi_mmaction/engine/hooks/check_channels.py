"""Tell the number of channels where a head does not fit its backbone."""

from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import Hook

from ...checkpoints.weights import unwrap_model
from ...models.heads.channels import check_channels


@HOOKS.register_module()
class CheckChannelsHook(Hook):
    """Compare ``cls_head.in_channels`` with the first features it is given.

    torch would stop there too, with the shapes of two matrices.
    """

    def before_run(self, runner) -> None:
        """Look at the first call of the head only."""
        model = unwrap_model(runner.model)
        head = getattr(model, 'cls_head', None)
        if head is None:
            return

        def look(module: Any, args: tuple) -> None:
            handle.remove()
            if args:
                check_channels(module, args[0])

        handle = head.register_forward_pre_hook(look)
