"""Golden values of a motion on KIT-ML's skeleton, from the definition alone: features, joints recovered from them in
both ways, the mirrored motion's features, and statistics. tests/data/test_kit.cpp makes the
same motion by the same formula.

    python3 tests/golden/make_kit_golden.py      # writes kit.npz beside itself
"""
from pathlib import Path

import numpy as np

from make_motion_golden import between, qinv, qmatrix, qmul, rotate, smooth, unit

CHAINS = [[0, 11, 12, 13, 14, 15], [0, 16, 17, 18, 19, 20], [0, 1, 2, 3, 4], [3, 5, 6, 7], [3, 8, 9, 10]]
X, Y, Z = np.eye(3)
DIRECTION = np.array([0 * X, Y, Y, Y, Y, X, -Y, -Y, -X, -Y, -Y, X, -Y, -Y, Z, Z, -X, -Y, -Y, Z, Z])
LENGTH = np.array([0, 80, 120, 44, 30, 110, 188, 145, 110, 188, 145, 52, 245, 246, 30.2736, 56.2893, 52, 245, 246,
                   30.2736, 56.2893])
R_HIP, L_HIP, R_SHOULDER, L_SHOULDER = 11, 16, 5, 8
FEET, THRESHOLD, SCALE = (19, 20, 14, 15), .05, (17, 18)
SIDES = [(5, 8), (6, 9), (7, 10), (11, 16), (12, 17), (13, 18), (14, 19), (15, 20)]
PARENT = {b: a for chain in CHAINS for a, b in zip(chain, chain[1:])}
ROWS = slice(None, None, 7)  # those that are kept


def synthetic(frames):
    """A body of other size that sways, turns, drifts, and stands still from frame 20 to 26 (frames, 21, 3)."""
    rest = np.zeros((21, 3))
    for chain in CHAINS:
        for a, b in zip(chain, chain[1:]):
            rest[b] = rest[a] + DIRECTION[b] * LENGTH[b]
    rest[:, 0] *= -1  # the data's right is at -x, whatever the directions say
    j = np.arange(21)
    out = np.zeros((frames, 21, 3))
    for frame in range(frames):
        t = min(frame, 20) if frame < 26 else frame - 6
        sway = 6 * np.stack([np.sin(.31 * t + j), np.sin(.17 * t + 2 * j), np.cos(.23 * t + 3 * j)], 1)
        local = 1.3 * rest + sway
        angle = -.9 + .02 * t + .3 * np.sin(.07 * t)
        c, s = np.cos(angle), np.sin(angle)
        out[frame, :, 0] = c * local[:, 0] + s * local[:, 2] + 9 * t + 700
        out[frame, :, 1] = local[:, 1] + 20 * np.sin(.2 * t) + 150
        out[frame, :, 2] = -s * local[:, 0] + c * local[:, 2] + 15 * t - 300
    return out


def spread(v, shape):
    return np.broadcast_to(v, shape)


def inverse_kinematics(p, is_smooth):
    # The routine's hips are exchanged against those of the initial facing.
    across = (p[:, L_HIP] - p[:, R_HIP]) + (p[:, R_SHOULDER] - p[:, L_SHOULDER])
    forward = np.cross(spread(Y, across.shape), unit(across))
    forward = unit(smooth(forward) if is_smooth else forward)
    q = np.zeros((len(p), 21, 4))
    q[:, 0] = between(forward, spread(Z, forward.shape))
    q[0, 0] = [1, 0, 0, 0]
    for chain in CHAINS:
        r = q[:, 0]
        for a, b in zip(chain, chain[1:]):
            world = between(spread(DIRECTION[b], (len(p), 3)), unit(p[:, b] - p[:, a]))
            q[:, b] = qmul(qinv(r), world)
            r = world
    return q


