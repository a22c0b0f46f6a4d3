import type { GpuCall, GpuPass, GpuShader } from '@seq/tensor/engine';
import type { conv1dOp } from '@seq/tensor/engine';
import type { Op } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../../wgsl/index.js';

export type ConvAttrs = typeof conv1dOp extends Op<infer A> ? A : never;

/**
 * How channels are taken: `four` inputs times four outputs of a group, `depthwise` four channels that do not mix, or
 * `one` by one.
 */
export type Channels = 'four' | 'depthwise' | 'one';

/** The widest way that sizes and places allow. */
export function suits(channels: Channels, { inputs, outputs, attrs }: GpuCall<ConvAttrs>): true | string {
  if (inputs.some((x) => x.dtype !== 'f32'))
    return `needs f32, got ${inputs.map((x) => x.dtype).join(' and ')}`;
  if (channels === 'one') return true;
  if ([...inputs, ...outputs].some((x) => x.aligned % 4 !== 0))
    return 'needs operands that begin at a multiple of 4';
  const { inChannels, outChannels, groups } = attrs;
  if (channels === 'depthwise') {
    const apart = groups === inChannels && groups === outChannels && groups % 4 === 0;
    return apart || 'is for as many groups as channels, in fours';
  }
  const fours = (inChannels / groups) % 4 === 0 && (outChannels / groups) % 4 === 0;
  return fours || 'needs the channels of a group in fours';
}

/** Positions of one invocation. */
const positions = { four: 8, depthwise: 4, one: 4 } as const;

const params: { readonly [name: string]: 'u32' | 'i32' } = Object.fromEntries(
  'B T T1 W Cin Cout n m stride dilation left blocks across total chunk'
    .split(' ')
    .map((name) => [name, name === 'left' ? 'i32' : 'u32']),
);

const each = (n: number, text: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => text(i)).join('\n');

/** Sums over taps: `load` reads what a tap needs at position i of the source, `zero` where there is none. */
interface Body {
  /** Channel block → what stays for all taps. */
  readonly start: string;
  /** Loops and sums for one tap; `at${i}` are rows of the source, `ok${i}` says whether they exist. */
  readonly tap: (count: number) => string;
}

const forward: Record<Channels, Body> = {
  four: {
    start: 'let g = (4u * block) / p.m * p.n;',
    tap: (count) => `for (var c = 0u; c < p.n; c += 4u) {
let w_at = ((j * p.n + c) * p.Cout / 4u) + block;
let w0 = w(w_at); let w1 = w(w_at + (p.Cout / 4u)); let w2 = w(w_at + 2u * (p.Cout / 4u)); let w3 = w(w_at + 3u * (p.Cout / 4u));
${each(count, (i) => `{ let v = select(vec4<f32>(), x((at${i} * p.Cin + g + c) / 4u), ok${i}); sum${i} += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3; }`)}
}`,
  },
  depthwise: {
    start: '',
    tap: (count) => `let wj = w((j * p.Cout / 4u) + block);
${each(count, (i) => `sum${i} += select(vec4<f32>(), x((at${i} * p.Cin / 4u) + block), ok${i}) * wj;`)}`,
  },
  one: {
    start: 'let g = block / p.m * p.n;',
    tap: (count) => `for (var c = 0u; c < p.n; c++) {
let wj = w((j * p.n + c) * p.Cout + block);
${each(count, (i) => `sum${i} += select(0f, x(at${i} * p.Cin + g + c), ok${i}) * wj;`)}
}`,
  },
};

const backward: Record<Channels, Body> = {
  four: {
    start: 'let g = (4u * block) / p.n; let c = (4u * block) % p.n;',
    tap: (count) => `for (var o = g * p.m; o < (g + 1u) * p.m; o += 4u) {
let w_at = ((j * p.n + c) * p.Cout + o) / 4u;
let w0 = w(w_at); let w1 = w(w_at + (p.Cout / 4u)); let w2 = w(w_at + 2u * (p.Cout / 4u)); let w3 = w(w_at + 3u * (p.Cout / 4u));
${each(count, (i) => `{ let v = select(vec4<f32>(), x((at${i} * p.Cout + o) / 4u), ok${i}); sum${i} += vec4<f32>(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3)); }`)}
}`,
  },
  depthwise: forward.depthwise,
  one: {
    start: 'let g = block / p.n; let c = block % p.n;',
    tap: (count) => `for (var o = g * p.m; o < (g + 1u) * p.m; o++) {
let wj = w((j * p.n + c) * p.Cout + o);
${each(count, (i) => `sum${i} += select(0f, x(at${i} * p.Cout + o), ok${i}) * wj;`)}
}`,
  },
};

/** Row of x under tap j at position t of y, and the other way round. */
const sources = {
  forward: (i: number): string => `let q${i} = i32((t0 + ${i}u) * p.stride + j * p.dilation) - p.left;
let ok${i} = q${i} >= 0 && q${i} < i32(p.T);
let at${i} = b * p.T + u32(max(0, min(q${i}, i32(p.T) - 1)));`,
  backward: (i: number): string => `let q${i} = i32(t0 + ${i}u) + p.left - i32(j * p.dilation);
let u${i} = u32(max(q${i}, 0)) / p.stride;
let ok${i} = q${i} >= 0 && u${i} * p.stride == u32(q${i}) && u${i} < p.T1;
let at${i} = b * p.T1 + min(u${i}, max(p.T1, 1u) - 1u);`,
};

