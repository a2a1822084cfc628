"""Values of the evaluation metrics, computed with NumPy and SciPy along other ways than ours: metrics.safetensors."""

import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.spatial


from golden import Golden

MASK = (1 << 64) - 1


def mix(a, b):
    z = (a * 0x9E3779B97F4A7C15 + b + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def philox_word(seed, stream, i):
    """Word i of Philox 4x32-10, as tensor/random.h documents its layout."""
    low = 0xFFFFFFFF
    block = i // 4
    c = [block & low, block >> 32, stream & low, stream >> 32]
    k = [seed & low, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & low, (p >> 32) ^ c[3] ^ k[1], p & low]
        k = [(k[0] + 0x9E3779B9) & low, (k[1] + 0xBB67AE85) & low]
    return c[i % 4]


def random_order(n, seed, stream):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = philox_word(seed, stream, i) * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    return np.array(order)


def subset_distance(x, pairs, seed, stream):
    a, b = (random_order(len(x), seed, mix(stream, part))[:pairs] for part in (1, 2))
    return np.linalg.norm(x[a] - x[b], axis=1).mean()


def fid(x, y):
    """The root of the product itself, not symmetrised."""
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t)
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s + t) - 2 * np.trace(root).real


def generation(g):
    correlated = g.normal(12, 12).numpy()
    x, y = g.normal(60, 12).numpy() @ correlated, 1.3 * g.normal(50, 12).numpy() @ correlated + 0.2
    x, y = x.astype(np.float32).astype(float), y.astype(np.float32).astype(float)
    g.put("fid.real", x), g.put("fid.generated", y), g.put("fid.value", fid(x, y))
    # Fewer items than numbers: singular covariances. The value through singular values of the data themselves.
    x, y = g.normal(9, 20).numpy(), g.normal(7, 20).numpy()
    a, b = (x - x.mean(0)) / np.sqrt(8), (y - y.mean(0)) / np.sqrt(6)
    value = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.sum(a * a) + np.sum(b * b)
    value -= 2 * scipy.linalg.svdvals(a @ b.T).sum()
    g.put("singular.real", x), g.put("singular.generated", y), g.put("singular.value", value)

    symmetric = g.normal(23, 23).numpy()
    symmetric = symmetric + symmetric.T
    g.put("eigen.matrix", symmetric), g.put("eigen.values", scipy.linalg.eigvalsh(symmetric))

    text = g.normal(75, 6).numpy()
    motion = (text + 0.8 * g.normal(75, 6).numpy()).astype(np.float32).astype(float)
    order = g.rng.permutation(75)
    hits, distances = np.zeros(3), []
    for first in (0, 32):
        batch = order[first : first + 32]
        matrix = scipy.spatial.distance.cdist(text[batch], motion[batch])
        for i, row in enumerate(np.argsort(matrix, axis=1)):
            hits += [i in row[:k] for k in (1, 2, 3)]
        distances += list(np.diag(matrix))
    g.put("match.text", text), g.put("match.motion", motion), g.put("match.order", order)
    g.put("match.r_precision", hits / 64), g.put("match.mm_dist", np.mean(distances))
    g.put("diversity.value", subset_distance(motion, 40, seed=11, stream=5))
    several = g.normal(4, 13, 6).numpy()
    g.put("multimodality.motions", several)
    g.put("multimodality.value", np.mean([subset_distance(x, 10, seed=3, stream=9) for x in several]))


def procrustes_error(real, made):
    """Similarity by the singular values of the covariance, the last one turned where the rotation would be a mirror."""
    x, y = made - made.mean(0), real - real.mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = vt.T @ flip @ u.T
    size = np.trace(np.diag(s) @ flip) / (x * x).sum()
    return np.linalg.norm(size * x @ rotation.T - y, axis=1).mean()


def skate_ratio(joints, fps=20, height=0.05, speed=0.5):
    feet = joints[:, [10, 11]]
    fast = np.linalg.norm(np.diff(feet[:, :, [0, 2]], axis=0), axis=2) * fps
    mean = scipy.ndimage.uniform_filter1d(fast, size=5, axis=0, mode="constant")
    down = (feet[:-1, :, 1] < height) & (feet[1:, :, 1] < height)
    return (down & (fast > speed) & (mean > speed)).any(1).mean()


