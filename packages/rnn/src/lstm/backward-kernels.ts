import type { GpuKernels, GpuShader } from '@seq/tensor/engine';
import { grid, mathOf, memo, reads as readsOne, shader, writes as writesOne } from '@seq/webgpu-kernels/wgsl';
import { carried, choose, forUnits, lanesOf, loopShader, loopVariant } from '../internal/gpu/loop.js';
import type { LoopKey } from '../internal/gpu/loop.js';
import { forRows, numbered, productText, rowsOf } from '../internal/gpu/tile.js';
import { backwardInputs } from './cpu.js';
import type { LstmBackwardAttrs, LstmBackwardInputs } from './cpu.js';

type Key = LoopKey<LstmBackwardInputs<number>> & { readonly slopes: number };

/**
 * All that is known before the loop, of every position at once, one unit per invocation: what the gradient by the cell
 * (i, f, g) and by what it shows (o) is multiplied with goes to da, and to `slopes` the slope of what is shown by the
 * cell, f, and dc; dy goes to dh. So the loop needs no more buffers than every device has.
 */
const slopesShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { at, out, slopes } = JSON.parse(key) as Key;
  return shader({
    name: 'lstm.backward/slopes',
    operands: [
      readsOne('dy', 'f32', at.dy),
      ...(at.dc === undefined ? [] : [readsOne('dc', 'f32', at.dc)]),
      readsOne('before', 'f32', at.before),
      readsOne('c', 'f32', at.c),
      readsOne('gates', 'f32', at.gates),
      writesOne('da', 'f32', out),
      writesOne('dh', 'f32', out + 1),
      writesOne('slopes', 'f32', slopes),
    ],
    params: { n: 'u32', H: 'u32', P: 'u32' },
    workgroup: 256,
    declare: mathOf('m_tanh'),
    main: `
if (linear >= p.n) { return; }
let position = linear / p.H;
let j = linear % p.H;
let x = position * 4u * p.H + j;
let i = gates(x);
let f = gates(x + p.H);
let g = gates(x + 2u * p.H);
let o = gates(x + 3u * p.H);
let t = m_tanh(c(linear));
set_da(x, g * i * (1.0 - i));
set_da(x + p.H, before(linear) * f * (1.0 - f));
set_da(x + 2u * p.H, i * (1.0 - g * g));
set_da(x + 3u * p.H, t * o * (1.0 - o));
let s = position * 3u * p.H + j;
set_slopes(s, o * (1.0 - t * t));
set_slopes(s + p.H, f);
set_slopes(s + 2u * p.H, ${at.dc === undefined ? '0.0' : 'dc(linear)'});
if (j < p.P) { set_dh(position * p.P + j, dy(position * p.P + j)); }`,
  });
});

