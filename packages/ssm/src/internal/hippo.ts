/** The HiPPO-LegS state space and its diagonal form, in double. */
export interface HippoLegs {
  /** [N, N] row by row: h' = A h + B u keeps the coefficients of the past in Legendre polynomials scaled to its length. */
  readonly A: Float64Array;
  /** [N] */
  readonly B: Float64Array;
  /** [N]: A + P Pᵀ is normal. */
  readonly P: Float64Array;
  /** [N] eigenvalues of A + P Pᵀ, by rising imaginary part; all real parts are −½. */
  readonly lambda: { readonly re: Float64Array; readonly im: Float64Array };
  /** [N, N] eigenvectors as columns in the same order, orthonormal: A + P Pᵀ = V Λ V*. */
  readonly V: { readonly re: Float64Array; readonly im: Float64Array };
}

/**
 * HiPPO-LegS of N states.
 *
 *   A_nk = −√(2n+1) √(2k+1) for n > k, −(n + 1) for n = k, 0 above        B_n = √(2n+1)        P_n = √(n + ½)
 *
 * @see Gu et al. 2020, arXiv:2008.07669, theorem 2; Gu et al. 2021, arXiv:2111.00396, theorem 1 (normal plus low rank)
 */
export function hippoLegs(N: number): HippoLegs {
  const root = Float64Array.from({ length: N }, (_, n) => Math.sqrt(2 * n + 1));
  const A = new Float64Array(N * N);
  const skew = new Float64Array(N * N);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k <= n; k++) {
      A[n * N + k] = n === k ? -(n + 1) : -root[n] * root[k];
      // A + P Pᵀ = −½ I + S with S_nk = −½ √(2n+1) √(2k+1) below the diagonal.
      if (k < n) skew[k * N + n] = -(skew[n * N + k] = -0.5 * root[n] * root[k]);
    }
  }
  const { values, vectors } = eigenSkew(skew, N);
  return {
    A,
    B: root,
    P: root.map((r) => r / Math.SQRT2),
    lambda: { re: new Float64Array(N).fill(-0.5), im: values },
    V: vectors,
  };
}

/**
 * Imaginary parts ω and eigenvectors of a real skew-symmetric S. S (x + iy) = iω (x + iy) says that [0 S; −S 0], which
 * is symmetric, has (x, y) as eigenvector of ω; each ω comes twice there, with (x, y) and (−y, x), which are the same
 * vector but for a factor. The eigenvalues of LegS are all different, so every second one serves.
 */
function eigenSkew(
  S: Float64Array,
  N: number,
): { values: Float64Array; vectors: { re: Float64Array; im: Float64Array } } {
  const M = 2 * N;
  const matrix = new Float64Array(M * M);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < N; k++) {
      matrix[n * M + N + k] = S[n * N + k];
      matrix[(N + n) * M + k] = -S[n * N + k];
    }
  }
  const { values, vectors } = jacobi(matrix, M);
  const order = [...values.keys()].sort((i, j) => values[i] - values[j]).filter((_, i) => i % 2 === 0);
  const [re, im] = [new Float64Array(N * N), new Float64Array(N * N)];
  order.forEach((from, column) => {
    let size = 0;
    for (let n = 0; n < M; n++) size += vectors[n * M + from] ** 2;
    for (let n = 0; n < N; n++) {
      re[n * N + column] = vectors[n * M + from] / Math.sqrt(size);
      im[n * N + column] = vectors[(N + n) * M + from] / Math.sqrt(size);
    }
  });
  return { values: Float64Array.from(order, (i) => values[i]), vectors: { re, im } };
}

/** Eigenvalues and eigenvectors (columns) of a symmetric matrix by Jacobi's rotations, a few sweeps. */
function jacobi(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  const total = Math.sqrt(a.reduce((s, x) => s + x * x, 0));
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q];
        off = Math.max(off, Math.abs(apq));
        if (Math.abs(apq) <= 1e-17 * total) continue;
        const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        const s = t * c;
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[k * n + p], a[k * n + q]];
          a[k * n + p] = c * x - s * y;
          a[k * n + q] = s * x + c * y;
        }
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[p * n + k], a[q * n + k]];
          a[p * n + k] = c * x - s * y;
          a[q * n + k] = s * x + c * y;
          const [e, f] = [v[k * n + p], v[k * n + q]];
          v[k * n + p] = c * e - s * f;
          v[k * n + q] = s * e + c * f;
        }
      }
    }
    if (off <= 1e-16 * total) break;
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), vectors: v };
}
