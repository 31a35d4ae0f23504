custom_imports = dict(imports=['mosi_mmaction'], allow_failed_imports=False)
default_scope = 'mmaction'

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # The published file has only weights and metadata, so that it loads
    # anywhere, without this plugin.
    checkpoint=dict(
        type='SafeCheckpointHook',
        interval=10,
        max_keep_ckpts=3,
        save_last=True,
        published_keys=['meta', 'state_dict'],
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
    # A resumed run ends with the weights of an uninterrupted one.
    streams=dict(type='StreamHook'),
    record=dict(type='RecordHook'),
    # Validation and test run in the precision of training.
    autocast=dict(type='AutocastHook'),
    labels=dict(type='CheckLabelsHook'),
    channels=dict(type='CheckChannelsHook'),
    # A load_from file that does not fit is an error, not a warning.
    loaded=dict(type='CheckLoadedHook', prefix='backbone.'),
)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=1),
    dist_cfg=dict(backend='nccl'),
)

log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='ActionVisualizer', vis_backends=vis_backends)

log_level = 'INFO'
load_from = None
resume = False
