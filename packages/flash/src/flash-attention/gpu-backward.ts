// WebGPU plans of the backward op.
import type { GpuCall, GpuKernels, GpuLimits, GpuPass, GpuPlan } from '@seq/tensor/engine';
import { grid } from '@seq/webgpu-kernels/wgsl';
import { backwardLanesOperands, backwardLanesShader, tilesBytes } from './backward-lanes.js';
import { backwardShader } from './backward-text.js';
import type { BackwardCut, BackwardText } from './backward-text.js';
import { named, namedGrad, sizesOf } from './call.js';
import type { FlashGradAttrs, Sizes } from './call.js';
import { packPass, rowsOf, suitsLanes, suitsTiles, tileOf, valuesOf } from './gpu.js';
import type { LanesCut } from './lanes-text.js';
import { commonParams, lookOf, rowParams, sideWords, typesOf } from './text.js';
import type { Params } from './text.js';

const lanesCut: LanesCut = { queries: 64, keys: 128 };

type Form = 'tiled' | 'lanes' | 'direct';

function planBackward(call: GpuCall<FlashGradAttrs>, limits: GpuLimits, form: Form): GpuPlan {
  const { inputs, outputs, attrs } = call;
  const { dO, dLse, forward } = namedGrad(inputs, attrs);
  const all = named(forward, attrs);
  const sizes = sizesOf(all);
  const { B, T, S, H, G } = sizes;
  const from = inputs.length - forward.length;
  const n = inputs.length;
  const at = {
    from,
    dO: 0,
    dLse: 1,
    o: from - 2,
    lse: from - 1,
    dq: n,
    dk: n + 1,
    dv: n + 2,
    dBias: n + 3,
    side: n + outputs.length,
  };
  const heads = [...forward.slice(0, 3), dO, inputs[at.o]];
  const look = lookOf(forward, attrs, [...heads, ...outputs.slice(0, 3)], true);
  const step = (axis: number): readonly ['u32', number] => ['u32', dLse?.strides[axis] ?? 0];
  const base: Params = {
    ...commonParams(forward, attrs),
    ...rowParams('dy', dO),
    ...rowParams('o', inputs[at.o]),
    dl_b: step(0),
    dl_h: step(1),
    dl_t: step(2),
  };
  const pass = (
    kind: BackwardText['kind'],
    cut: BackwardCut,
    count: number,
    per: number,
    more: Params = {},
  ): GpuPass => {
    const params = { ...base, ...more };
    return {
      shader: backwardShader({ kind, look, cut, byLse: attrs.byLse, params: typesOf(params), at }),
      params: valuesOf(params),
      workgroups: grid(count, per),
    };
  };
  const passes: GpuPass[] = [];
  if (B * T * H > 0)
    passes.push(pass('statistics', cutOf(sizes, attrs, limits, form === 'tiled'), B * T * H, 64));
  if (attrs.slopes || attrs.places !== 'end' || attrs.dropout > 0)
    passes.push(packPass(forward, attrs, from, at.side));
  const scratch = [4 * sideWords(sizes, attrs.places)];
  if (form === 'lanes') {
    scratch.push(B * G * tilesBytes(lanesCut));
    passes.push({
      shader: backwardLanesShader({ look, cut: lanesCut, params: typesOf(base), at }),
      params: valuesOf(base),
      workgroups: grid(B * G),
    });
  } else {
    const cut = cutOf(sizes, attrs, limits, form === 'tiled');
    const owners = (kind: 'queries' | 'keys', each: number): void => {
      const blocks = Math.ceil(each / (cut.rows * cut.lanes));
      if (B * G * blocks > 0) passes.push(pass(kind, cut, B * G * blocks, 1, { blocks: ['u32', blocks] }));
    };
    owners('queries', (T * H) / G);
    owners('keys', S);
  }
  if (attrs.ofBias) {
    const { shape } = all.bias!;
    const size = shape.reduce((p, d) => p * d, 1);
    const axes: Params = Object.fromEntries(shape.map((d, i) => [`n${i}`, ['u32', d] as const]));
    if (size > 0) passes.push(pass('bias', cutOf(sizes, attrs, limits, false), size, 64, axes));
  }
  return { passes, scratch };
}

function cutOf(sizes: Sizes, attrs: FlashGradAttrs, { software }: GpuLimits, tiled: boolean): BackwardCut {
  if (tiled) return { rows: 1, lanes: 64, meets: 2, tile: tileOf(sizes) };
  return { rows: rowsOf(attrs), lanes: software ? 8 : 32, meets: 4, tile: 0 };
}

function supportsLanes(
  { inputs, outputs, attrs }: GpuCall<FlashGradAttrs>,
  limits: GpuLimits,
): true | string {
  const { dO, o, forward } = namedGrad(inputs, attrs);
  if (limits.storageBuffers < backwardLanesOperands + Number(attrs.bias)) return 'operands are too many';
  if (attrs.places === 'queries') return 'packed sequences skip more by the handful';
  const { four } = lookOf(forward, attrs, [...forward.slice(0, 3), dO, o, ...outputs.slice(0, 3)], true);
  const sizes = sizesOf(named(forward, attrs));
  if (sizes.B * sizes.G < 4) return 'key heads are fewer than cores';
  return suitsLanes(sizes, four, limits);
}

/** Variants: tiles for GPUs, lanes for long calls on programs on the CPU, registers everywhere. */
export const backwardKernels: GpuKernels<FlashGradAttrs> = {
  strided: true,
  variants: [
    {
      name: 'tiled',
      supports: ({ inputs, attrs }, limits) =>
        suitsTiles(sizesOf(named(namedGrad(inputs, attrs).forward, attrs)), limits),
      plan: (call, limits) => planBackward(call, limits, 'tiled'),
    },
    { name: 'lanes', supports: supportsLanes, plan: (call, limits) => planBackward(call, limits, 'lanes') },
    { name: 'direct', supports: () => true, plan: (call, limits) => planBackward(call, limits, 'direct') },
  ],
};
