import type { GpuCall, GpuPlan, Op } from '@seq/tensor/engine';
import {
  foldInOp,
  gumbelOp,
  normalOp,
  permutationOp,
  randomIntOp,
  sizeOf,
  splitKeyOp,
  topKOp,
  truncatedNormalOp,
  uniformOp,
} from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../wgsl/shader.js';
import { planOf } from './elementwise.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import type { Draw } from './random/draw.js';
import { drawPass, use } from './random/draw.js';
import { threefry } from '../wgsl/threefry.js';
import { exactUniform, fixedPoint, justBelow, plainUniform } from './random/uniform.js';
import { sortPasses } from './sort.js';

const WORKGROUP = 64;

const splitKey: Draw = { name: 'split', type: 'u32', use: use.split, params: {}, form: 'two', value: 'w' };

/** Box and Muller; the angle is reduced in turns, which is exact. */
const normal: Draw = {
  name: 'normal',
  type: 'f32',
  use: use.numbers,
  params: { mean: 'f32', sigma: 'f32' },
  form: 'two',
  value: 'gauss(w)',
  declare: `fn gauss(w: vec2<u32>) -> vec2<f32> {
  let r = p.sigma * sqrt(-2.0 * m_log(f32((w.x >> 8u) + 1u) * 5.9604644775390625e-8));
  let v = w.y >> 8u;
  let k = (v + 0x200000u) >> 22u;
  let sc = m_sinCos(f32(bitcast<i32>(v - (k << 22u))) * 3.7450703e-7);
  let even = (k & 1u) == 0u;
  let c = select(sc.x, sc.y, even) * select(1.0, -1.0, (k & 3u) == 1u || (k & 3u) == 2u);
  let s = select(sc.y, sc.x, even) * select(1.0, -1.0, (k & 3u) >= 2u);
  return p.mean + r * vec2<f32>(c, s);
}`,
};

/** The inverse of the distribution; 1 − v and 1 + v are sums of positive terms, so both tails keep their digits. */
const truncatedNormal: Draw = {
  name: 'truncatedNormal',
  type: 'f32',
  use: use.numbers,
  params: { mean: 'f32', sigma: 'f32', low: 'f32', high: 'f32', below: 'f32', above: 'f32', scale: 'f32' },
  form: 'one',
  value: 'cut(w >> 8u)',
  declare: `fn cut(u: u32) -> f32 {
  let a = fma(f32(2u * u + 1u), 0.5 * p.scale, p.below);
  let b = fma(f32(0x2000000u - 2u * u - 1u), 0.5 * p.scale, p.above);
  let z = 1.41421356 * m_erfinvOf(0.5 * (a - b), a * b);
  return p.mean + p.sigma * clamp(z, p.low, p.high);
}`,
};

/** −log(−log(1 − v)), v = (w + ½) 2⁻³²; above ½ the complement of w is exact. */
const gumbel: Draw = {
  name: 'gumbel',
  type: 'f32',
  use: use.numbers,
  params: {},
  form: 'one',
  value: 'noise(w)',
  declare: `fn noise(w: u32) -> f32 {
  if (w < 0x40000000u) { return -m_log(-m_log1p(-((f32(w) + 0.5) * 2.3283064365386963e-10))); }
  return -m_log(-m_log((f32(~w) + 0.5) * 2.3283064365386963e-10));
}`,
};

/** low + the part above 2⁶⁴ of both words · range; a range of 2³² is passed as 0. */
const randomInt: Draw = {
  name: 'randomInt',
  type: 'i32',
  use: use.numbers,
  params: { low: 'i32', range: 'u32' },
  form: 'block',
  value: 'bitcast<i32>(bitcast<u32>(p.low) + scaled(w))',
  declare: `fn scaled(w: vec2<u32>) -> u32 {
  if (p.range == 0u) { return w.x; }
  let low = w.x * p.range;
  let sum = low + m_mulhi(w.y, p.range);
  return m_mulhi(w.x, p.range) + select(0u, 1u, sum < low);
}`,
};

const foldShader = /* @__PURE__ */ memo(() =>
  shader({
    name: 'foldIn',
    operands: [reads('key', 'u32', 0), reads('data', 'u32', 1), writes('y', 'u32', 2)],
    workgroup: 1,
    declare: threefry,
    main: `let w = threefry(vec2<u32>(key(0u), key(1u)), vec2<u32>(data(0u), ${use.fold}u));
set_y(0u, w.x);
set_y(1u, w.y);`,
  }),
);

/** The first k places of each row, and what stands there where values are wanted. `key`: type, operands. */
const pickShader = /* @__PURE__ */ memo((key) => {
  const [values, places] = key.split(' ');
  const both = values === 'values';
  return shader({
    name: both ? 'topK/pick' : 'permutation/pick',
    operands: [
      reads('places', 'u32', Number(places)),
      ...(both ? [reads('x', 'u32', 0), writes('v', 'u32', 1)] : []),
      writes('y', 'u32', both ? 2 : 1),
    ],
    params: { n: 'u32', k: 'u32', stride: 'u32', length: 'u32' },
    workgroup: WORKGROUP,
    main: `if (linear < p.n) {
  let row = linear / p.k;
  let at = places(row * p.stride + linear % p.k);
  set_y(linear, at);
  ${both ? 'set_v(linear, x(row * p.length + at));' : ''}
}`,
  });
});

