/**
 * The mathematics of the interactive figures: pure functions that know nothing of the page.
 *
 * Names and conventions are those of `bn_reference`, with which the tests compare every function.
 * A vector is an array; a point is [x, y]; a 2 × 2 matrix is an array of its two rows.
 */

export const sum = (values) => values.reduce((total, value) => total + value, 0);
export const mean = (values) => sum(values) / values.length;

/** Biased, as in Algorithm 1, line 2: divided by m. */
export function variance(values) {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
}

export const sigmoid = (t) => 1 / (1 + Math.exp(-t));

/** Every node of the graph, forward. Algorithm 1 of Ioffe & Szegedy 2015. */
export function batchnormForward(x, gamma, beta, eps) {
  const mu = mean(x);
  const centered = x.map((v) => v - mu);
  const squared = centered.map((c) => c ** 2);
  const variance = mean(squared);
  const std = Math.sqrt(variance + eps);
  const xHat = centered.map((c) => c / std);
  const y = xHat.map((v) => gamma * v + beta);
  return { mean: mu, centered, squared, var: variance, std, x_hat: xHat, y };
}

/** The gradient at every node, last node first. The chain rule of the paper's Section 3. */
export function batchnormBackward(dout, { centered, std, x_hat: xHat }, gamma) {
  const m = dout.length;
  // y = gamma * x_hat + beta
  const dbeta = sum(dout);
  const dgamma = sum(dout.map((g, i) => g * xHat[i]));
  const dxHat = dout.map((g) => g * gamma);
  // x_hat = centered / std
  const dstd = -sum(dxHat.map((g, i) => g * centered[i])) / std ** 2;
  // std = sqrt(var + eps)
  const dvar = dstd / (2 * std);
  // var = sum(squared) / m
  const dsquared = centered.map(() => dvar / m);
  // x_hat = centered / std, and squared = centered**2
  const dcentered = dxHat.map((g, i) => g / std + 2 * centered[i] * dsquared[i]);
  // centered = x - mean
  const dmean = -sum(dcentered);
  // centered = x - mean, and mean = sum(x) / m
  const dx = dcentered.map((g) => g + dmean / m);
  return { dbeta, dgamma, dx_hat: dxHat, dstd, dvar, dsquared, dcentered, dmean, dx };
}

/** With fixed statistics. Algorithm 2, line 11. */
export function batchnormInference(x, gamma, beta, runningMean, runningVar, eps) {
  const std = Math.sqrt(runningVar + eps);
  return x.map((v) => (gamma * (v - runningMean)) / std + beta);
}

/** One step of the moving averages. Takes the biased variance; the unbiased one enters. */
export function updateRunningStatistics(runningMean, runningVar, mean, variance, m, momentum) {
  const unbiased = (variance * m) / (m - 1);
  return [(1 - momentum) * runningMean + momentum * mean, (1 - momentum) * runningVar + momentum * unbiased];
}

/** Covariance of points, divided by N. */
export function covariance(points) {
  const [first, second] = [0, 1].map((k) => points.map((point) => point[k]));
  const [left, low] = [mean(first), mean(second)];
  const cross = mean(points.map(([x, y]) => (x - left) * (y - low)));
  return [
    [variance(first), cross],
    [cross, variance(second)],
  ];
}

export const correlation = ([[a, b], [, d]]) => b / Math.sqrt(a * d);

export const apply = (matrix, [x, y]) => matrix.map((row) => row[0] * x + row[1] * y);

export const transpose = ([[a, b], [c, d]]) => [
  [a, c],
  [b, d],
];

export const multiply = (left, right) => transpose(transpose(right).map((column) => apply(left, column)));

export function inverse([[a, b], [c, d]]) {
  const determinant = a * d - b * c;
  return [
    [d / determinant, -b / determinant],
    [-c / determinant, a / determinant],
  ];
}

/**
 * Eigenvalues, the largest first, and eigenvectors in the columns of `u`.
 *
 * The closed form of a symmetric 2 × 2 matrix: its ellipse is turned by half the angle of
 * (a − d, 2b). As in `bn_reference`, each vector's largest component is positive.
 */
export function eigen([[a, b], [, d]]) {
  const large = (a + d) / 2 + Math.hypot((a - d) / 2, b);
  const small = (a * d - b * b) / large;
  const angle = Math.atan2(2 * b, a - d) / 2;
  const columns = [
    [Math.cos(angle), Math.sin(angle)],
    [-Math.sin(angle), Math.cos(angle)],
  ].map(positive);
  return { lam: [large, small], u: transpose(columns) };
}

function positive([x, y]) {
  const largest = Math.abs(x) >= Math.abs(y) ? x : y;
  return largest < 0 ? [-x, -y] : [x, y];
}

/** Lower triangular L with L Lᵀ the given matrix. */
export function cholesky([[a, b], [, d]]) {
  const first = Math.sqrt(a);
  const below = b / first;
  return [
    [first, 0],
    [below, Math.sqrt(d - below ** 2)],
  ];
}

/** What each way of normalising multiplies centred points with, by its name. */
export const MATRICES = {
  PCA(sigma) {
    const { lam, u } = eigen(sigma);
    return transpose(u).map((row, k) => row.map((value) => value / Math.sqrt(lam[k])));
  },
  ZCA(sigma) {
    return multiply(eigen(sigma).u, MATRICES.PCA(sigma));
  },
  Cholesky(sigma) {
    return inverse(cholesky(sigma));
  },
  BN([[a], [, d]]) {
    return [
      [1 / Math.sqrt(a), 0],
      [0, 1 / Math.sqrt(d)],
    ];
  },
};

/** Centre the points and multiply each with the matrix. */
export function transform(points, matrix) {
  const middle = [0, 1].map((k) => mean(points.map((point) => point[k])));
  return points.map(([x, y]) => apply(matrix, [x - middle[0], y - middle[1]]));
}

/** Half the squared distance from the minimum, as the bowl measures it. */
export function bowl(hessian, minimum, [x, y]) {
  const away = [x - minimum[0], y - minimum[1]];
  const steep = apply(hessian, away);
  return (away[0] * steep[0] + away[1] * steep[1]) / 2;
}

/** Where gradient descent on that bowl stands before each step, and after the last. */
export function descend(hessian, minimum, start, rate, steps) {
  const path = [start];
  for (let step = 0; step < steps; step += 1) {
    const [x, y] = path[step];
    const gradient = apply(hessian, [x - minimum[0], y - minimum[1]]);
    path.push([x - rate * gradient[0], y - rate * gradient[1]]);
  }
  return path;
}

/** Standard normal numbers, the same for the same seed. Box & Muller on Mulberry32. */
export function normals(seed, count) {
  let state = seed;
  function uniform() {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (((bits ^ (bits >>> 14)) >>> 0) + 0.5) / 4294967296;
  }
  return Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  });
}

/** `count` points with mean exactly 0 and covariance exactly I. */
export function whitePoints(seed, count) {
  const values = normals(seed, 2 * count);
  const points = values.slice(count).map((value, i) => [values[i], value]);
  return transform(points, MATRICES.ZCA(covariance(points)));
}
