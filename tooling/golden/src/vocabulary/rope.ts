import { hostRandom } from '@seq/testing/golden';
import type { HostArray } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';
import { fill } from './arrays.js';

interface Settings {
  readonly interleaved: boolean;
  readonly base: number;
  readonly R: number;
  position(t: number): number;
}

function turn(x: HostArray, { interleaved, base, R, position }: Settings): HostArray {
  const [, T, H, D] = x.shape as [number, number, number, number];
  const y = Float64Array.from(x.data);
  for (let r = 0; r < x.data.length / D; r++) {
    const t = Math.floor(r / H) % T;
    for (let i = 0; i < R / 2; i++) {
      const angle = position(t) * base ** ((-2 * i) / R);
      const [p, q] = interleaved ? [2 * i, 2 * i + 1] : [i, i + R / 2];
      const [a, b] = [x.data[r * D + p], x.data[r * D + q]];
      y[r * D + p] = a * Math.cos(angle) - b * Math.sin(angle);
      y[r * D + q] = b * Math.cos(angle) + a * Math.sin(angle);
    }
  }
  return { shape: x.shape, data: y };
}

function recipe(name: string, options: Record<string, unknown>, s: Settings, extra: Arrays = {}): Recipe {
  const random = hostRandom(30);
  const T = 4;
  return {
    family: 'rope',
    case: name,
    options,
    inputs: { 'in.q': random.normal([2, T, 2, 8]), 'in.k': random.normal([2, T, 1, 8]), ...extra },
    loss: ['q', 'k'],
    compute: ({ 'in.q': q, 'in.k': k }) => ({
      'out.q': turn(q, s),
      'out.k': turn(k, s),
      'out.freqs_cis': fill([T, s.R / 2, 2], (i) => {
        const angle =
          s.position(Math.floor(i / s.R)) * s.base ** ((-2 * (Math.floor(i / 2) % (s.R / 2))) / s.R);
        return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
      }),
    }),
  };
}

const positions = [5, 0, 9, 2];

export const ropeCases: readonly Recipe[] = [
  recipe(
    'half_theta',
    { style: 'half-split', theta: 500 },
    { interleaved: false, base: 500, R: 8, position: (t) => t },
  ),
  recipe(
    'partial',
    { style: 'half-split', rotary_pct: 0.5, position_offset: 3 },
    { interleaved: false, base: 10000, R: 4, position: (t) => t + 3 },
  ),
  recipe(
    'partial_interleaved',
    { style: 'interleaved', rotary_dim: 6, base: 100 },
    { interleaved: true, base: 100, R: 6, position: (t) => t },
  ),
  recipe(
    'positions',
    { style: 'interleaved' },
    { interleaved: true, base: 10000, R: 8, position: (t) => positions[t] },
    {
      'in.positions': { shape: [4], dtype: 'i32', data: Float64Array.from(positions) },
    },
  ),
];
