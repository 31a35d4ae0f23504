# Like the tiny schedule, with half the learning rate and batch size.
_base_ = 'tiny_mosi.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=5)
