import type { GpuKernels, GpuShader } from '@seq/tensor/engine';
import { memo, reads as readsOne, writes as writesOne } from '@seq/webgpu-kernels/wgsl';
import {
  choose,
  forUnits,
  lanesOf,
  loopShader,
  loopVariant,
  stateOf,
  stateText,
} from '../internal/gpu/loop.js';
import type { LoopKey } from '../internal/gpu/loop.js';
import { isSingle, singleOf, singlePass, singleShader } from '../internal/gpu/single.js';
import type { SingleKey } from '../internal/gpu/single.js';
import { forRows, numbered, productText, rowsOf } from '../internal/gpu/tile.js';
import { forwardInputs } from './cpu.js';
import type { LstmAttrs, LstmForwardInputs } from './cpu.js';

/**
 * Kept: h [P], then with a projection m = o ∘ tanh c [H]. The matrix is W_hh transposed, [P, 4H], behind it W_hr
 * transposed, [H, P].
 */
const loopOf = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, weight, out } = JSON.parse(key) as LoopKey<LstmForwardInputs<number>>;
  const { reads, writes } = lanesOf(tile);
  const projected = at.projection !== undefined;
  return loopShader({
    name: 'lstm/loop',
    tile,
    mask,
    operands: [
      reads('xg', at.xg),
      reads('weight', weight),
      reads('initialH', at.h0),
      reads('initialC', at.c0),
      writes('y', out),
      writes('c', out + 1),
      writes('gates', out + 2),
    ],
    sizes: ['H', 'P', 'units', 'outputs'],
    step: `
${stateText(tile, mask, { first: 'initialH', states: 'y', width: 'p.P' })}
${forUnits(
  'p.H',
  `${forRows(
    tile,
    (b) => `let x${b} = at${b} * 4u * p.H + q;
var i${b} = xg(x${b});
var f${b} = xg(x${b} + p.H);
var g${b} = xg(x${b} + 2u * p.H);
var o${b} = xg(x${b} + 3u * p.H);`,
  )}
${productText(tile, {
  matrix: 'weight',
  at: 'q',
  stride: '4u * p.H',
  from: '0u',
  count: 'p.outputs',
  sums: [
    ['i', '0u'],
    ['f', 'p.H'],
    ['g', '2u * p.H'],
    ['o', '3u * p.H'],
  ],
})}
${forRows(
  tile,
  (b) => `i${b} = sigma(i${b});
f${b} = sigma(f${b});
g${b} = bend(g${b});
o${b} = sigma(o${b});
set_gates(x${b}, i${b});
set_gates(x${b} + p.H, f${b});
set_gates(x${b} + 2u * p.H, g${b});
set_gates(x${b} + 3u * p.H, o${b});
let before${b} = ${stateOf(mask, b, 'initialC', 'c', 'p.H')};
let c${b} = f${b} * before${b} + i${b} * g${b};
let m${b} = o${b} * bend(c${b});
set_c(at${b} * p.H + q, ${choose(mask, `hold${b}`, `c${b}`, `before${b}`)});
${projected ? '' : `set_y(at${b} * p.H + q, ${choose(mask, `hold${b}`, `m${b}`, `get${b}(q)`)});`}`,
)}
${projected ? `put(p.P + q, ${rowsOf(tile, (b) => `m${b}`)});` : ''}`,
)}
workgroupBarrier();
${
  projected
    ? forUnits(
        'p.P',
        `${forRows(tile, (b) => `var h${b} = V();`)}
${productText(tile, {
  matrix: 'weight',
  at: 'p.outputs * 4u * p.H + q',
  stride: 'p.P',
  from: 'p.outputs',
  count: 'p.units',
  sums: [['h', '0u']],
})}
${forRows(tile, (b) => `set_y(at${b} * p.P + q, ${choose(mask, `hold${b}`, `h${b}`, `get${b}(q)`)});`)}`,
      )
    : ''
}`,
  });
});

