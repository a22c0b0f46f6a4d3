import type { GpuPass, GpuView } from '@seq/tensor/engine';
import { sizeOf, stridesOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../../wgsl/shader.js';
import { collapse } from '../map/layout.js';
import { wordOf } from '../creation.js';
import { wordType } from './copy.js';

const WORKGROUP = 64;

/**
 * One invocation writes four elements of the output, each the element of x that belongs there or a constant.
 * `key`: type, rank of the collapsed output, which axis the window lies on, whether its step is 1.
 */
const placeShader = /* @__PURE__ */ memo((key) => {
  const [type, ranks, axes, unit] = key.split(' ');
  const [rank, axis] = [Number(ranks), Number(axes)];
  const params: { [name: string]: 'u32' | 'f32' } = { n: 'u32', start: 'u32', count: 'u32', base: 'u32' };
  params['value'] = type === 'f16' ? 'f32' : 'u32';
  if (unit === 'step') params['step'] = 'u32';
  for (let i = 0; i < rank; i++) {
    if (i > 0) params[`d${i}`] = 'u32';
    params[`s${i}`] = 'u32';
  }
  const lines: string[] = [];
  let rest = 'i';
  for (let a = rank - 1; a >= 0; a--) {
    lines.push(`let c${a} = ${a > 0 ? `${rest} % p.d${a}` : rest};`);
    if (a > 0) lines.push(`let q${a} = ${rest} / p.d${a};`);
    rest = `q${a}`;
  }
  // Before the window the difference wraps and is too large.
  const at = unit === 'step' ? `(c${axis} - p.start) / p.step` : `c${axis} - p.start`;
  const on = unit === 'step' ? `at < p.count && c${axis} == p.start + at * p.step` : 'at < p.count';
  const terms = Array.from({ length: rank }, (_, a) => `${a === axis ? 'at' : `c${a}`} * p.s${a}`);
  return shader({
    name: 'place',
    operands: [reads('x', type as 'f16' | 'u32', 0), writes('y', type as 'f16' | 'u32', 1)],
    params,
    workgroup: WORKGROUP,
    main: `for (var k = 0u; k < 4u; k++) {
  let i = (group * 4u + k) * WG + lix;
  if (i < p.n) {
    ${lines.join('\n    ')}
    let at = ${at};
    var v = p.value;
    if (${on}) { v = x(p.base + ${terms.join(' + ')}); }
    set_y(i, v);
  }
}`,
  });
});

/** Puts x at start, start + step, … of an axis of the output, and a constant elsewhere. */
export function placePass(
  x: GpuView,
  y: GpuView,
  axis: number,
  start: number,
  step: number,
  value: number,
): GpuPass | undefined {
  const n = sizeOf(y.shape);
  if (n === 0) return undefined;
  const count = x.shape[axis];
  const empty = sizeOf(x.shape) === 0;
  // A backward step is the same window walked from its other end.
  const back = step < 0;
  const first = back ? start + (count - 1) * step : start;
  const xs = x.strides.map((s, i) => (i === axis && back ? -s : s));
  const base = back ? (count - 1) * x.strides[axis] : 0;
  const nest = collapse(y.shape, [stridesOf(y.shape), xs], axis);
  const strides = nest.strides[1];
  // The kept axis comes behind the groups that the axes before it were merged into.
  const kept = collapse(y.shape.slice(0, axis), [stridesOf(y.shape).slice(0, axis), xs.slice(0, axis)]).sizes
    .length;
  const unit = Math.abs(step) === 1 || count <= 1;
  const params = [
    n,
    empty ? 0 : first,
    empty ? 0 : count,
    base,
    x.dtype === 'f16' ? value : wordOf(value, x.dtype),
  ];
  if (!unit) params.push(Math.abs(step));
  nest.sizes.forEach((d, i) => {
    if (i > 0) params.push(d);
    params.push(strides[i]);
  });
  return {
    shader: placeShader(`${wordType(x.dtype)} ${nest.sizes.length} ${kept} ${unit ? 'unit' : 'step'}`),
    params: params.map((v, i) => (i === 4 ? v : v >>> 0)),
    workgroups: grid(n, 4 * WORKGROUP),
  };
}
