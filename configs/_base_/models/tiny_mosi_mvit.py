# For clips of 8 x 32^2: four blocks in three scales.
_base_ = 'mosi_mvit.py'

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=24,
            num_layers=4,
            num_heads=1,
            downscale_indices=[1, 3],
        ),
        spatial_size=32,
        temporal_size=8,
        adaptive_kv_stride=(1, 2, 2),
    ),
    cls_head=dict(in_channels=96),
    data_preprocessor=dict(channels_last=True),
)
