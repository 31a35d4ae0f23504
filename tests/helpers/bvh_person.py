"""A person of our own in a BVH file, for tests and the docs' picture."""

import numpy as np

# A person of our own: arms hang, legs stand; joint, parent, offset in cm.
SKELETON = (
    ('Hips', None, (0, 90, 0)),
    ('Chest', 'Hips', (0, 30, 0)),
    ('Neck', 'Chest', (0, 20, 0)),
    ('Head', 'Neck', (0, 8, 0)),
    *(
        (f'{name}_{side}', parent + tail, (sign * x, y, z))
        for side, sign in (('L', 1), ('R', -1))
        for name, parent, tail, x, y, z in (
            ('UpperArm', 'Chest', '', 18, 15, 0),
            ('LowerArm', 'UpperArm', f'_{side}', 0, -27, 0),
            ('Hand', 'LowerArm', f'_{side}', 0, -24, 0),
            ('UpperLeg', 'Hips', '', 9, -4, 0),
            ('LowerLeg', 'UpperLeg', f'_{side}', 0, -40, 0),
            ('Foot', 'LowerLeg', f'_{side}', 0, -41, 0),
            ('Toes', 'Foot', f'_{side}', 0, -4, 12),
        )
    ),
)


def write_bvh(path, raised, frames=40, travel=0.0):
    """Write a person facing +z who raises arms sideways; y is up."""
    children = {}
    for name, parent, offset in SKELETON:
        children.setdefault(parent, []).append((name, offset))
    order, lines = [], ['HIERARCHY']

    def joint(name, offset, depth):
        pad = '\t' * depth
        order.append(name)
        lines.append(f'{pad}{"JOINT" if depth else "ROOT"} {name}')
        lines.append(f'{pad}{{')
        lines.append(f'{pad}\tOFFSET {offset[0]} {offset[1]} {offset[2]}')
        place = '' if depth else 'Xposition Yposition Zposition '
        lines.append(
            f'{pad}\tCHANNELS {3 if depth else 6} {place}'
            'Zrotation Xrotation Yrotation'
        )
        for child in children.get(name, ()):
            joint(*child, depth + 1)
        if name not in children:
            for line in ('End Site', '{', '\tOFFSET 0 0 0', '}'):
                lines.append(f'{pad}\t{line}')
        lines.append(f'{pad}}}')

    joint('Hips', (0, 90, 0), 0)
    lines += ['MOTION', f'Frames: {frames}', 'Frame Time: 0.0333333']
    for n in range(frames):
        lift = 160 * np.sin(np.pi * n / (frames - 1))
        row = [0, 90, travel * n / (frames - 1)]
        for name in order:
            turn = 0.0
            if name in [f'UpperArm_{side}' for side in raised]:
                # About z, an arm that hangs goes outwards and up.
                turn = lift if name.endswith('L') else -lift
            row += [turn, 0, 0]
        lines.append(' '.join(f'{v:.3f}' for v in row))
    path.write_text('\n'.join(lines) + '\n')
    return path
