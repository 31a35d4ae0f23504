# For clips of 8 x 32^2: three stages.
_base_ = 'mosi_swin.py'

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=24,
            depths=[2, 2, 2],
            num_heads=[2, 4, 8],
        ),
        window_size=(4, 4, 4),
        out_indices=(2,),
    ),
    cls_head=dict(in_channels=96),
    data_preprocessor=dict(channels_last=True),
)
