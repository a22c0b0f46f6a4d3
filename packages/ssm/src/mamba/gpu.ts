import { sizeOf } from '@seq/tensor';
import type { GpuCall, GpuKernels, GpuLimits, GpuPass, GpuPlan } from '@seq/tensor/engine';
import { grid } from '@seq/webgpu-kernels/wgsl';
import { operandsOf, scanSizes } from './shape.js';
import type { ScanAttrs, ScanOperands, ScanSizes } from './shape.js';
import { foldShader, packShader, paramNames, scanShader } from './wgsl.js';
import { channelSlots } from './wgsl-bodies.js';
import type { TextShape } from './wgsl-bodies.js';

/** Channels of a block: their sums for B and C take 2 N / 32 numbers a channel and position. */
const blockChannels = 32;
/** Private arrays of all kernels stay below 8 KiB. */
const mostStates = 128;

interface Setting extends ScanSizes {
  readonly text: TextShape;
  /** Which operand each input is. */
  readonly input: ScanOperands<number>;
  readonly params: Record<string, number>;
  readonly pack: GpuPass;
  readonly smallBytes: number;
  readonly workBytes: number;
}

/** What all passes of a call share; `small` and `work` are the operands that come first behind the outputs. */
function settingOf({ inputs, outputs, attrs }: GpuCall<ScanAttrs>): Setting {
  const sizes = scanSizes(inputs);
  const { B, T, C, N, G, L, K, varB, varC } = sizes;
  const text = { N, L, varB, varC, ...attrs };
  const input = operandsOf([...inputs.keys()], attrs);
  const small = inputs.length + outputs.length;
  const parts = (['A', 'D', 'bias', 'Bs', 'Cs'] as const).flatMap((name) => {
    const operand = input[name];
    return operand === undefined ? [] : [{ name, operand, size: sizeOf(inputs[operand].shape) }];
  });
  const offsets: Record<string, number> = {};
  let smallSize = 0;
  for (const { name, size } of parts) {
    offsets[name] = smallSize;
    smallSize += size;
  }
  const R = Math.min(blockChannels, C / G);
  const perGroup = Math.ceil(C / G / R);
  const blocks = G * perGroup;
  const oSteps = B * K * C * N;
  const oChannel = oSteps + B * K * C;
  const oSumB = oChannel + B * K * C * channelSlots(text).all;
  const oSumC = oSumB + (varB ? B * T * blocks * N : 0);
  const params = {
    T,
    C,
    G,
    K,
    oD: offsets['D'] ?? 0,
    oBias: offsets['bias'] ?? 0,
    oB: offsets['Bs'],
    oC: offsets['Cs'],
    oSteps,
    oChannel,
    oSumB,
    oSumC,
    blocks,
    perGroup,
    R,
  };
  const bound = [...parts.map(({ name, operand }) => ({ name, operand })), { name: 'small', operand: small }];
  const pack = {
    shader: packShader(JSON.stringify(bound)),
    params: parts.map(({ size }) => size),
    workgroups: grid(smallSize, 64),
  };
  const workBytes = 4 * (oSumC + (varC ? B * T * blocks * N : 0));
  return { ...sizes, text, input, params, pack, smallBytes: 4 * smallSize, workBytes };
}

function passOf(
  { text, params }: Setting,
  name: string,
  count: number,
  operands: Record<string, number>,
): GpuPass {
  return {
    shader: scanShader(name, text, operands),
    params: paramNames.map((p) => (p === 'count' ? count : params[p])),
    workgroups: grid(count, 64),
  };
}

/** Operands by name, those of optional inputs left out. */
function present(all: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(Object.entries(all).filter((e): e is [string, number] => e[1] !== undefined));
}

function forward(call: GpuCall<ScanAttrs>, whole: boolean): GpuPlan {
  const s = settingOf(call);
  const { B, T, C, N, K, input } = s;
  if (B * C * N === 0) return { passes: [] };
  const n = call.inputs.length;
  const [y, last, starts, small, work] = [n, n + 1, n + 2, n + 3, n + 4];
  const { u, delta, h0, z } = input;
  if (whole) {
    const operands = present({ u, delta, small, h0, z, y, last, 'starts!': starts });
    return { passes: [s.pack, passOf(s, 'rows', B * C, operands)], scratch: [s.smallBytes] };
  }
  const parts = B * K * C;
  const passes = [
    s.pack,
    passOf(s, 'sums', parts, { u, delta, small, 'work!': work }),
    passOf(s, 'carries', B * C * N, { small, work, h0, 'starts!': starts, last }),
    ...(T === 0 ? [] : [passOf(s, 'chunks', parts, present({ u, delta, small, starts, z, y }))]),
  ];
  return { passes, scratch: [s.smallBytes, 4 * parts * (N + 1)] };
}

