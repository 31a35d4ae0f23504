# ViT-S/16 as VideoMAE has it: 21,879,936 parameters. Tubelets of 2 frames
# make 392 tokens of a clip; features are their mean.
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='VisionTransformer',
        img_size=112,
        patch_size=16,
        embed_dims=384,
        depth=12,
        num_heads=6,
        num_frames=16,
        tubelet_size=2,
        drop_path_rate=0.0,
    ),
    cls_head=dict(type='MoSIHead', in_channels=384, dropout_ratio=0.0),
    data_preprocessor=dict(type='MoSIDataPreprocessor'),
)