/** Kept: da of the position, [4H], then with a projection dh, [P]. carryH and carryC hold what comes from later positions. */
const loopOf = /* @__PURE__ */ memo((key): GpuShader => {
  const { tile, at, mask, weight, out, slopes } = JSON.parse(key) as Key;
  const { reads, writes } = lanesOf(tile);
  const projected = at.projection !== undefined;
  // The gradient by h in units of P; dh of padding is 0 and all of it goes on.
  const output = (b: number): string => `let w${b} = dh(at${b} * p.P + q) + ${carried(b, 'carryH', 'p.P')};
let dh${b} = ${choose(mask, `hold${b}`, `w${b}`, 'V()')};
set_dh(at${b} * p.P + q, dh${b});
${mask === null ? '' : `set_carryH(row${b} * p.P + q, select(V(), w${b}, hold${b}));`}`;
  const cell = (b: number): string => `let a${b} = at${b} * 4u * p.H + q;
let s${b} = at${b} * 3u * p.H + q;
let v${b} = slopes(s${b} + 2u * p.H) + ${carried(b, 'carryC', 'p.H')};
let dc${b} = ${choose(mask, `hold${b}`, `v${b}`, 'V()')} + dm${b} * slopes(s${b});
let i${b} = dc${b} * da(a${b});
let f${b} = dc${b} * da(a${b} + p.H);
let g${b} = dc${b} * da(a${b} + 2u * p.H);
let o${b} = dm${b} * da(a${b} + 3u * p.H);
set_da(a${b}, i${b});
set_da(a${b} + p.H, f${b});
set_da(a${b} + 2u * p.H, g${b});
set_da(a${b} + 3u * p.H, o${b});
set_carryC(row${b} * p.H + q, ${choose(mask, `cleared${b}`, choose(mask, `hold${b}`, `dc${b} * slopes(s${b} + p.H)`, `v${b}`), 'V()')});`;
  const show = ['i', 'f', 'g', 'o']
    .map((gate, i) => `put(q + ${i}u * p.H, ${rowsOf(tile, (b) => `${gate}${b}`)});`)
    .join('\n');
  return loopShader({
    name: 'lstm.backward/loop',
    tile,
    mask,
    operands: [
      reads('weight', weight),
      ...(projected ? [reads('projection', at.projection)] : []),
      reads('slopes', slopes),
      writes('da', out),
      writes('dh', out + 1),
      writes('carryH', out + 2),
      writes('carryC', out + 3),
    ],
    sizes: ['H', 'P', 'units', 'outputs'],
    step: `
${
  projected
    ? `${forUnits(
        'p.P',
        `${forRows(tile, output)}
put(4u * p.H + q, ${rowsOf(tile, (b) => `dh${b}`)});`,
      )}
workgroupBarrier();
${forUnits(
  'p.H',
  `${forRows(tile, (b) => `var dm${b} = V();`)}
${productText(tile, {
  matrix: 'projection',
  at: 'q',
  stride: 'p.H',
  from: '4u * p.units',
  count: 'p.outputs',
  sums: [['dm', '0u']],
})}
${forRows(tile, cell)}
${show}`,
)}`
    : forUnits(
        'p.H',
        `${forRows(tile, (b) => `${output(b)}\nlet dm${b} = dh${b};\n${cell(b)}`)}
${show}`,
      )
}
workgroupBarrier();
${forUnits(
  'p.P',
  `${forRows(tile, (b) => `var d${b} = ${mask === null ? 'V()' : `carryH(row${b} * p.P + q)`};`)}
${productText(tile, {
  matrix: 'weight',
  at: 'q',
  stride: 'p.P',
  from: '0u',
  count: '4u * p.units',
  sums: [['d', '0u']],
})}
${forRows(tile, (b) => `set_carryH(row${b} * p.P + q, ${choose(mask, `cleared${b}`, `d${b}`, 'V()')});`)}`,
)}
${projected ? '' : 'workgroupBarrier();'}`,
  });
});

/** WebGPU kernels of `lstmBackwardOp`. */
export const lstmBackwardKernels: GpuKernels<LstmBackwardAttrs> = {
  variants: [
    loopVariant<LstmBackwardAttrs>({
      kept: ([dy, , c], { projected }) => 4 * c.shape[2] + (projected ? dy.shape[2] : 0),
      plan(plan, { inputs, attrs }, tileFor) {
        const at = backwardInputs(numbered(inputs.length), attrs);
        const [B, T, P] = inputs[at.dy].shape;
        const H = inputs[at.c].shape[2];
        const tile = tileFor(B, [H, P]);
        const slopes = plan.block(3 * B * T * H);
        const mask = plan.masks(at, B * T);
        const key = JSON.stringify({ tile, at, mask, weight: at.weight, out: inputs.length, slopes });
        plan.pass(slopesShader(key), [B * T * H, H, P], grid(B * T * H, 256));
        plan.loop(loopOf(key), tile, {
          B,
          T,
          backwards: !attrs.reverse,
          weights: 4 * H * P + (attrs.projected ? P * H : 0),
          sizes: [H / tile.width, P / tile.width, H, P],
        });
      },
    }),
  ],
};
