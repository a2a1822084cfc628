"""Golden values of the motion features, from the definition alone: inverse and forward kinematics written out step by
step in NumPy (scipy is not needed), on a synthetic motion that tests/data/test_features.cpp makes by the same formula.

    python3 tests/golden/make_motion_golden.py      # writes motion_features.npy, motion_eval_std.npy beside itself
"""
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CHAINS = [[0, 2, 5, 8, 11], [0, 1, 4, 7, 10], [0, 3, 6, 9, 12, 15], [9, 14, 17, 19, 21], [9, 13, 16, 18, 20]]
PARENT = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
X, Y, Z = np.eye(3)
DIRECTION = np.array([0 * X, X, -X, Y, -Y, -Y, Y, -Y, -Y, Y, Z, Z, Y, X, -X, Z, -Y, -Y, -Y, -Y, -Y, -Y])
LENGTH = np.array([0, .1030740, .1098834, .1315682, .3936232, .3901882, .1431902, .4324330, .4256434, .0573647,
                   .1433818, .1494191, .2193601, .1374868, .1433828, .1030392, .1316140, .1229844, .2568399, .2630919,
                   .2660118, .2698764])


def synthetic(frames):
    """A body of other proportions that sways, turns and drifts (frames, 22, 3)."""
    rest = np.zeros((22, 3))
    for j in range(1, 22):
        rest[j] = rest[PARENT[j]] + DIRECTION[j] * LENGTH[j]
    rest[13:15, 0] *= 1.6
    rest[16:22, 0] *= 1.6
    rest[16:22, 0] += np.sign(rest[16:22, 0]) * .08
    j = np.arange(22)
    out = np.zeros((frames, 22, 3))
    for t in range(frames):
        sway = .02 * np.stack([np.sin(.31 * t + j), np.sin(.17 * t + 2 * j), np.cos(.23 * t + 3 * j)], 1)
        local = 1.1 * rest + sway
        angle = .7 + .015 * t + .4 * np.sin(.05 * t)
        c, s = np.cos(angle), np.sin(angle)
        out[t, :, 0] = c * local[:, 0] + s * local[:, 2] + .012 * t + 5
        out[t, :, 1] = local[:, 1] + .03 * np.sin(.2 * t) + .3
        out[t, :, 2] = -s * local[:, 0] + c * local[:, 2] + .025 * t + .3 * np.sin(.15 * t) - 2
    return out


def qmul(a, b):
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack([aw * bw - ax * bx - ay * by - az * bz, aw * bx + ax * bw + ay * bz - az * by,
                     aw * by - ax * bz + ay * bw + az * bx, aw * bz + ax * by - ay * bx + az * bw], -1)


def qinv(q):
    return q * np.array([1, -1, -1, -1])


def qmatrix(q):
    """Rotation matrices, (..., 3, 3)."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
    return np.stack([np.stack(r, -1) for r in rows], -2)


def rotate(q, v):
    return np.einsum('...ij,...j->...i', qmatrix(q), v)


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def between(a, b):
    w = np.sqrt((a ** 2).sum(-1) * (b ** 2).sum(-1)) + (a * b).sum(-1)
    return unit(np.concatenate([w[..., None], np.cross(a, b)], -1))


def smooth(f, sigma=20, radius=80):
    k = np.exp(-.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(f, [(radius, radius), (0, 0)], mode='edge')
    return np.stack([np.convolve(padded[:, c], k / k.sum(), 'valid') for c in range(3)], 1)


def inverse_kinematics(p, smooth_forward):
    across = (p[:, 1] - p[:, 2]) + (p[:, 17] - p[:, 16])  # shoulders minus hips
    forward = np.cross(np.broadcast_to(Y, across.shape), unit(across))
    if smooth_forward:
        forward = smooth(forward)
    forward = unit(forward)
    q = np.zeros((len(p), 22, 4))
    q[:, 0] = between(forward, np.broadcast_to(Z, forward.shape))
    q[0, 0] = [1, 0, 0, 0]
    for chain in CHAINS:
        r = q[:, 0]
        for a, b in zip(chain, chain[1:]):
            world = between(np.broadcast_to(DIRECTION[b], (len(p), 3)), unit(p[:, b] - p[:, a]))
            q[:, b] = qmul(qinv(r), world)
            r = world
    return q


def forward_kinematics(q, offsets, root):
    p = np.zeros((len(q), 22, 3))
    p[:, 0] = root
    for chain in CHAINS:
        r = q[:, 0]
        for a, b in zip(chain, chain[1:]):
            r = qmul(r, q[:, b])
            p[:, b] = rotate(r, np.broadcast_to(offsets[b], (len(q), 3))) + p[:, a]
    return p


def features(p):
    leg = np.linalg.norm(p[0, 5] - p[0, 2]) + np.linalg.norm(p[0, 8] - p[0, 5])
    scale = (LENGTH[5] + LENGTH[8]) / leg
    g = forward_kinematics(inverse_kinematics(p, False), DIRECTION * LENGTH[:, None], scale * p[:, 0])
    g[..., 1] -= g[..., 1].min()
    g -= g[0, 0] * [1, 0, 1]
    across = unit((g[0, 2] - g[0, 1]) + (g[0, 17] - g[0, 16]))
    turn = between(unit(np.cross(Y, across)), Z)
    g = rotate(turn, g)
    contacts = [((g[1:, j] - g[:-1, j]) ** 2).sum(-1) < .002 for j in (7, 10, 8, 11)]
    q = inverse_kinematics(g, True)
    heading = q[:, 0]
    columns = qmatrix(q)[:-1, 1:, :, :2]  # (N-1, 21, 3, 2)
    local = g - g[:, :1] * [1, 0, 1]
    velocity = g[1:] - g[:-1]
    root_velocity = rotate(heading[1:], velocity[:, 0])
    yaw = np.arcsin(qmul(heading[1:], qinv(heading[:-1]))[:, 2:3])
    n = len(g) - 1
    return np.concatenate([
        yaw, root_velocity[:, [0, 2]], g[:-1, 0, 1:2],
        rotate(heading[:-1, None], local[:-1, 1:]).reshape(n, -1),
        columns.transpose(0, 1, 3, 2).reshape(n, -1),
        rotate(heading[:-1, None], velocity).reshape(n, -1),
        np.stack(contacts, 1)], 1)


def block_std(f):
    std = f.std(0)
    for a, b in [(0, 1), (1, 3), (3, 4), (4, 67), (67, 193), (193, 259), (259, 263)]:
        std[a:b] = std[a:b].mean()
    std[:4] /= 25
    std[259:] /= 25
    return std


if __name__ == '__main__':
    f = features(synthetic(150))
    np.save(HERE / 'motion_features.npy', f[::12].astype(np.float32))  # rows 0, 12, 24, ...
    np.save(HERE / 'motion_eval_std.npy', block_std(f).astype(np.float32))
    print(f.shape, 'yaw', f[:, 0].min(), f[:, 0].max(), 'contacts', f[:, 259:].mean(0))
