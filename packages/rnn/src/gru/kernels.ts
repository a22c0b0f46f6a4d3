import type { GpuKernels, GpuShader } from '@seq/tensor/engine';
import { memo, reads as readsOne, writes as writesOne } from '@seq/webgpu-kernels/wgsl';
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
import { isSingle, singleOf, singlePass, singleShader } from '../internal/gpu/single.js';
import type { SingleKey } from '../internal/gpu/single.js';
import { forRows, numbered, productText, rowsOf } from '../internal/gpu/tile.js';
import { backwardInputs, forwardInputs } from './cpu.js';
import type { GruAttrs, GruBackwardInputs, GruForwardInputs } from './cpu.js';

/** Kept: h [H]. The matrix is W_hh transposed, [H, 3H]. */
const forwardShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, weight, out } = JSON.parse(key) as LoopKey<GruForwardInputs<number>>;
  const { reads, writes } = lanesOf(tile);
  const biased = at.bias !== undefined;
  const bias = (gate: string): string => (biased ? `bias(${gate})` : 'V()');
  return loopShader({
    name: 'gru/loop',
    tile,
    mask,
    operands: [
      reads('xg', at.xg),
      reads('weight', weight),
      reads('initial', at.h0),
      ...(biased ? [reads('bias', at.bias)] : []),
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
var r${b} = xg(x${b}) + ${bias('q')};
var z${b} = xg(x${b} + p.H) + ${bias('q + p.H')};
var c${b} = ${bias('q + 2u * p.H')};`,
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
    ['c', '2u * p.H'],
  ],
})}
${forRows(
  tile,
  (b) => `{
  let r = sigma(r${b});
  let z = sigma(z${b});
  let n = bend(xg(x${b} + 2u * p.H) + r * c${b});
  let h = get${b}(q);
  let g = at${b} * 4u * p.H + q;
  set_gates(g, r);
  set_gates(g + p.H, z);
  set_gates(g + 2u * p.H, n);
  set_gates(g + 3u * p.H, c${b});
  set_y(at${b} * p.H + q, ${choose(mask, `hold${b}`, 'n + z * (h - n)', 'h')});
}`,
)}`,
)}
workgroupBarrier();`,
  });
});

/** Kept: dr, dz, dq of the position, [3H]. carry holds what comes from later positions. */
const backwardShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, weight, out } = JSON.parse(key) as LoopKey<GruBackwardInputs<number>>;
  const { reads, writes } = lanesOf(tile);
  const all = (name: string): string => rowsOf(tile, (b) => `${name}${b}`);
  return loopShader({
    name: 'gru.backward/loop',
    tile,
    mask,
    operands: [
      reads('dy', at.dy),
      reads('before', at.before),
      reads('gates', at.gates),
      reads('weight', weight),
      writes('da', out),
      writes('dp', out + 1),
      writes('carry', out + 2),
    ],
    sizes: ['H', 'units'],
    step: `
${forUnits(
  'p.H',
  `${forRows(
    tile,
    (b) => `let dh${b} = dy(at${b} * p.H + q) + ${carried(b, 'carry', 'p.H')};
let live${b} = ${choose(mask, `hold${b}`, `dh${b}`, 'V()')};
let g${b} = at${b} * 4u * p.H + q;
let r${b} = gates(g${b});
let z${b} = gates(g${b} + p.H);
let n${b} = gates(g${b} + 2u * p.H);
let dn${b} = live${b} * (V(1.0) - z${b}) * (V(1.0) - n${b} * n${b});
let dr${b} = dn${b} * gates(g${b} + 3u * p.H) * r${b} * (V(1.0) - r${b});
let dz${b} = live${b} * (before(at${b} * p.H + q) - n${b}) * z${b} * (V(1.0) - z${b});
let dq${b} = dn${b} * r${b};
let a${b} = at${b} * 3u * p.H + q;
set_da(a${b}, dr${b});
set_da(a${b} + p.H, dz${b});
set_da(a${b} + 2u * p.H, dn${b});
set_dp(a${b}, dr${b});
set_dp(a${b} + p.H, dz${b});
set_dp(a${b} + 2u * p.H, dq${b});
set_carry(row${b} * p.H + q, ${choose(mask, `hold${b}`, `dh${b} * z${b}`, `dh${b}`)});`,
  )}
put(q, ${all('dr')});
put(q + p.H, ${all('dz')});
put(q + 2u * p.H, ${all('dq')});`,
)}
workgroupBarrier();
${forUnits(
  'p.H',
  `${forRows(tile, (b) => `var d${b} = carry(row${b} * p.H + q);`)}
${productText(tile, { matrix: 'weight', at: 'q', stride: 'p.H', from: '0u', count: '3u * p.units', sums: [['d', '0u']] })}
${forRows(tile, (b) => `set_carry(row${b} * p.H + q, ${choose(mask, `cleared${b}`, `d${b}`, 'V()')});`)}`,
)}
workgroupBarrier();`,
  });
});

/** One position: r, z and q of a unit by its lanes. */
const oneShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { layout, at, out } = JSON.parse(key) as SingleKey<GruForwardInputs<number>>;
  const bias = (gate: string): string => (at.bias === undefined ? '' : ` + bias(${gate})`);
  return singleShader({
    name: 'gru/one',
    layout,
    matrix: at.weight,
    vectors: [['h0', at.h0]],
    vector: 'h0(b * p.K + k)',
    rows: ['j', 'p.units + j', '2u * p.units + j'],
    operands: [
      readsOne('xg', 'f32', at.xg),
      readsOne('h', 'f32', at.h0),
      ...(at.bias === undefined ? [] : [readsOne('bias', 'f32', at.bias)]),
      writesOne('y', 'f32', out),
      writesOne('gates', 'f32', out + 1),
    ],
    store: `
let x = b * 3u * p.units + j;
let r = m_sigmoid(xg(x) + a.x${bias('j')});
let z = m_sigmoid(xg(x + p.units) + a.y${bias('p.units + j')});
let c = a.z${bias('2u * p.units + j')};
let n = m_tanh(xg(x + 2u * p.units) + r * c);
let g = b * 4u * p.units + j;
set_gates(g, r);
set_gates(g + p.units, z);
set_gates(g + 2u * p.units, n);
set_gates(g + 3u * p.units, c);
set_y(unit, n + z * (h(unit) - n));`,
  });
});

/** WebGPU kernels of `gruOp`. */
export const gruKernels: GpuKernels<GruAttrs> = {
  variants: [
    {
      name: 'one',
      supports: ({ inputs, outputs, attrs: { valid, resets } }) =>
        isSingle([...inputs, ...outputs], inputs[0].shape[1], valid || resets),
      plan({ inputs, outputs, attrs }, limits) {
        const at = forwardInputs(numbered(inputs.length), attrs);
        const [B, H] = inputs[at.h0].shape;
        const layout = singleOf([H], [...inputs, ...outputs], limits);
        const s = oneShader(JSON.stringify({ layout, at, out: inputs.length }));
        return { passes: [singlePass(s, layout, B, H, H)] };
      },
    },
    loopVariant<GruAttrs>({
      kept: ([, , h0]) => h0.shape[1],
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

/** WebGPU kernels of `gruBackwardOp`. */
export const gruBackwardKernels: GpuKernels<GruAttrs> = {
  variants: [
    loopVariant<GruAttrs>({
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
