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
import type { ElmanAttrs, ElmanBackwardInputs, ElmanForwardInputs, ElmanNonlinearity } from './cpu.js';

const curves: Readonly<Record<ElmanNonlinearity, string>> = {
  tanh: 'bend(a)',
  sigmoid: 'sigma(a)',
  relu: 'max(a, V())',
  identity: 'a',
};

const slopes: Readonly<Record<ElmanNonlinearity, string>> = {
  tanh: 'V(1.0) - y * y',
  sigmoid: 'y * (V(1.0) - y)',
  relu: 'select(V(), V(1.0), y > V())',
  identity: 'V(1.0)',
};

type Key<Names> = LoopKey<Names> & { readonly f: ElmanNonlinearity };

/** Kept: h [H]. The matrix is W_hh transposed. */
const forwardShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, f, weight, out } = JSON.parse(key) as Key<ElmanForwardInputs<number>>;
  const { reads, writes } = lanesOf(tile);
  return loopShader({
    name: 'elman/loop',
    tile,
    mask,
    operands: [reads('xg', at.xg), reads('weight', weight), reads('initial', at.h0), writes('y', out)],
    sizes: ['H', 'units'],
    declare: `fn f(a: V) -> V { return ${curves[f]}; }`,
    step: `
${stateText(tile, mask, { first: 'initial', states: 'y', width: 'p.H' })}
${forUnits(
  'p.H',
  `${forRows(tile, (b) => `var a${b} = xg(at${b} * p.H + q);`)}
${productText(tile, { matrix: 'weight', at: 'q', stride: 'p.H', from: '0u', count: 'p.units', sums: [['a', '0u']] })}
${forRows(tile, (b) => `set_y(at${b} * p.H + q, ${choose(mask, `hold${b}`, `f(a${b})`, `get${b}(q)`)});`)}`,
)}
workgroupBarrier();`,
  });
});

/** One position: the product of a unit by its lanes. */
const oneShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { layout, at, out, f } = JSON.parse(key) as SingleKey<ElmanForwardInputs<number>> & {
    readonly f: ElmanNonlinearity;
  };
  return singleShader({
    name: 'elman/one',
    layout,
    matrix: at.weight,
    vectors: [['h0', at.h0]],
    vector: 'h0(b * p.K + k)',
    rows: ['j'],
    operands: [readsOne('xg', 'f32', at.xg), writesOne('y', 'f32', out)],
    declare: `alias V = f32;
fn sigma(a: f32) -> f32 { return m_sigmoid(a); }
fn bend(a: f32) -> f32 { return m_tanh(a); }
fn f(a: f32) -> f32 { return ${curves[f]}; }`,
    store: 'set_y(unit, f(xg(unit) + a.x));',
  });
});

/** Kept: da [H] of the position. carry holds what comes from later positions. */
const backwardShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, f, weight, out } = JSON.parse(key) as Key<ElmanBackwardInputs<number>>;
  const { reads, writes } = lanesOf(tile);
  return loopShader({
    name: 'elman.backward/loop',
    tile,
    mask,
    operands: [
      reads('dy', at.dy),
      reads('y', at.y),
      reads('weight', weight),
      writes('da', out),
      writes('carry', out + 1),
    ],
    sizes: ['H', 'units'],
    declare: `fn slope(y: V) -> V { return ${slopes[f]}; }`,
    step: `
${forUnits(
  'p.H',
  `${forRows(
    tile,
    (b) => `let dh${b} = dy(at${b} * p.H + q) + ${carried(b, 'carry', 'p.H')};
let a${b} = ${choose(mask, `hold${b}`, `dh${b} * slope(y(at${b} * p.H + q))`, 'V()')};
set_da(at${b} * p.H + q, a${b});
set_carry(row${b} * p.H + q, ${choose(mask, `!hold${b}`, `dh${b}`, 'V()')});`,
  )}
put(q, ${rowsOf(tile, (b) => `a${b}`)});`,
)}
workgroupBarrier();
${forUnits(
  'p.H',
  `${forRows(tile, (b) => `var d${b} = ${mask === null ? 'V()' : `carry(row${b} * p.H + q)`};`)}
${productText(tile, { matrix: 'weight', at: 'q', stride: 'p.H', from: '0u', count: 'p.units', sums: [['d', '0u']] })}
${forRows(tile, (b) => `set_carry(row${b} * p.H + q, ${choose(mask, `cleared${b}`, `d${b}`, 'V()')});`)}`,
)}
workgroupBarrier();`,
  });
});

/** WebGPU kernels of `elmanOp`. */
export const elmanKernels: GpuKernels<ElmanAttrs> = {
  variants: [
    {
      name: 'one',
      supports: ({ inputs, outputs, attrs: { valid, resets } }) =>
        isSingle([...inputs, ...outputs], inputs[0].shape[1], valid || resets),
      plan({ inputs, outputs, attrs }, limits) {
        const at = forwardInputs(numbered(inputs.length), attrs);
        const [B, H] = inputs[at.h0].shape;
        const layout = singleOf([H], [...inputs, ...outputs], limits);
        const s = oneShader(JSON.stringify({ layout, at, out: inputs.length, f: attrs.nonlinearity }));
        return { passes: [singlePass(s, layout, B, H, H)] };
      },
    },
    loopVariant<ElmanAttrs>({
      kept: ([xg]) => xg.shape[2],
      plan(plan, { inputs, attrs }, tileFor) {
        const at = forwardInputs(numbered(inputs.length), attrs);
        const [B, T, H] = inputs[at.xg].shape;
        const tile = tileFor(B, [H]);
        const weight = plan.transposed(at.weight, [H, H]);
        const mask = plan.masks(at, B * T);
        const key = { tile, at, mask, weight, out: inputs.length, f: attrs.nonlinearity };
        const sizes = [H / tile.width, H];
        const run = { B, T, backwards: attrs.reverse, weights: H * H, sizes };
        plan.loop(forwardShader(JSON.stringify(key)), tile, run);
      },
    }),
  ],
};

/** WebGPU kernels of `elmanBackwardOp`. */
export const elmanBackwardKernels: GpuKernels<ElmanAttrs> = {
  variants: [
    loopVariant<ElmanAttrs>({
      kept: ([dy]) => dy.shape[2],
      plan(plan, { inputs, attrs }, tileFor) {
        const at = backwardInputs(numbered(inputs.length), attrs);
        const [B, T, H] = inputs[at.dy].shape;
        const tile = tileFor(B, [H]);
        const mask = plan.masks(at, B * T);
        const key = { tile, at, mask, weight: at.weight, out: inputs.length, f: attrs.nonlinearity };
        const sizes = [H / tile.width, H];
        const run = { B, T, backwards: !attrs.reverse, weights: H * H, sizes };
        plan.loop(backwardShader(JSON.stringify(key)), tile, run);
      },
    }),
  ],
};
