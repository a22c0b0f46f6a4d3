import { hostRandom } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';

/** selective_scan_ref with complex A, layout (B, D, L), B and C with re and im by turns; G groups of channels. */
function complexScan(a: Arrays, softplus: boolean): Arrays {
  const [B, D, L] = a['in.u'].shape;
  const N = a['in.A'].shape[1];
  const G = a['in.B'].shape.length === 4 ? a['in.B'].shape[1] : 1;
  const out = new Float64Array(B * D * L);
  const last = new Float64Array(B * D * N * 2);
  for (let b = 0; b < B; b++) {
    for (let d = 0; d < D; d++) {
      for (let t = 0; t < L; t++) {
        const i = (b * D + d) * L + t;
        const raw = a['in.delta'].data[i];
        const dt = softplus ? Math.log1p(Math.exp(raw)) : raw;
        const u = a['in.u'].data[i];
        let sum = 0;
        for (let n = 0; n < N; n++) {
          const [at, k] = [2 * (d * N + n), 2 * ((b * D + d) * N + n)];
          const size = Math.exp(dt * a['in.A'].data[at]);
          const angle = dt * a['in.A'].data[at + 1];
          const [ar, ai] = [size * Math.cos(angle), size * Math.sin(angle)];
          const row = 2 * (((b * G + Math.floor((d * G) / D)) * N + n) * L + t);
          const [hr, hi] = [last[k], last[k + 1]];
          last[k] = ar * hr - ai * hi + dt * u * a['in.B'].data[row];
          last[k + 1] = ar * hi + ai * hr + dt * u * a['in.B'].data[row + 1];
          sum += 2 * (a['in.C'].data[row] * last[k] - a['in.C'].data[row + 1] * last[k + 1]);
        }
        out[i] = sum;
      }
    }
  }
  return {
    'out.out': { shape: [B, D, L], data: out },
    'out.last_state': { shape: [B, D, N, 2], data: last },
  };
}

const random = hostRandom(21);
const [B, D, L, N] = [2, 4, 5, 3];
const rates = random.normal([D, N, 2]);
rates.data.forEach((v, i) => {
  if (i % 2 === 0) rates.data[i] = -Math.abs(v);
});
const sequences = {
  'in.u': random.normal([B, D, L]),
  'in.delta': random.uniform([B, D, L], { low: 0.1, high: 1 }),
  'in.A': rates,
};

export const selectiveScanCases: readonly Recipe[] = [
  {
    family: 'mamba1_selective_scan',
    case: 'complex',
    options: { complex: true, return_last_state: true, variable_B: true, variable_C: true },
    inputs: { ...sequences, 'in.B': random.normal([B, N, 2 * L]), 'in.C': random.normal([B, N, 2 * L]) },
    compute: (a) => complexScan(a, false),
  },
  {
    family: 'mamba1_selective_scan',
    case: 'complex_groups',
    options: {
      complex: true,
      return_last_state: true,
      variable_B: true,
      variable_C: true,
      groups: 2,
      delta_softplus: true,
    },
    inputs: {
      ...sequences,
      'in.B': random.normal([B, 2, N, 2 * L]),
      'in.C': random.normal([B, 2, N, 2 * L]),
    },
    compute: (a) => complexScan(a, true),
  },
];
