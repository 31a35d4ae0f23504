# For clips of 8 x 32^2: 224,448 parameters, 64 tokens.
_base_ = 'mosi_vit.py'

model = dict(
    backbone=dict(
        img_size=32,
        patch_size=8,
        embed_dims=64,
        depth=4,
        num_heads=4,
        num_frames=8,
    ),
    cls_head=dict(in_channels=64),
    data_preprocessor=dict(channels_last=True),
)
