"""Change the length and the speed of a run in one call."""

from mmengine.config import Config

from .tree import walk


def set_epochs(
    cfg: dict, epochs: int, warmup_epochs: int | None = None
) -> None:
    """Change the length of an epoch-based run and of its schedule, in place.

    The last schedule ends with the run. In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'

        from mosi_mmaction import set_epochs

        set_epochs(_base_, 200)

    Args:
        cfg: The config, or ``_base_`` inside a leaf.
        epochs: Number of epochs.
        warmup_epochs: Number of those that warm up; None keeps the config's.

    Raises:
        ValueError: If the warm-up leaves no epoch, or is to change and is
            not of one schedule that begins with the run.
    """
    *warmup, last = cfg['param_scheduler']
    whole = last['type'] == 'WarmupCosineLR'
    begin = last.get('warmup_epochs' if whole else 'begin', 0)
    if warmup_epochs is not None:
        begin = warmup_epochs
    if epochs <= begin:
        raise ValueError(
            f'set_epochs: {epochs} epochs leave none after the '
            f'warm-up of {begin}; give at least {begin + 1}, or shorten the '
            'warm-up first: '
            + (
                "_base_['param_scheduler'][-1]['warmup_epochs'] = 0"
                if whole
                else "_base_['param_scheduler'] = "
                "[dict(_base_['param_scheduler'][-1], begin=0)]"
            )
        )
    if warmup_epochs is not None:
        _set_warmup(warmup, last, warmup_epochs)
    if whole:
        last['max_epochs'] = epochs
    else:
        last['end'] = epochs
    if 'T_max' in last:
        last['T_max'] = epochs - begin
    cfg['train_cfg']['max_epochs'] = epochs
    if 'max_epochs' in cfg:
        cfg['max_epochs'] = epochs


def _set_warmup(warmup: list, last: dict, epochs: int) -> None:
    if last['type'] == 'WarmupCosineLR':
        last['warmup_epochs'] = epochs
        return
    if len(warmup) != 1 or warmup[0].get('begin', 0) != 0:
        raise ValueError(
            'set_epochs: warmup_epochs changes a warm-up of one schedule '
            f'that begins with the run; param_scheduler has {warmup}'
        )
    warmup[0]['end'] = last['begin'] = epochs


def fast_recipe(cfg: dict | Config, compile: bool | dict = False) -> None:
    """Make a config train fast, in place.

    bfloat16 autocast where the device has it, clips and weights in
    ``channels_last_3d``; on CPUs freed memory is kept and, in those without
    bfloat16, convolutions are folded.
    In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'

        from mosi_mmaction import fast_recipe

        fast_recipe(_base_)

    Args:
        cfg: The config, or ``_base_`` inside a leaf; one without an
            ``optim_wrapper`` only tests, and does so as fast.
        compile: See :class:`FastModelHook`.

    Raises:
        ValueError: If the optimizer wrapper is none that has a counterpart
            in bfloat16.
    """
    cfg = getattr(cfg, '_cfg_dict', cfg)
    wrapper = cfg.get('optim_wrapper')
    # Default hooks are merged by name, so that a leaf's own custom_hooks do
    # not replace these.
    hooks = cfg.setdefault('default_hooks', {})
    autocast = hooks.setdefault('autocast', dict(type='AutocastHook'))
    if wrapper is None:  # a config that only tests
        autocast['dtype'] = 'bfloat16'
    else:
        kind = wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AutocastOptimWrapper'):
            raise ValueError(
                f'fast_recipe: optim_wrapper is {kind!r}; it switches '
                "'OptimWrapper' to bfloat16 and leaves "
                "'AutocastOptimWrapper' as it is"
            )
        wrapper['type'] = 'AutocastOptimWrapper'
    for preprocessor in walk(cfg):
        if preprocessor.get('type') == 'MoSIDataPreprocessor':
            preprocessor['channels_last'] = True
    hooks['fast'] = dict(
        type='FastModelHook', compile=compile, fold=True, keep_memory=True
    )