const drawn = <A>(op: Op<A>, plan: (call: GpuCall<A>) => GpuPlan): Entry =>
  entry<A>(op, { variants: [{ name: 'threefry', supports: () => true, plan }] });
const of = (d: Draw, call: unknown, ...params: number[]): GpuPlan =>
  planOf(drawPass(d, call as GpuCall<never>, params));

/** Error function of the CPU for a bound of a truncated normal, as 1 + erf. */
function cumulative(z: number): number {
  // 1 + erf(z/√2) by its series or, far out, its continued fraction; relative error about 1e-14.
  const a = Math.abs(z) * Math.SQRT1_2;
  let tail: number;
  if (a < 2) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 120; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    tail = 1 - (2 / Math.sqrt(Math.PI)) * sum;
  } else {
    let f = 0;
    for (let k = 120; k >= 1; k--) f = k / 2 / (a + f);
    tail = a === Infinity ? 0 : Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + f);
  }
  return z < 0 ? tail : 2 - tail;
}

/** Text of the rank of a number by its bits: NaN greatest, −0 equal to 0. */
const ranks: { readonly [dtype: string]: string } = {
  f32: `fn rank(b: u32) -> u32 {
  let m = b & 0x7fffffffu;
  if (m > 0x7f800000u) { return 0xffffffffu; }
  return select(~b, m + 0x80000000u, b == m || m == 0u);
}`,
  i32: 'fn rank(b: u32) -> u32 { return b ^ 0x80000000u; }',
  u32: 'fn rank(b: u32) -> u32 { return b; }',
};

/** Random numbers with the words of the CPU, and what sorts. */
export const randomKernels = (): Entry[] => [
  drawn(splitKeyOp, (call) => of(splitKey, call)),
  drawn(foldInOp, () => ({ passes: [{ shader: foldShader(''), params: [], workgroups: [1, 1, 1] }] })),
  drawn(uniformOp, (call) => {
    const { low, high } = call.attrs;
    const top = Math.max(low, justBelow(high));
    const scale = (high - low) * 2 ** -24;
    if (low === 0 && high > 2 ** -100 && Number.isInteger(Math.log2(high)))
      return of(plainUniform, call, scale, top);
    return of(exactUniform, call, ...fixedPoint(low, high), top);
  }),
  drawn(normalOp, (call) => of(normal, call, call.attrs.mean, call.attrs.std)),
  drawn(truncatedNormalOp, (call) => {
    const { mean, std, low, high } = call.attrs;
    const [below, above] = [cumulative(low), cumulative(-high)];
    return of(
      truncatedNormal,
      call,
      mean,
      std,
      Math.max(low, -3e38),
      Math.min(high, 3e38),
      below,
      above,
      (cumulative(high) - below) * 2 ** -24,
    );
  }),
  drawn(gumbelOp, (call) => of(gumbel, call)),
  drawn(randomIntOp, (call) => of(randomInt, call, call.attrs.low, call.attrs.range >>> 0)),
  entry(permutationOp, {
    variants: [
      {
        name: 'merge',
        supports: () => true,
        plan({ attrs: { n } }) {
          if (n === 0) return { passes: [] };
          const sort = sortPasses({
            name: 'permutation',
            rows: 1,
            n,
            k: n,
            operands: [reads('key', 'u32', 0)],
            declare: `${threefry}
fn word(i: u32) -> u32 {
  let w = threefry(vec2<u32>(key(0u), key(1u)), vec2<u32>(i >> 1u, ${use.numbers}u));
  return select(w.x, w.y, (i & 1u) == 1u);
}`,
            params: {},
            values: [],
            key: 'word(i)',
            scratch: 2,
          });
          const pick = {
            shader: pickShader(`places ${sort.places}`),
            params: [n, n, sort.stride, n],
            workgroups: grid(n, WORKGROUP),
          };
          return { passes: [...sort.passes, pick], scratch: sort.scratch };
        },
      },
    ],
  }),
  entry(topKOp, {
    variants: [
      {
        name: 'merge',
        supports: () => true,
        plan({ inputs: [x], outputs: [y], attrs: { k, largest } }) {
          const size = sizeOf(y.shape);
          if (size === 0) return { passes: [] };
          const n = x.shape[x.shape.length - 1];
          const sort = sortPasses({
            name: `topK/${x.dtype}/${largest ? 'largest' : 'smallest'}`,
            rows: size / k,
            n,
            k,
            operands: [reads('x', 'u32', 0)],
            declare: ranks[x.dtype],
            params: {},
            values: [],
            key: largest ? '~rank(x(row * p.n + i))' : 'rank(x(row * p.n + i))',
            scratch: 3,
          });
          const pick = {
            shader: pickShader(`values ${sort.places}`),
            params: [size, k, sort.stride, n],
            workgroups: grid(size, WORKGROUP),
          };
          return { passes: [...sort.passes, pick], scratch: sort.scratch };
        },
      },
    ],
  }),
];
