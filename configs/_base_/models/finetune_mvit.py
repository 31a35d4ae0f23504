_base_ = 'mosi_mvit.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='MViTHead',
        in_channels=768,
        num_classes=51,
        dropout_ratio=0.5,
        with_cls_token=False,
        average_clips='prob',
    )
)