function backward(call: GpuCall<ScanAttrs>): GpuPlan {
  const { inputs, outputs, attrs } = call;
  const s = settingOf(call);
  const { B, T, C, N, K, G, varB, varC, input } = s;
  const n = inputs.length;
  const to = operandsOf(
    [...outputs.keys()].map((i) => n + i),
    attrs,
  );
  const [small, work] = [n + outputs.length, n + outputs.length + 1];
  const [dy, dlast, starts] = input.rest;
  const { u, delta, z } = input;
  const { blocks, perGroup, oChannel, oSumB, oSumC } = s.params;
  const slots = channelSlots(s.text);
  const gradient: Record<string, number> = z === undefined ? { dy } : { dz: to.z! };
  const fold = (y: number, [count, width, row, base, stride, terms]: number[]): GpuPass => ({
    shader: foldShader(JSON.stringify([work, y])),
    params: [count, width, row, base, stride, terms],
    workgroups: grid(count, 64),
  });
  const overChunks = (y: number, width: number, slot: number): GpuPass =>
    fold(y, [C * width, width, slots.all, oChannel + slot, C * slots.all, B * K]);
  const overBlocks = (y: number, base: number): GpuPass =>
    fold(y, [B * T * G * N, N, perGroup * N, base, N, perGroup]);
  const passes = [
    s.pack,
    ...(z === undefined ? [] : [passOf(s, 'gate', B * T * C, { dy, z, du: to.u, dz: to.z! })]),
    passOf(s, 'backSums', B * K * C, {
      delta,
      small,
      ...(z === undefined ? { dy } : { du: to.u }),
      'work!': work,
    }),
    passOf(s, 'backCarries', B * C * N, { small, dlast, 'work!': work, dh0: to.h0 }),
    passOf(s, 'gradients', B * K * blocks, {
      u,
      delta,
      small,
      starts,
      ...gradient,
      'work!': work,
      du: to.u,
      ddelta: to.delta,
    }),
    overChunks(to.A, N, 0),
    varB ? overBlocks(to.Bs, oSumB) : overChunks(to.Bs, N, slots.B),
    varC ? overBlocks(to.Cs, oSumC) : overChunks(to.Cs, N, slots.C),
    ...(to.D === undefined ? [] : [overChunks(to.D, 1, slots.D)]),
    ...(to.bias === undefined ? [] : [overChunks(to.bias, 1, slots.bias)]),
  ];
  return { passes: passes.filter((p) => p.workgroups[0] > 0), scratch: [s.smallBytes, s.workBytes] };
}

function fits({ inputs }: GpuCall<ScanAttrs>): true | string {
  if (inputs[0].dtype !== 'f32') return 'computes f32 only';
  return inputs[2].shape[1] <= mostStates || `keeps at most ${mostStates} states of a channel in registers`;
}

/** True when channels alone keep a device busy, so that no chunk need be read twice. */
function manyRows({ inputs: [u] }: GpuCall<ScanAttrs>, { software }: GpuLimits): boolean {
  const rows = u.shape[0] * u.shape[2];
  return software ? rows >= 4 : rows >= 16_384;
}

/** Forward: one pass where there are many channels; else chunks from nothing, their states, chunks again. */
export const forwardKernels: GpuKernels<ScanAttrs> = {
  variants: [
    {
      name: 'rows',
      supports: (call, limits) => (manyRows(call, limits) ? fits(call) : 'too few channels'),
      plan: (call) => forward(call, true),
    },
    { name: 'chunks', supports: fits, plan: (call) => forward(call, false) },
  ],
};

/** Backward: chunks against time from nothing, what comes to each from behind, gradients, sums over chunks and blocks. */
export const backwardKernels: GpuKernels<ScanAttrs> = {
  variants: [{ name: 'chunks', supports: fits, plan: backward }],
};