/** One position: the gates of a unit by its lanes. What the cell shows goes to `m`, which is y without projection. */
const cellOf = /* @__PURE__ */ memo((key): GpuShader => {
  const { layout, at, out, shown } = JSON.parse(key) as SingleKey<LstmForwardInputs<number>> & {
    readonly shown: number;
  };
  return singleShader({
    name: 'lstm/cell',
    layout,
    matrix: at.weight,
    vectors: [['h0', at.h0]],
    vector: 'h0(b * p.K + k)',
    rows: ['j', 'p.units + j', '2u * p.units + j', '3u * p.units + j'],
    operands: [
      readsOne('xg', 'f32', at.xg),
      readsOne('c0', 'f32', at.c0),
      writesOne('shown', 'f32', shown),
      writesOne('c', 'f32', out + 1),
      writesOne('gates', 'f32', out + 2),
    ],
    store: `
let x = b * 4u * p.units + j;
let i = m_sigmoid(xg(x) + a.x);
let f = m_sigmoid(xg(x + p.units) + a.y);
let g = m_tanh(xg(x + 2u * p.units) + a.z);
let o = m_sigmoid(xg(x + 3u * p.units) + a.w);
let c = f * c0(unit) + i * g;
set_gates(x, i);
set_gates(x + p.units, f);
set_gates(x + 2u * p.units, g);
set_gates(x + 3u * p.units, o);
set_c(unit, c);
set_shown(unit, o * m_tanh(c));`,
  });
});

/** One position: the projection of what the cell shows. */
const outputOf = /* @__PURE__ */ memo((key): GpuShader => {
  const { layout, at, out, shown } = JSON.parse(key) as SingleKey<LstmForwardInputs<number>> & {
    readonly shown: number;
  };
  return singleShader({
    name: 'lstm/projection',
    layout,
    matrix: at.projection!,
    vectors: [['shown', shown]],
    vector: 'shown(b * p.K + k)',
    rows: ['j'],
    operands: [writesOne('y', 'f32', out)],
    store: 'set_y(unit, a.x);',
  });
});

/** WebGPU kernels of `lstmOp`. */
export const lstmKernels: GpuKernels<LstmAttrs> = {
  variants: [
    {
      name: 'one',
      supports: ({ inputs, outputs, attrs: { valid, resets } }) =>
        isSingle([...inputs, ...outputs], inputs[0].shape[1], valid || resets),
      plan({ inputs, outputs, attrs }, limits) {
        const at = forwardInputs(numbered(inputs.length), attrs);
        const [[B, P], [, H]] = [inputs[at.h0].shape, inputs[at.c0].shape];
        const layout = singleOf([P, H], [...inputs, ...outputs], limits);
        const out = inputs.length;
        if (!attrs.projected) {
          const s = cellOf(JSON.stringify({ layout, at, out, shown: out }));
          return { passes: [singlePass(s, layout, B, H, P)] };
        }
        const key = JSON.stringify({ layout, at, out, shown: out + outputs.length });
        return {
          passes: [singlePass(cellOf(key), layout, B, H, P), singlePass(outputOf(key), layout, B, P, H)],
          scratch: [4 * B * H],
        };
      },
    },
    loopVariant<LstmAttrs>({
      kept: ([, , h0, c0], { projected }) => h0.shape[1] + (projected ? c0.shape[1] : 0),
      plan(plan, { inputs, attrs }, tileFor) {
        const at = forwardInputs(numbered(inputs.length), attrs);
        const [B, T] = inputs[at.xg].shape;
        const [P, H] = [inputs[at.h0].shape[1], inputs[at.c0].shape[1]];
        const tile = tileFor(B, [H, P]);
        const weights = 4 * H * P + (attrs.projected ? P * H : 0);
        const weight = plan.block(weights);
        plan.transposed(at.weight, [4 * H, P], weight);
        if (at.projection !== undefined) plan.transposed(at.projection, [P, H], weight, 4 * H * P);
        const mask = plan.masks(at, B * T);
        const s = loopOf(JSON.stringify({ tile, at, mask, weight, out: inputs.length }));
        const sizes = [H / tile.width, P / tile.width, H, P];
        plan.loop(s, tile, { B, T, backwards: attrs.reverse, weights, sizes });
      },
    }),
  ],
};
