import type { GpuKernels, GpuShader } from '@seq/tensor/engine';
import { grid, memo, reads as readsOne, shader, writes as writesOne } from '@seq/webgpu-kernels/wgsl';
import {
  carried,
  choose,
  forUnits,
  lanesOf,
  loopShader,
  loopVariant,
  stateText,
} from '../internal/gpu/loop.js';
import type { LoopKey } from '../internal/gpu/loop.js';
import { previousSizes, previousText } from '../internal/gpu/previous.js';
import { isSingle, singleOf, singlePass, singleShader } from '../internal/gpu/single.js';
import type { SingleKey } from '../internal/gpu/single.js';
import { forRows, numbered, productText, rowsOf } from '../internal/gpu/tile.js';
import { backwardInputs, forwardInputs } from './before-cpu.js';
import type { GruBeforeAttrs, GruBeforeBackwardInputs, GruBeforeForwardInputs } from './before-cpu.js';

/** Kept: h [H], then r ∘ h [H]. The matrix is W_hh transposed, [H, 3H]. */
const forwardShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, weight, out } = JSON.parse(key) as LoopKey<GruBeforeForwardInputs<number>>;
  const { reads, writes } = lanesOf(tile);
  return loopShader({
    name: 'gru.resetBefore/loop',
    tile,
    mask,
    operands: [
      reads('xg', at.xg),
      reads('weight', weight),
      reads('initial', at.h0),
      writes('y', out),
      writes('gates', out + 1),
    ],
    sizes: ['H', 'units'],
    step: `
${stateText(tile, mask, { first: 'initial', states: 'y', width: 'p.H' })}
${forUnits(
  'p.H',
  `${forRows(
    tile,
    (b) => `let x${b} = at${b} * 3u * p.H + q;
var r${b} = xg(x${b});
var z${b} = xg(x${b} + p.H);`,
  )}
${productText(tile, {
  matrix: 'weight',
  at: 'q',
  stride: '3u * p.H',
  from: '0u',
  count: 'p.units',
  sums: [
    ['r', '0u'],
    ['z', 'p.H'],
  ],
})}
${forRows(
  tile,
  (b) => `r${b} = sigma(r${b});
set_gates(x${b}, r${b});
set_gates(x${b} + p.H, sigma(z${b}));`,
)}
put(p.H + q, ${rowsOf(tile, (b) => `r${b} * get${b}(q)`)});`,
)}
workgroupBarrier();
${forUnits(
  'p.H',
  `${forRows(tile, (b) => `var n${b} = xg(at${b} * 3u * p.H + 2u * p.H + q);`)}
${productText(tile, {
  matrix: 'weight',
  at: '2u * p.H + q',
  stride: '3u * p.H',
  from: 'p.units',
  count: 'p.units',
  sums: [['n', '0u']],
})}
${forRows(
  tile,
  (b) => `{
  let n = bend(n${b});
  let x = at${b} * 3u * p.H + q;
  let h = get${b}(q);
  set_gates(x + 2u * p.H, n);
  set_y(at${b} * p.H + q, ${choose(mask, `hold${b}`, 'n + gates(x + p.H) * (h - n)', 'h')});
}`,
)}`,
)}`,
  });
});

