# The schedule of pretraining with what transformers are usually trained with
# instead of Adam. Not the paper's: see docs/transformers.md.
_base_ = 'adam_cosine.py'

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.05),
    paramwise_cfg=dict(
        bias_decay_mult=0.0,
        # What is a bias by nature, not by name.
        custom_keys=dict(
            q_bias=dict(decay_mult=0.0),
            v_bias=dict(decay_mult=0.0),
            relative_position_bias_table=dict(decay_mult=0.0),
            rel_pos=dict(decay_mult=0.0),
            cls_token=dict(decay_mult=0.0),
        ),
    ),
    clip_grad=dict(max_norm=1.0),
)
