_base_ = 'tiny_mosi_vit.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='TimeSformerHead',
        in_channels=64,
        num_classes=10,
        dropout_ratio=0.0,
        average_clips='prob',
    )
)