def motions(g):
    real = (g.normal(9, 22, 3) * 0.4).numpy()
    made = (real + 0.1 * g.normal(9, 22, 3).numpy()).astype(np.float32).astype(float)
    made[4] = real[4] * [-1, 1, 1] + [0.5, 0, 0]  # a mirror image, which no rotation undoes
    made = made.astype(np.float32).astype(float)
    g.put("motion.real", real), g.put("motion.made", made)
    centred = [x - x[:, :1] for x in (real, made)]
    g.put("motion.mpjpe", 1000 * np.linalg.norm(centred[0] - centred[1], axis=2).mean())
    g.put("motion.pa_mpjpe", 1000 * np.mean([procrustes_error(r, m) for r, m in zip(real, made)]))
    difference = np.diff(real - made, n=2, axis=0)
    g.put("motion.acceleration", 1000 * np.linalg.norm(difference, axis=2).mean())
    g.put("motion.jitter", np.linalg.norm(np.diff(made, n=3, axis=0), axis=2).mean() * 20**3)
    error = (real - made).reshape(9, 66)[1:]
    flat, joint = np.linalg.norm(error, axis=1), np.linalg.norm(error.reshape(-1, 22, 3), axis=2).mean(1)
    g.put("motion.displacement", np.array([flat.mean(), flat[-1], joint.mean(), joint[-1]]))
    walk = 0.03 * g.normal(200, 22, 3).numpy().cumsum(0)
    walk[:, :, 1] = 0.02 + 0.03 * g.normal(200, 22).numpy()
    walk = walk.astype(np.float32).astype(float)[:, [0, 10, 11]]  # the pelvis for all but the toes
    g.put("walk", walk)
    walk = walk[:, [0] * 10 + [1, 2] + [0] * 10]
    g.put("walk.skate", skate_ratio(walk))
    depth = -walk[:, :, 1].min(1)
    g.put("walk.penetration", 1000 * np.where(depth > 0.005, depth, 0).mean())


def retrieval_scores(distances, target):
    """TMR's way: where in the sorted row the target's distance stands, all places of equal ones averaged."""
    places = [np.where(np.sort(row) == t)[0].mean() for row, t in zip(distances, target)]
    return np.array([100 * np.mean(np.array(places) < k) for k in (1, 2, 3, 5, 10)] + [np.median(places) + 1])


def both_ways(similarity, right):
    return np.stack([retrieval_scores(-s, np.where(r, -s, np.inf).min(1))
                     for s, r in ((similarity, right), (similarity.T, right.T))])


def retrieval(g):
    text = g.normal(70, 5).numpy()
    motion = (text + 0.7 * g.normal(70, 5).numpy()).astype(np.float32).astype(float)
    cosine = lambda a, b: 1 - scipy.spatial.distance.cdist(a, b, "cosine")
    short = lambda x: x.astype(np.float32).astype(float)
    similarity = short(cosine(text, motion))
    similarity[10, 20:24] = similarity[10, 10]  # exact ties
    similarity[30] = 0.5
    g.put("retrieval.text", text), g.put("retrieval.motion", motion)
    g.put("retrieval.cosine", cosine(text, motion[:9])), g.put("retrieval.similarity", similarity)
    own = np.eye(70, dtype=bool)
    g.put("retrieval.all", both_ways(similarity, own))
    captions = (1 + cosine(text, text)) / 2
    captions = short((captions + captions.T) / 2)
    g.put("retrieval.captions", captions)
    g.put("retrieval.threshold", both_ways(similarity, own | (captions > 0.95)))
    names = g.rng.integers(0, 50, 70)
    g.put("retrieval.names", names)
    g.put("retrieval.same_caption", both_ways(similarity, names[:, None] == names[None]))
    order = g.rng.permutation(70)
    g.put("retrieval.order", order)
    part = lambda items: both_ways(similarity[np.ix_(items, items)], np.eye(len(items), dtype=bool))
    g.put("retrieval.subset", part(order[:25]))
    g.put("retrieval.batches", (part(order[:32]) + part(order[32:64])) / 2)


def rareness(g):
    prompts, training = g.normal(61, 4).numpy(), g.normal(2500, 4).numpy()
    training[:, :2] = abs(training[:, :2])
    values = 1 - (1 - scipy.spatial.distance.cdist(prompts, training, "cosine")).max(1)
    distances = abs(g.normal(61)).numpy()
    tail = np.argsort(-values)[: round(0.05 * 61)]
    g.put("rareness.prompts", prompts), g.put("rareness.training", training), g.put("rareness.values", values)
    g.put("rareness.distances", distances), g.put("rareness.tail", distances[tail].mean())
    for bins in (10, 100):
        sums, _ = np.histogram(values, bins, weights=distances)
        counts, _ = np.histogram(values, bins)
        g.put(f"rareness.balanced{bins}", (sums[counts > 0] / counts[counts > 0]).mean())


if __name__ == "__main__":
    g = Golden(20261121)
    generation(g)
    motions(g)
    retrieval(g)
    rareness(g)
    g.save("metrics.safetensors", {"scipy": scipy.__version__, "numpy": np.__version__})