/** Kept: dr, dz of the position, [2H], then dn, [H]. carry holds what comes from later positions. */
const backwardShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, weight, out } = JSON.parse(key) as LoopKey<GruBeforeBackwardInputs<number>>;
  const { reads, writes } = lanesOf(tile);
  return loopShader({
    name: 'gru.resetBefore.backward/loop',
    tile,
    mask,
    operands: [
      reads('dy', at.dy),
      reads('before', at.before),
      reads('gates', at.gates),
      reads('weight', weight),
      writes('da', out),
      writes('carry', out + 1),
    ],
    sizes: ['H', 'units'],
    step: `
${forUnits(
  'p.H',
  `${forRows(
    tile,
    (b) => `let dh${b} = dy(at${b} * p.H + q) + ${carried(b, 'carry', 'p.H')};
let a${b} = at${b} * 3u * p.H + q;
let z${b} = gates(a${b} + p.H);
let m${b} = gates(a${b} + 2u * p.H);
let n${b} = ${choose(mask, `hold${b}`, `dh${b} * (V(1.0) - z${b}) * (V(1.0) - m${b} * m${b})`, 'V()')};
set_da(a${b} + 2u * p.H, n${b});
set_carry(row${b} * p.H + q, dh${b});`,
  )}
put(2u * p.H + q, ${rowsOf(tile, (b) => `n${b}`)});`,
)}
workgroupBarrier();
${forUnits(
  'p.H',
  `${forRows(tile, (b) => `var s${b} = V();`)}
${productText(tile, {
  matrix: 'weight',
  at: '2u * p.units * p.H + q',
  stride: 'p.H',
  from: '2u * p.units',
  count: 'p.units',
  sums: [['s', '0u']],
})}
${forRows(
  tile,
  (b) => `let a${b} = at${b} * 3u * p.H + q;
let r${b} = gates(a${b});
let z${b} = gates(a${b} + p.H);
let h${b} = before(at${b} * p.H + q);
let dh${b} = carry(row${b} * p.H + q);
let dr${b} = s${b} * h${b} * r${b} * (V(1.0) - r${b});
let dz${b} = ${choose(mask, `hold${b}`, `dh${b}`, 'V()')} * (h${b} - gates(a${b} + 2u * p.H)) * z${b} * (V(1.0) - z${b});
set_da(a${b}, dr${b});
set_da(a${b} + p.H, dz${b});
set_carry(row${b} * p.H + q, ${choose(mask, `hold${b}`, `dh${b} * z${b}`, `dh${b}`)} + s${b} * r${b});`,
)}
put(q, ${rowsOf(tile, (b) => `dr${b}`)});
put(p.H + q, ${rowsOf(tile, (b) => `dz${b}`)});`,
)}
workgroupBarrier();
${forUnits(
  'p.H',
  `${forRows(tile, (b) => `var d${b} = carry(row${b} * p.H + q);`)}
${productText(tile, {
  matrix: 'weight',
  at: 'q',
  stride: 'p.H',
  from: '0u',
  count: '2u * p.units',
  sums: [['d', '0u']],
})}
${forRows(tile, (b) => `set_carry(row${b} * p.H + q, ${choose(mask, `cleared${b}`, `d${b}`, 'V()')});`)}`,
)}`,
  });
});

/** One position, first half: r and z of a unit by its lanes. */
const gatesShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { layout, at, out } = JSON.parse(key) as SingleKey<GruBeforeForwardInputs<number>>;
  return singleShader({
    name: 'gru.resetBefore/gates',
    layout,
    matrix: at.weight,
    vectors: [['h0', at.h0]],
    vector: 'h0(b * p.K + k)',
    rows: ['j', 'p.units + j'],
    operands: [readsOne('xg', 'f32', at.xg), writesOne('gates', 'f32', out + 1)],
    store: `
let x = b * 3u * p.units + j;
set_gates(x, m_sigmoid(xg(x) + a.x));
set_gates(x + p.units, m_sigmoid(xg(x + p.units) + a.y));`,
  });
});

/** Second half: n of a unit by its lanes, and the new state. */
const newShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { layout, at, out } = JSON.parse(key) as SingleKey<GruBeforeForwardInputs<number>>;
  const r = (i: number): string => `gates((b * 3u * p.K + k) * ${layout.width}u + ${i}u)`;
  const seen = layout.width === 4 ? `vec4<f32>(${[0, 1, 2, 3].map(r).join(', ')})` : r(0);
  return singleShader({
    name: 'gru.resetBefore/new',
    layout,
    matrix: at.weight,
    vectors: [['h0', at.h0]],
    vector: `${seen} * h0(b * p.K + k)`,
    rows: ['2u * p.units + j'],
    operands: [
      readsOne('xg', 'f32', at.xg),
      readsOne('h', 'f32', at.h0),
      writesOne('y', 'f32', out),
      writesOne('gates', 'f32', out + 1),
    ],
    store: `
let x = b * 3u * p.units + j;
let n = m_tanh(xg(x + 2u * p.units) + a.x);
set_gates(x + 2u * p.units, n);
set_y(unit, n + gates(x + p.units) * (h(unit) - n));`,
  });
});

