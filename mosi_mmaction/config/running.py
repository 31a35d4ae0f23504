"""Change the length, the speed or the device of a run in one call."""

from mmengine.config import Config
from mmengine.device import get_device

from .pretraining import render_on_device
from .walk import walk


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
        warmup_epochs: Number of warm-up epochs, 0 for none; None keeps the
            config's.

    Raises:
        ValueError: If the config counts no epochs, or has no list of
            schedules; if no epoch is left after the warm-up; or if the warm-up
            should change but is not a single schedule that begins with the
            run.
    """
    last = _last_schedule(cfg, f'set_epochs: {epochs} epochs')
    whole = last['type'] == 'WarmupCosineLR'
    begin = last.get('warmup_epochs' if whole else 'begin', 0)
    if warmup_epochs is not None:
        begin = warmup_epochs
    if epochs <= begin:
        raise ValueError(
            f'set_epochs: {epochs} epochs leave none after the '
            f'warm-up of {begin}; use at least {begin + 1}, or no warm-up: '
            f'set_epochs(_base_, {epochs}, warmup_epochs=0)'
        )
    if warmup_epochs is not None:
        _set_warmup(cfg, warmup_epochs)
    if whole:
        last['max_epochs'] = epochs
    else:
        last['end'] = epochs
    if 'T_max' in last:
        last['T_max'] = epochs - begin
    cfg['train_cfg']['max_epochs'] = epochs
    if 'max_epochs' in cfg:
        cfg['max_epochs'] = epochs


def _last_schedule(cfg: dict, caller: str) -> dict:
    schedules = cfg.get('param_scheduler')
    if (
        'max_epochs' not in (cfg.get('train_cfg') or {})
        or not isinstance(schedules, (list, tuple))
        or not schedules
    ):
        raise ValueError(
            f'{caller}: the config needs train_cfg.max_epochs and a list '
            'param_scheduler, which are fitted to it'
        )
    return schedules[-1]


def _set_warmup(cfg: dict, epochs: int) -> None:
    *warmup, last = cfg['param_scheduler']
    if last['type'] == 'WarmupCosineLR':
        last['warmup_epochs'] = epochs
        return
    if not warmup and not epochs:
        return
    if len(warmup) != 1 or warmup[0].get('begin', 0) != 0:
        raise ValueError(
            'set_epochs: warmup_epochs can change a warm-up that is a single '
            'schedule and begins with the run; param_scheduler has '
            f'{warmup}'
        )
    warmup[0]['end'] = last['begin'] = epochs
    if not epochs:
        # MMEngine refuses a schedule that ends where it begins.
        cfg['param_scheduler'] = [last]


def fit_epochs(cfg: Config, epochs: int) -> None:
    """Apply ``--epochs``, in place: :func:`set_epochs`, for a try as well.

    A warm-up that would leave no epoch is left out.

    Args:
        cfg: The config.
        epochs: Number of epochs.

    Raises:
        ValueError: If the config counts no epochs, or ``epochs`` is not
            positive.
    """
    cfg = getattr(cfg, '_cfg_dict', cfg)
    if epochs < 1:
        raise ValueError(f'--epochs {epochs}: must be at least 1')
    last = _last_schedule(cfg, f'--epochs {epochs}')
    warmup = last.get('warmup_epochs') or last.get('begin') or 0
    set_epochs(cfg, epochs, 0 if warmup >= epochs else None)


def fast_recipe(cfg: dict | Config, compile: bool | dict = False) -> None:
    """Make a config train fast, in place.

    Training uses bfloat16 autocast if the device supports it, and clips and
    weights in ``channels_last_3d``. On CPUs freed memory is kept, and on CPUs
    without bfloat16 convolutions are folded. In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'

        from mosi_mmaction import fast_recipe

        fast_recipe(_base_)

    Args:
        cfg: The config, or ``_base_`` inside a leaf. Test-only configs,
            without ``optim_wrapper``, become fast too.
        compile: See :class:`FastModelHook`.

    Raises:
        ValueError: If the optimizer wrapper has no bfloat16 counterpart.
    """
    cfg = getattr(cfg, '_cfg_dict', cfg)
    wrapper = cfg.get('optim_wrapper')
    # Default hooks are merged by name, so that a leaf's own custom_hooks do
    # not replace these.
    hooks = cfg.setdefault('default_hooks', {})
    autocast = hooks.setdefault('autocast', dict(type='AutocastHook'))
    if wrapper is None:  # a test-only config
        autocast['dtype'] = 'bfloat16'
    else:
        kind = wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AutocastOptimWrapper'):
            raise ValueError(
                f'fast_recipe: optim_wrapper is {kind!r}; it switches '
                "'OptimWrapper' to bfloat16 and leaves "
                "'AutocastOptimWrapper' unchanged"
            )
        wrapper['type'] = 'AutocastOptimWrapper'
    for preprocessor in walk(cfg):
        if preprocessor.get('type') == 'MoSIDataPreprocessor':
            preprocessor['channels_last'] = True
    hooks['fast'] = dict(
        type='FastModelHook', compile=compile, fold=True, keep_memory=True
    )


def use_amp(cfg: Config) -> None:
    """Switch a config to mixed precision, in place.

    On an accelerator this is mmengine's AmpOptimWrapper. It refuses to run on
    a CPU (``mmengine/optim/optimizer/amp_optimizer_wrapper.py:76``), where
    AutocastOptimWrapper with bfloat16 is used instead.

    Args:
        cfg: Config; a test-only one gets an AutocastHook instead.

    Raises:
        ValueError: If the config has another kind of optimizer wrapper.
    """
    wrapper = cfg.get('optim_wrapper')
    on_cpu = get_device() == 'cpu'
    hook = cfg.setdefault('default_hooks', {}).setdefault(
        'autocast', dict(type='AutocastHook')
    )
    if wrapper is None:
        hook['dtype'] = 'bfloat16' if on_cpu else 'float16'
        return
    kind = wrapper.get('type', 'OptimWrapper')
    if kind == 'AutocastOptimWrapper':
        return  # the config already chose mixed precision
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(
            f'--amp: optim_wrapper.type={kind!r} has no mixed-precision '
            "counterpart; use 'OptimWrapper' or leave --amp out"
        )
    if on_cpu:
        wrapper['type'], wrapper['dtype'] = 'AutocastOptimWrapper', 'bfloat16'
        wrapper.pop('loss_scale', None)
    else:
        wrapper['type'] = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')


def choose_rendering(cfg: Config, where: str) -> str | None:
    """Choose where the clips of pretraining are rendered, in place.

    The pixels are the same to within one grey level. A config that already
    renders on the device keeps doing so.

    Args:
        cfg: The config.
        where: ``'device'``, ``'worker'``, or ``'auto'``, which means the
            device if it is a GPU and the workers otherwise.

    Returns:
        The choice, as a line for the log; None for a config that renders
        nothing.

    Raises:
        ValueError: If the config does not allow the requested choice.
    """
    steps = [step.get('type') for step in walk(cfg)]
    in_worker = 'RenderPseudoMotion' in steps
    if 'DrawPseudoMotion' not in steps:
        if where == 'auto':
            return None
        raise ValueError(
            f'--render {where}: this config renders no clips; is it a '
            'fine-tuning config?'
        )
    if where == 'worker' and not in_worker:
        raise ValueError(
            '--render worker: this config renders on the device; remove '
            'render_on_device() from it'
        )
    device = get_device()
    on_device = where == 'device' or (where == 'auto' and device != 'cpu')
    if in_worker and on_device:
        render_on_device(cfg)
    if in_worker and not on_device:
        return 'clips are rendered in the workers'
    by = "the config's choice" if not in_worker else f'--render {where}'
    return f'clips are rendered on the device, {device} ({by})'
