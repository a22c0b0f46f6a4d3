// WebGPU plans of the forward op: which variant cuts the work how.
import type { GpuCall, GpuKernels, GpuLimits, GpuPass, GpuPlan, GpuView } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { named, sizesOf } from './call.js';
import type { FlashAttrs, Sizes } from './call.js';
import { forwardLanesShader, tileBytes } from './forward-lanes.js';
import { forwardShader } from './forward-text.js';
import type { ForwardCut } from './forward-text.js';
import { joinShader } from './join-text.js';
import { commonParams, fours, lookOf, sideWords, typesOf } from './text.js';
import type { LanesCut } from './lanes-text.js';
import type { Params } from './text.js';

export const valuesOf = (params: Params): number[] => Object.values(params).map(([, value]) => value);

/** Storage buffers of the forward shader when nothing is packed. */
const operandsOf = ({ bias, slopes, places }: FlashAttrs): number =>
  5 + Number(bias) + Number(slopes) + (places === 'rows' ? 2 : 0);

/** Whether slopes, places and key are gathered in one operand first. */
const packs = (attrs: FlashAttrs, limit: number): boolean =>
  attrs.places === 'queries' || attrs.dropout > 0 || operandsOf(attrs) > limit;

const packShader = /* @__PURE__ */ memo((text) => {
  const { flags, side, params, at } = JSON.parse(text) as {
    flags: Pick<FlashAttrs, 'slopes' | 'places'> & { drops: boolean };
    side: number;
    params: { [name: string]: 'u32' | 'i32' | 'f32' };
    at: { slopes: number; places: number; key: number };
  };
  const rows = flags.places === 'rows';
  const queries = flags.places === 'queries';
  return shader({
    name: 'flash/pack',
    operands: [
      ...(flags.slopes ? [reads('slopes', 'f32', at.slopes)] : []),
      ...(rows ? [reads('position', 'i32', at.places), reads('first', 'i32', at.places + 1)] : []),
      ...(queries ? [reads('places', 'i32', at.places)] : []),
      ...(flags.drops ? [reads('key', 'u32', at.key)] : []),
      writes('side', 'u32', side),
    ],
    params,
    workgroup: 64,
    main: `
  let i = linear;
  ${flags.slopes ? 'if (i < p.B * p.H) { set_side(p.side_slopes + i, bitcast<u32>(slopes(i / p.H * p.slopes_b + i % p.H * p.slopes_h))); }' : ''}
  ${rows ? 'if (i < p.B) { set_side(p.side_places + i, bitcast<u32>(position(i * p.position_b))); set_side(p.side_places + p.B + i, bitcast<u32>(first(i * p.first_b))); }' : ''}
  ${queries ? 'if (i < 3u * p.B * p.T) { set_side(p.side_places + i, bitcast<u32>(places(i / (3u * p.T) * p.places_b + i / 3u % p.T * p.places_t + i % 3u * p.places_c))); }' : ''}
  ${flags.drops ? 'if (i < 2u) { set_side(p.side_key + i, key(i * p.key_c)); }' : ''}`,
  });
});

/** The pass that gathers slopes, places and key in `side`; `from` counts operands before those of the forward op. */
export function packPass(inputs: readonly GpuView[], attrs: FlashAttrs, from: number, side: number): GpuPass {
  const all = named(inputs, attrs);
  const { B, T, H } = sizesOf(all);
  const u = (n: number | undefined): readonly ['u32', number] => ['u32', n ?? 0];
  const params: Params = {
    ...commonParams(inputs, attrs),
    position_b: u(all.position?.strides[0]),
    first_b: u(all.first?.strides[0]),
    places_b: u(all.places?.strides[0]),
    places_t: u(all.places?.strides[1]),
    places_c: u(all.places?.strides[2]),
    key_c: u(all.key?.strides[0]),
  };
  const slopes = from + 3 + Number(attrs.bias);
  const places = slopes + Number(attrs.slopes);
  const n = Math.max(B * H, attrs.places === 'queries' ? 3 * B * T : B, 2);
  return {
    shader: packShader(
      JSON.stringify({
        flags: { slopes: attrs.slopes, places: attrs.places, drops: attrs.dropout > 0 },
        side,
        params: typesOf(params),
        at: { slopes, places, key: from + inputs.length - 1 },
      }),
    ),
    params: valuesOf(params),
    workgroups: grid(n, 64),
  };
}