const slides = /* @__PURE__ */ memo((key): GpuShader => {
  const [direction, channels] = key.split(' ') as ['forward' | 'backward', Channels];
  const type = channels === 'one' ? 'f32' : 'f32x4';
  const count = positions[channels];
  const { start, tap } = (direction === 'forward' ? forward : backward)[channels];
  const length = direction === 'forward' ? 'p.T1' : 'p.T';
  return shader({
    name: `conv1d/${direction}/${channels}`,
    operands: [reads('x', type, 0), reads('w', type, 1), writes('y', type, 2)],
    params,
    workgroup: 64,
    main: `if (linear >= p.total) { return; }
let block = linear % p.blocks;
let t0 = linear / p.blocks % p.across * ${count}u;
let b = linear / (p.blocks * p.across);
${start}
${each(count, (i) => `var sum${i} = ${channels === 'one' ? '0f' : 'vec4<f32>()'};`)}
for (var j = 0u; j < p.W; j++) {
${each(count, sources[direction])}
${tap(count)}
}
${each(count, (i) => `if (t0 + ${i}u < ${length}) { set_y((b * ${length} + t0 + ${i}u) * p.blocks + block, sum${i}); }`)}`,
  });
});

function valuesOf(
  a: ConvAttrs,
  B: number,
  rest: readonly [blocks: number, across: number, total: number, chunk: number],
): number[] {
  const { inLength, outLength, width, inChannels, outChannels, groups, stride, dilation, left } = a;
  const sizes = [
    B,
    inLength,
    outLength,
    width,
    inChannels,
    outChannels,
    inChannels / groups,
    outChannels / groups,
  ];
  return [...sizes, stride, dilation, left, ...rest];
}

/** y from x and w (forward), or dx from dy and w (backward): some positions × one block of channels an invocation. */
export function slidePass(
  direction: 'forward' | 'backward',
  channels: Channels,
  a: ConvAttrs,
  B: number,
): GpuPass {
  const C = direction === 'forward' ? a.outChannels : a.inChannels;
  const blocks = channels === 'one' ? C : C / 4;
  const across = Math.ceil((direction === 'forward' ? a.outLength : a.inLength) / positions[channels]);
  const total = blocks * across * B;
  const params = valuesOf(a, B, [blocks, across, total, 0]);
  return { shader: slides(`${direction} ${channels}`), params, workgroups: grid(total, 64) };
}

const weightBodies: Record<Channels, { split: string; sums: string; add: string; store: string }> = {
  four: {
    split:
      'let o4 = item % (p.Cout / 4u); let c = item / (p.Cout / 4u) % (p.n / 4u) * 4u; let j = item / ((p.Cout / 4u) * (p.n / 4u)); let g = 4u * o4 / p.m * p.n;',
    sums: each(4, (q) => `var sum${q} = vec4<f32>();`),
    add: `let v = x((at * p.Cin + g + c) / 4u); let d = dy((r * p.Cout / 4u) + o4);
${each(4, (q) => `sum${q} += v[${q}] * d;`)}`,
    store: each(4, (q) => `set_dw(first + ((j * p.n + c + ${q}u) * p.Cout / 4u) + o4, sum${q});`),
  },
  depthwise: {
    split: 'let o4 = item % (p.Cout / 4u); let j = item / (p.Cout / 4u);',
    sums: 'var sum = vec4<f32>();',
    add: 'sum += x((at * p.Cin / 4u) + o4) * dy((r * p.Cout / 4u) + o4);',
    store: 'set_dw(first + item, sum);',
  },
  one: {
    split:
      'let o = item % p.Cout; let c = item / p.Cout % p.n; let j = item / (p.Cout * p.n); let g = o / p.m * p.n;',
    sums: 'var sum = 0f;',
    add: 'sum += x(at * p.Cin + g + c) * dy(r * p.Cout + o);',
    store: 'set_dw(first + item, sum);',
  },
};

const weights = /* @__PURE__ */ memo((key): GpuShader => {
  const [channels, to] = key.split(' ') as [Channels, string];
  const type = channels === 'one' ? 'f32' : 'f32x4';
  const { split, sums, add, store } = weightBodies[channels];
  return shader({
    name: `conv1d/weight/${channels}`,
    operands: [reads('x', type, 0), reads('dy', type, 1), writes('dw', type, Number(to))],
    params,
    workgroup: 64,
    main: `if (linear >= p.total) { return; }
let item = linear % p.blocks;
let slice = linear / p.blocks;
${split}
let first = slice * (p.W * p.n * p.Cout${channels === 'one' ? '' : ' / 4u'});
${sums}
let end = min(p.B * p.T1, (slice + 1u) * p.chunk);
var b = slice * p.chunk / max(p.T1, 1u);
var t = slice * p.chunk % max(p.T1, 1u);
for (var r = slice * p.chunk; r < end; r++) {
let q = i32(t * p.stride + j * p.dilation) - p.left;
if (q >= 0 && q < i32(p.T)) {
let at = b * p.T + u32(q);
${add}
}
t++;
if (t == p.T1) { t = 0u; b++; }
}
${store}`,
  });
});

/** Sums over `chunk` rows each of dw [W, Cin/groups, Cout]; operand `to` holds a block of that size for each part. */
export function weightPass(
  channels: Channels,
  a: ConvAttrs,
  B: number,
  slices: number,
  chunk: number,
  to: number,
): GpuPass {
  const blocks = weightItems(channels, a);
  const params = valuesOf(a, B, [blocks, 0, blocks * slices, chunk]);
  return { shader: weights(`${channels} ${to}`), params, workgroups: grid(blocks * slices, 64) };
}

/** Invocations for one part of the rows. */
export function weightItems(
  channels: Channels,
  { width, inChannels, outChannels, groups }: ConvAttrs,
): number {
  const size = (width * inChannels * outChannels) / groups;
  return channels === 'four' ? size / 16 : channels === 'depthwise' ? size / 4 : size;
}
