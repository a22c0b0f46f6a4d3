// WebGPU kernels of attention over a cache: a workgroup a query, or two dispatches in which nobody waits.
import { sizeOf } from '@seq/tensor';
import type { GpuCall, GpuKernels, GpuPlan, GpuShader, GpuVariant } from '@seq/tensor/engine';
import { combineText, foldLanes, grid, mathOf, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';

/** Attributes as in `attendCachedOp`. */
interface CachedAttrs {
  readonly scale: number;
  readonly softcap: number;
  readonly ring: boolean;
  readonly alibi: boolean;
  readonly sinks: boolean;
}

interface CachedShape {
  readonly softcap: boolean;
  readonly ring: boolean;
  readonly alibi: boolean;
  readonly sinks: boolean;
  /** Four channels at once. */
  readonly four: boolean;
  /** Invocations side by side along the channels of a value, a power of two. */
  readonly across: number;
}

const WORKGROUP = 256;

const params = {
  ...Object.fromEntries('rows T H share G M D V'.split(' ').map((name) => [name, 'u32' as const])),
  scale: 'f32',
  softcap: 'f32',
} as const;

/** Inputs q, k, v, first, position, slopes, sinks as far as the call has them. */
function inputsOf({ four, alibi, sinks }: CachedShape, names: readonly string[]): Operand[] {
  const type = four ? 'f32x4' : 'f32';
  const all: Operand[] = [
    reads('q', type, 0),
    reads('k', type, 1),
    reads('v', type, 2),
    reads('first', 'i32', 3),
    reads('position', 'i32', 4),
    ...(alibi ? [reads('slope', 'f32', 5)] : []),
    ...(sinks ? [reads('sink', 'f32', alibi ? 6 : 5)] : []),
  ];
  return all.filter((o) => names.includes(o.name));
}

/** −3·10³⁸ stands for −∞: a key that is not seen. */
const lowest = '-3.0e38';

/** Functions of a query `row`, which sees the positions from … to − 1, and of a key at position j. */
function functions({ four, softcap, ring, alibi }: CachedShape, scores: boolean): string {
  return `
struct Query { b: u32, h: u32, own: i32, begin: i32, end: i32 }
fn query_of(row: u32) -> Query {
  let b = row / (p.T * p.H);
  let own = position(b) + i32(row / p.H % p.T);
  let m = i32(p.M);
  ${ring ? 'let begin = max(first(b), own + 1 - m); let end = own + 1;' : 'let begin = first(b); let end = min(own + 1, m);'}
  return Query(b, row % p.H, own, begin, end);
}
// Where the key, or value, of position j begins among heads.
fn place(s: Query, j: i32) -> u32 {
  let slot = u32(j)${ring ? ' % p.M' : ''};
  return (s.b * p.M + slot) * p.G + s.h / p.share;
}
fn ex(x: f32) -> f32 { return select(exp(max(x, -100.0)), 0.0, x < -100.0); }
${
  scores
    ? `fn score(s: Query, row: u32, j: i32) -> f32 {
  let at = place(s, j) * p.D;
  var sum = ${four ? 'vec4<f32>()' : '0.0'};
  for (var d = 0u; d < p.D; d++) { sum += q(row * p.D + d) * k(at + d); }
  var r = p.scale * ${four ? '((sum.x + sum.y) + (sum.z + sum.w))' : 'sum'};
  ${softcap ? 'r = p.softcap * m_tanh(r / p.softcap);' : ''}
  ${alibi ? 'r -= slope(s.h) * f32(s.own - j);' : ''}
  return r;
}
${softcap ? mathOf('m_tanh') : ''}`
    : ''
}`;
}

/**
 * One workgroup of 256 a query: 256 keys at a time, a softmax that is corrected as larger scores come, values summed by
 * channel. 8 KiB of workgroup memory.
 */
const together = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as CachedShape;
  const T = s.four ? 'vec4<f32>' : 'f32';
  const parts = WORKGROUP / s.across;
  const names = ['q', 'k', 'v', 'first', 'position', 'slope', 'sink'];
  const fold = { type: 'f32', lanes: WORKGROUP, slots: 1 };
  return shader({
    name: 'attention.cached/together',
    operands: [...inputsOf(s, names), writes('o', s.four ? 'f32x4' : 'f32', outputOf(s))],
    params,
    workgroup: WORKGROUP,
    declare: `${functions(s, true)}
${combineText.add('f32')}
${combineText.max('f32')}
${foldLanes({ ...fold, name: 'sum_across', combine: 'add' })}
${foldLanes({ ...fold, name: 'most_across', combine: 'largest' })}
var<workgroup> weights: array<f32, ${WORKGROUP}>;
var<workgroup> sums: array<${T}, ${WORKGROUP}>;`,
    main: `
  if (group >= p.rows) { return; }
  let s = query_of(group);
  let channel = lix % ${s.across}u;
  let part = lix / ${s.across}u;
  var most = ${s.sinks ? 'sink(s.h)' : lowest};
  var total = ${s.sinks ? '1.0' : '0.0'};
  var sum = ${T}();
  for (var start = s.begin; start < s.end; start += ${WORKGROUP}) {
    let j = start + i32(lix);
    var r = ${lowest};
    if (j < s.end) { r = score(s, group, j); }
    let next = max(most, most_across(0u, lix, r));
    let w = select(0.0, ex(r - next), j < s.end);
    weights[lix] = w;
    let more = sum_across(0u, lix, w);
    let kept = ex(most - next);
    total = total * kept + more;
    sum = sum * kept;
    most = next;
    if (channel < p.V) {
      let count = u32(min(${WORKGROUP}, s.end - start));
      for (var i = part; i < count; i += ${parts}u) {
        sum += weights[i] * v(place(s, start + i32(i)) * p.V + channel);
      }
    }
    workgroupBarrier();
  }
  sums[lix] = sum;
  workgroupBarrier();
  if (part == 0u && channel < p.V) {
    for (var i = 1u; i < ${parts}u; i++) { sum += sums[i * ${s.across}u + channel]; }
    set_o(group * p.V + channel, sum / total);
  }`,
  });
});