/** WebGPU kernels of `gruBeforeOp`. */
export const gruBeforeKernels: GpuKernels<GruBeforeAttrs> = {
  variants: [
    {
      name: 'one',
      supports: ({ inputs, outputs, attrs: { valid, resets } }) =>
        isSingle([...inputs, ...outputs], inputs[0].shape[1], valid || resets),
      plan({ inputs, outputs, attrs }, limits) {
        const at = forwardInputs(numbered(inputs.length), attrs);
        const [B, H] = inputs[at.h0].shape;
        const layout = singleOf([H], [...inputs, ...outputs], limits);
        const key = JSON.stringify({ layout, at, out: inputs.length });
        const passes = [gatesShader(key), newShader(key)].map((s) => singlePass(s, layout, B, H, H));
        return { passes };
      },
    },
    loopVariant<GruBeforeAttrs>({
      kept: ([, , h0]) => 2 * h0.shape[1],
      plan(plan, { inputs, attrs }, tileFor) {
        const at = forwardInputs(numbered(inputs.length), attrs);
        const [B, T] = inputs[at.xg].shape;
        const H = inputs[at.h0].shape[1];
        const tile = tileFor(B, [H]);
        const weight = plan.transposed(at.weight, [3 * H, H]);
        const mask = plan.masks(at, B * T);
        const s = forwardShader(JSON.stringify({ tile, at, mask, weight, out: inputs.length }));
        const sizes = [H / tile.width, H];
        plan.loop(s, tile, { B, T, backwards: attrs.reverse, weights: 3 * H * H, sizes });
      },
    }),
  ],
};

/** WebGPU kernels of `gruBeforeBackwardOp`. */
export const gruBeforeBackwardKernels: GpuKernels<GruBeforeAttrs> = {
  variants: [
    loopVariant<GruBeforeAttrs>({
      kept: ([dy]) => 3 * dy.shape[2],
      plan(plan, { inputs, attrs }, tileFor) {
        const at = backwardInputs(numbered(inputs.length), attrs);
        const [B, T, H] = inputs[at.dy].shape;
        const tile = tileFor(B, [H]);
        const mask = plan.masks(at, B * T);
        const s = backwardShader(JSON.stringify({ tile, at, mask, weight: at.weight, out: inputs.length }));
        const sizes = [H / tile.width, H];
        plan.loop(s, tile, { B, T, backwards: !attrs.reverse, weights: 3 * H * H, sizes });
      },
    }),
  ],
};

/** One unit of one position per invocation. */
const readShader = /* @__PURE__ */ memo((key): GpuShader => {
  const resets = key === 'resets';
  return shader({
    name: 'gru.resetBefore/read',
    operands: [
      readsOne('states', 'f32', 0),
      readsOne('first', 'f32', 1),
      readsOne('gates', 'f32', 2),
      ...(resets ? [readsOne('resets', 'bool', 3)] : []),
      writesOne('seen', 'f32', resets ? 4 : 3),
    ],
    params: { n: 'u32', T: 'u32', H: 'u32', t0: 'u32', onward: 'u32' },
    workgroup: 256,
    main: `
if (linear >= p.n) { return; }
let at = linear / p.H;
let j = linear % p.H;
${previousText(resets)}
set_seen(linear, h);
set_seen(p.n + linear, h);
set_seen(2u * p.n + linear, gates(at * 3u * p.H + j) * h);`,
  });
});

/** WebGPU kernels of `gruReadOp`. */
export const gruReadKernels: GpuKernels<GruBeforeAttrs> = {
  variants: [
    {
      name: 'linear',
      supports: ({ inputs: [y] }) => y.dtype === 'f32' || 'computes f32 only',
      plan({ inputs: [y], attrs: { resets, reverse } }) {
        const [B, T, H] = y.shape;
        const n = B * T * H;
        const params = [n, ...previousSizes(T, H, reverse)];
        return { passes: [{ shader: readShader(resets ? 'resets' : ''), params, workgroups: grid(n, 256) }] };
      },
    },
  ],
};
