# The rendered videos of `make demo` (tools/demo.py).
_base_ = 'tiny_finetune.py'

data_root = '{{$MOSI_DATA:work_dirs/demo/videos}}'

train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + '/train.txt', data_prefix=dict(video=data_root)
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file=data_root + '/test.txt', data_prefix=dict(video=data_root)
    )
)
test_dataloader = val_dataloader
