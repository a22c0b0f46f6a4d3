import { hostRandom } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';
import { sigmoid } from './arrays.js';

/** Rows of n, normalised in groups, gated before or after. */
function gated(
  { 'in.x': x, 'in.z': z, 'param.weight': w, 'param.bias': b }: Arrays,
  { eps, group, normBeforeGate }: { eps: number; group: number; normBeforeGate: boolean },
): Arrays {
  const n = x.shape.at(-1)!;
  const gates = x.data.map((_, i) => (z ? z.data[i] * sigmoid(z.data[i]) : 1));
  const v = normBeforeGate ? x.data : x.data.map((value, i) => value * gates[i]);
  const y = v.map((value, i) => {
    const start = i - (i % group);
    const power = v.subarray(start, start + group).reduce((s, u) => s + u * u, 0) / group;
    const unit = (value / Math.sqrt(power + eps)) * (w ? w.data[i % n] : 1) + (b ? b.data[i % n] : 0);
    return normBeforeGate ? unit * gates[i] : unit;
  });
  return { 'out.y': { shape: x.shape, data: y } };
}

const random = hostRandom(11);
const x = random.normal([2, 3, 6]);
const z = random.normal([2, 3, 6]);
const weight = random.normal([6], { mean: 1, std: 0.3 });
const bias = random.normal([6]);

export const gatedNormCases: readonly Recipe[] = [
  {
    family: 'rmsnorm_gated',
    case: 'groups_after',
    options: { eps: 1e-5, group_size: 3, norm_before_gate: true },
    inputs: { 'in.x': x, 'in.z': z, 'param.weight': weight, 'param.bias': bias },
    compute: (a) => gated(a, { eps: 1e-5, group: 3, normBeforeGate: true }),
  },
  {
    family: 'rmsnorm_gated',
    case: 'groups_before',
    options: { eps: 1e-3, group_size: 2, norm_before_gate: false, upcast: true },
    inputs: { 'in.x': x, 'in.z': z, 'param.weight': weight, 'param.bias': bias },
    compute: (a) => gated(a, { eps: 1e-3, group: 2, normBeforeGate: false }),
  },
  {
    family: 'rmsnorm_gated',
    case: 'no_gate',
    options: { group_size: 3 },
    inputs: { 'in.x': x, 'param.weight': weight, 'param.bias': bias },
    compute: (a) => gated(a, { eps: 1e-6, group: 3, normBeforeGate: true }),
  },
];