/** Queries that share keys, of all heads of a group. */
const sharing = ({ T, H, G }: Sizes): number => (T * H) / G;

function planForward(
  call: GpuCall<FlashAttrs>,
  limits: GpuLimits,
  form: 'direct' | 'tiled' | 'split',
): GpuPlan {
  const { inputs, outputs, attrs } = call;
  const sizes = sizesOf(named(inputs, attrs));
  const { B, S, G, V } = sizes;
  const n = sharing(sizes);
  if (B * n * G === 0) return { passes: [] };
  const packed = packs(attrs, limits.storageBuffers);
  const look = lookOf(inputs, attrs, [...inputs.slice(0, 3), outputs[0]], packed);
  const o = inputs.length;
  const at = { o, lse: o + 1, side: o + 2, parts: o + 2 + Number(packed) };
  const plain = cutOf(sizes, attrs, limits, form);
  const blocks = Math.ceil(n / (plain.split ? plain.rows : plain.rows * plain.lanes));
  const chunks = plain.split ? chunksOf(S, B * G * blocks, plain.lanes, limits) : 1;
  // One workgroup has all keys of a query: its lanes join their parts, where a barrier is no burden.
  const fits = (packed ? 7 + Number(attrs.bias) : 1 + operandsOf(attrs)) <= limits.storageBuffers;
  const cut = { ...plain, joins: plain.split && chunks === 1 && fits && !limits.software };
  const params: Params = { ...commonParams(inputs, attrs), blocks: ['u32', blocks], chunks: ['u32', chunks] };
  const scratch = packed ? [4 * sideWords(sizes, attrs.places)] : [];
  const passes: GpuPass[] = packed ? [packPass(inputs, attrs, 0, at.side)] : [];
  passes.push({
    shader: forwardShader({ look, cut, params: typesOf(params), at }),
    params: valuesOf(params),
    workgroups: grid(B * G * blocks * chunks),
  });
  if (!cut.split) return { passes, scratch };
  const parts = chunks * cut.lanes;
  const room = [...scratch, 4 * B * G * n * parts * (4 * fours(V) + 4)];
  if (cut.joins) return { passes, scratch: room };
  const joined: Params = { ...params, parts: ['u32', parts] };
  passes.push({
    shader: joinShader({ look, params: typesOf(joined), at }),
    params: valuesOf(joined),
    workgroups: grid(B * G * n * fours(V), 64),
  });
  return { passes, scratch: room };
}

/**
 * Rows of an invocation without tiles: a text holds one score for each of them and each of four others, and compilers
 * take very long over many long ones.
 */
export const rowsOf = ({ bias, dropout }: FlashAttrs): number => (bias || dropout > 0 ? 2 : 4);

function cutOf(
  sizes: Sizes,
  attrs: FlashAttrs,
  { software }: GpuLimits,
  form: 'direct' | 'tiled' | 'split',
): Omit<ForwardCut, 'joins'> {
  if (form === 'tiled') return { rows: 1, lanes: 64, keys: 4, tile: tileOf(sizes), split: false };
  const lanes = software ? 8 : 32;
  if (form === 'direct') return { rows: rowsOf(attrs), lanes, keys: 4, tile: 0, split: false };
  return { rows: Math.min(rowsOf(attrs), sharing(sizes)), lanes, keys: 4, tile: 0, split: true };
}

/** Rows of a tile of both operands: 16 KiB, at most 32. */
export function tileOf({ D, V }: Pick<Sizes, 'D' | 'V'>): number {
  return Math.min(32, 4 * Math.floor(256 / (fours(D) + fours(V))));
}