def canonical(p):
    size = np.linalg.norm
    leg = sum(size(p[0, b] - p[0, PARENT[b]]) for b in SCALE)
    root = p[:, 0] * sum(LENGTH[b] for b in SCALE) / leg
    q = inverse_kinematics(p, False)
    g = np.zeros_like(p)
    g[:, 0] = root
    for chain in CHAINS:
        r = q[:, 0]
        for a, b in zip(chain, chain[1:]):
            r = qmul(r, q[:, b])
            g[:, b] = g[:, a] + rotate(r, spread(DIRECTION[b] * LENGTH[b], (len(p), 3)))
    g[..., 1] -= g[..., 1].min()
    g -= g[0, 0] * [1, 0, 1]
    across = unit((g[0, R_HIP] - g[0, L_HIP]) + (g[0, R_SHOULDER] - g[0, L_SHOULDER]))
    return rotate(between(unit(np.cross(Y, across)), Z), g)


def features(p):
    g = canonical(p)
    moved = g[1:] - g[:-1]
    contacts = np.stack([(moved[:, j] ** 2).sum(-1) < THRESHOLD for j in FEET], 1)
    q = inverse_kinematics(g, True)
    heading = q[:, 0]
    root_velocity = rotate(heading[1:], moved[:, 0])
    yaw = np.arcsin(qmul(heading[1:], qinv(heading[:-1]))[:, 2:3])
    columns = qmatrix(q)[:-1, 1:, :, :2].transpose(0, 1, 3, 2)
    n = len(moved)
    local = (g - g[:, :1] * [1, 0, 1])[:-1, 1:]
    return np.concatenate([yaw, root_velocity[:, [0, 2]], g[:-1, 0, 1:2],
                           rotate(heading[:-1, None], local).reshape(n, -1), columns.reshape(n, -1),
                           rotate(heading[:-1, None], moved).reshape(n, -1), contacts], 1)


def root_path(f):
    angle = np.concatenate([[0], np.cumsum(f[:-1, 0])])
    q = np.stack([np.cos(angle), 0 * angle, np.sin(angle), 0 * angle], 1)
    step = np.zeros((len(f), 3))
    step[1:, 0], step[1:, 2] = f[:-1, 1], f[:-1, 2]
    place = np.cumsum(rotate(qinv(q), step), 0)
    place[:, 1] = f[:, 3]
    return q, place


def from_positions(f):
    q, root = root_path(f)
    rest = rotate(qinv(q)[:, None], f[:, 4:64].reshape(-1, 20, 3)) + root[:, None] * [1, 0, 1]
    return np.concatenate([root[:, None], rest], 1)


def from_rotations(f):
    q, root = root_path(f)
    x, y = np.moveaxis(f[:, 64:184].reshape(-1, 20, 2, 3), 2, 0)
    x = unit(x)
    z = unit(np.cross(x, y))
    local = np.stack([x, np.cross(z, x), z], -1)
    p = np.zeros((len(f), 21, 3))
    p[:, 0] = root
    for chain in CHAINS:
        r = qmatrix(q)
        for a, b in zip(chain, chain[1:]):
            r = r @ local[:, b - 1]
            p[:, b] = p[:, a] + r @ (DIRECTION[b] * LENGTH[b])
    return p


def mirror(p):
    m = p.copy()
    for a, b in SIDES:
        m[:, a], m[:, b] = p[:, b], p[:, a]
    return m * [-1, 1, 1]


def statistics(f):
    std = f.std(0)
    for a, b in [(0, 1), (1, 3), (3, 4), (4, 64), (64, 184), (184, 247), (247, 251)]:
        std[a:b] = std[a:b].mean()
    return f.mean(0), std


if __name__ == '__main__':
    p = synthetic(92)
    f = features(p)
    mean, std = statistics(f)
    values = {'features': f[ROWS], 'joints': from_positions(f)[ROWS], 'joints_by_rotation': from_rotations(f)[ROWS],
              'mirrored': features(mirror(p))[ROWS], 'mean': mean, 'std': std}
    np.savez(Path(__file__).with_name('kit.npz'), **{name: value.astype(np.float32) for name, value in values.items()})
    print(f.shape, 'yaw', f[:, 0].min(), f[:, 0].max(), 'contacts', f[:, 247:].sum(0),
          'round trip', [abs(way(f) - canonical(p)[:-1]).max() for way in (from_positions, from_rotations)])