/** The number of the output. */
const outputOf = ({ alibi, sinks }: CachedShape): number => 5 + (alibi ? 1 : 0) + (sinks ? 1 : 0);

/** One invocation a query: weights [rows, M] and their sums [rows] to scratch memory. */
const weigh = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as CachedShape;
  const out = outputOf(s);
  return shader({
    name: 'attention.cached/weights',
    operands: [
      ...inputsOf(s, ['q', 'k', 'first', 'position', 'slope', 'sink']),
      writes('weight', 'f32', out + 1),
      writes('total', 'f32', out + 2),
    ],
    params,
    workgroup: 64,
    declare: functions(s, true),
    main: `
  if (linear >= p.rows) { return; }
  let s = query_of(linear);
  let at = linear * p.M;
  var most = ${s.sinks ? 'sink(s.h)' : lowest};
  for (var j = s.begin; j < s.end; j++) {
    let r = score(s, linear, j);
    set_weight(at + u32(j - s.begin), r);
    most = max(most, r);
  }
  var sum = ${s.sinks ? 'ex(sink(s.h) - most)' : '0.0'};
  for (var j = s.begin; j < s.end; j++) {
    let i = at + u32(j - s.begin);
    let w = ex(weight(i) - most);
    set_weight(i, w);
    sum += w;
  }
  set_total(linear, sum);`,
  });
});

/** One invocation a channel, or four, of a query: the weighted sum of the values. */
const sumUp = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as CachedShape;
  const out = outputOf(s);
  const type = s.four ? 'f32x4' : 'f32';
  return shader({
    name: 'attention.cached/values',
    operands: [
      ...inputsOf(s, ['v', 'first', 'position']),
      reads('weight', 'f32', out + 1),
      reads('total', 'f32', out + 2),
      writes('o', type, out),
    ],
    params,
    workgroup: 64,
    declare: functions(s, false),
    main: `
  if (linear >= p.rows * p.V) { return; }
  let row = linear / p.V;
  let channel = linear % p.V;
  let s = query_of(row);
  var sum = ${s.four ? 'vec4<f32>()' : '0.0'};
  for (var j = s.begin; j < s.end; j++) {
    sum += weight(row * p.M + u32(j - s.begin)) * v(place(s, j) * p.V + channel);
  }
  set_o(linear, sum / total(row));`,
  });
});

type Planner = (call: GpuCall<CachedAttrs>, four: boolean) => GpuPlan;

function prepare({ inputs: [q, k, v], attrs }: GpuCall<CachedAttrs>, four: boolean) {
  const [, T, H, D] = q.shape;
  const [, M, G, V] = v.shape;
  const per = four ? 4 : 1;
  const { softcap, ring, alibi, sinks, scale } = attrs;
  const rows = sizeOf(q.shape.slice(0, 3));
  const across = 2 ** Math.ceil(Math.log2(Math.max(1, V / per)));
  const shape: CachedShape = { softcap: softcap > 0, ring, alibi, sinks, four, across };
  const values = [rows, T, H, H / k.shape[2], G, M, D / per, V / per, scale, softcap];
  return { key: JSON.stringify(shape), values, rows, M, units: rows * (V / per) };
}

const planTogether: Planner = (call, four) => {
  const { key, values, rows, units } = prepare(call, four);
  if (units === 0) return { passes: [] };
  return { passes: [{ shader: together(key), params: values, workgroups: grid(rows) }] };
};

const planApart: Planner = (call, four) => {
  const { key, values, rows, M, units } = prepare(call, four);
  if (units === 0) return { passes: [] };
  return {
    passes: [
      { shader: weigh(key), params: values, workgroups: grid(rows, 64) },
      { shader: sumUp(key), params: values, workgroups: grid(units, 64) },
    ],
    scratch: [Math.max(4, 4 * rows * M), 4 * rows],
  };
};

function inFours({ inputs: [q, k, v], outputs: [o] }: GpuCall<CachedAttrs>): true | string {
  if (q.shape[3] % 4 !== 0 || v.shape[3] % 4 !== 0) return 'heads must be whole fours';
  return [q, k, v, o].every((x) => x.aligned % 4 === 0) || 'operands must begin at fours';
}

const variant = (name: string, plan: Planner, four: boolean): GpuVariant<CachedAttrs> => ({
  name: `${name}, ${four ? 'fours' : 'elements'}`,
  supports(call, { software, storageBuffers }) {
    const [q, , v] = call.inputs;
    if (q.dtype !== 'f32') return `queries must be f32, got ${q.dtype}`;
    if (plan === planApart) return four ? inFours(call) : true;
    if (software) return 'barriers are slow on an adapter that is a program on the CPU';
    if (v.shape[3] > WORKGROUP * (four ? 4 : 1)) return 'an invocation keeps one channel';
    if (call.inputs.length + 1 > storageBuffers) return 'too many operands';
    return four ? inFours(call) : true;
  },
  plan: (call) => plan(call, four),
});

/** Kernels of attention over a cache; operands as in `attendCachedOp`. */
export const cachedKernels: GpuKernels<CachedAttrs> = {
  variants: [
    variant('together', planTogether, true),
    variant('together', planTogether, false),
    variant('apart', planApart, true),
    variant('apart', planApart, false),
  ],
};