/** Whether tiles are for a call. */
export function suitsTiles({ D, V }: Sizes, { software }: GpuLimits): true | string {
  if (software) return 'barriers are dear where the adapter is a program on the CPU';
  return (D <= 128 && V <= 128) || 'a head must fit registers';
}

/** Parts of the keys for each group of lanes: enough to keep a GPU busy, long enough to be worth it. */
function chunksOf(S: number, groups: number, lanes: number, { software }: GpuLimits): number {
  const wanted = Math.ceil((software ? 8 : 128) / groups);
  return Math.max(1, Math.min(wanted, Math.floor(S / (lanes * 16)), 16));
}

/** Subgroups that a machine with many cores keeps busy, each with a tile. */
const tiles = 16;

function planLanes(call: GpuCall<FlashAttrs>, limits: GpuLimits): GpuPlan {
  const { inputs, outputs, attrs } = call;
  const sizes = sizesOf(named(inputs, attrs));
  // One operand more than others have: the tiles.
  const packed = packs(attrs, limits.storageBuffers - 1);
  const o = inputs.length;
  const at = { o, lse: o + 1, side: o + 2, tile: o + 2 + Number(packed) };
  const look = lookOf(inputs, attrs, [...inputs.slice(0, 3), outputs[0]], packed);
  const cut: LanesCut = { queries: 32, keys: 256 };
  const blocks = Math.ceil(sharing(sizes) / cut.queries);
  const groups = Math.min(sizes.B * sizes.G * blocks, tiles);
  const params: Params = {
    ...commonParams(inputs, attrs),
    blocks: ['u32', blocks],
    groups: ['u32', groups],
  };
  return {
    passes: [
      ...(packed ? [packPass(inputs, attrs, 0, at.side)] : []),
      {
        shader: forwardLanesShader({ look, cut, params: typesOf(params), at }),
        params: valuesOf(params),
        workgroups: grid(groups),
      },
    ],
    scratch: [...(packed ? [4 * sideWords(sizes, attrs.places)] : []), groups * tileBytes(cut)],
  };
}

/** Products from which on a text that takes seconds to compile pays. */
const large = 2 ** 28;

/** Whether a subgroup is a vector register of four; on subgroups of eight `direct` is as fast and compiles sooner. */
export function suitsLanes(
  sizes: Sizes,
  four: boolean,
  { software, subgroupSize }: GpuLimits,
): true | string {
  if (!software || subgroupSize !== 4) return 'is for a software adapter with subgroups of four';
  if (!four) return 'heads must be whole fours';
  const { B, G, S, D, V } = sizes;
  return B * G * sharing(sizes) * S * (D + V) >= large || 'products are few';
}

/** Variants: split for few queries, tiles for GPUs, lanes for long calls on programs on the CPU, registers everywhere. */
export const forwardKernels: GpuKernels<FlashAttrs> = {
  strided: true,
  variants: [
    {
      name: 'split',
      supports({ inputs, attrs }) {
        const sizes = sizesOf(named(inputs, attrs));
        if (sizes.S < 64) return 'keys are few';
        return (sharing(sizes) <= 16 && sharing(sizes) > 0) || 'queries are many';
      },
      plan: (call, limits) => planForward(call, limits, 'split'),
    },
    {
      name: 'tiled',
      supports: ({ inputs, attrs }, limits) => suitsTiles(sizesOf(named(inputs, attrs)), limits),
      plan: (call, limits) => planForward(call, limits, 'tiled'),
    },
    {
      name: 'lanes',
      supports: ({ inputs, outputs, attrs }, limits) =>
        suitsLanes(
          sizesOf(named(inputs, attrs)),
          lookOf(inputs, attrs, [...inputs.slice(0, 3), outputs[0]], false).four,
          limits,
        ),
      plan: planLanes,
    },
    { name: 'direct', supports: () => true, plan: (call, limits) => planForward(call, limits, 'direct') },
  ],
};
