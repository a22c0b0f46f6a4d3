import type {
  GpuCall,
  GpuKernels,
  GpuLimits,
  GpuPass,
  GpuPlan,
  GpuShader,
  GpuVariant,
} from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../wgsl/index.js';
import type { Operand } from '../wgsl/index.js';
import { laneLoop, rowFunctions, rowParams, rowPlace, statsText } from './row-text.js';
import type { RowShares } from './row-text.js';

/** Kernels of rows: what is made of the largest element and Σ exp(x − it), or of Σ y g. */
export type RowKind = 'softmax' | 'logSoftmax' | 'logSumExp' | 'softmaxGrad';

/**
 * How a row is worked on: kept in registers; read twice; kept in the results between two sums (one invocation a row);
 * or by several workgroups, of which each leaves its sums and then finishes its part.
 */
type Form = 'registers' | 'twice' | 'stored' | 'partial' | 'finish';

interface RowShape extends RowShares {
  readonly kind: RowKind;
  readonly form: Form;
  /** Elements, or fours, that a lane keeps. */
  readonly registers: number;
  readonly alias: readonly number[];
}

const nan = 'float_of(0x7fc00000u)';

/** What is written for element v of a row whose `key` and `sum` are known. */
const finishText: { readonly [K in Exclude<RowKind, 'softmaxGrad'>]: string } = {
  softmax: `let poison = key >= 0x7f800000;
  let r = select(0.0, 1.0 / max(sum, 1.0), sum > 0.0);`,
  logSoftmax: `let poison = key >= 0x7f800000;
  let r = log(max(sum, 1.0));`,
  logSumExp: `let whole = select(largest_of(key) + log(max(sum, 1.0)), float_of(0xff800000u), sum == 0.0);
  let result = select(whole, bitcast<f32>(key), key >= 0x7f800000);`,
};

function valueText(kind: RowKind, v: string): string {
  if (kind === 'softmax') return `select(ex(${v} - largest_of(key)) * r, T(${nan}), poison)`;
  return `select(select((${v} - largest_of(key)) - r, T(float_of(0xff800000u)),
      bitcast<U>(${v}) == U(0xff800000u)), T(${nan}), poison)`;
}

function operandsOf({ kind, form, four }: RowShape): Operand[] {
  const type = four ? 'f32x4' : 'f32';
  const grad = kind === 'softmaxGrad';
  const inputs = grad ? [reads('x', type, 0), reads('g', type, 1)] : [reads('x', type, 0)];
  const out = inputs.length;
  const result = writes('o', kind === 'logSumExp' ? 'f32' : type, out);
  const [keys, sums] = grad ? [[], out + 1] : [[out + 1], out + 2];
  if (form === 'partial')
    return [...inputs, ...keys.map((k) => writes('keys', 'i32', k)), writes('sums', 'f32', sums)];
  if (form !== 'finish') return [...inputs, result];
  const parts = [...keys.map((k) => reads('keys', 'i32', k)), reads('sums', 'f32', sums)];
  return kind === 'logSumExp' ? [...parts, result] : [...inputs, ...parts, result];
}

/** Declares `sum` = Σ x g over the elements of a lane, folded. */
function dotText(lanes: number): string {
  return `
  var s = T(0.0);
  if (live) ${laneLoop(
    lanes,
    ([a, b, c, d]) =>
      `s += (x(base + ${a}) * g(base + ${a}) + x(base + ${b}) * g(base + ${b}))
      + (x(base + ${c}) * g(base + ${c}) + x(base + ${d}) * g(base + ${d}));`,
    (j) => `s += x(base + ${j}) * g(base + ${j});`,
  )}
  let sum = sum_across(slot, lane, over_sum(s));`;
}

/** Reads what the workgroups of the row left, and folds it like elements. */
function partsText(kind: RowKind, lanes: number): string {
  if (kind === 'softmaxGrad') {
    return `
  var parts = 0.0;
  if (live) { for (var k = lane; k < p.splits; k += ${lanes}u) { parts += sums(row * p.splits + k); } }
  let sum = sum_across(slot, lane, parts);`;
  }
  return `
  var most = ordered(bitcast<u32>(lowest));
  if (live) { for (var k = lane; k < p.splits; k += ${lanes}u) { most = max(most, keys(row * p.splits + k)); } }
  let key = largest_across(slot, lane, most);
  var parts = 0.0;
  if (live) {
    for (var k = lane; k < p.splits; k += ${lanes}u) {
      let at = row * p.splits + k;
      parts += sums(at) * ex1(largest_of(keys(at)) - largest_of(key));
    }
  }
  let sum = sum_across(slot, lane, parts);`;
}

/** Writes the results of a lane once `key` and `sum` are known. */
function writeText(kind: RowKind, lanes: number): string {
  if (kind === 'logSumExp') {
    return `
  ${finishText.logSumExp}
  if (live && split == 0u && lane == 0u) { set_o(row, result); }`;
  }
  const [before, value] =
    kind === 'softmaxGrad'
      ? ['', 'x(base + j) * (g(base + j) - T(sum))']
      : [finishText[kind], valueText(kind, 'v')];
  const load = kind === 'softmaxGrad' ? '' : 'let v = x(base + j); ';
  return `
  ${before}
  if (live) { for (var j = first + lane; j < last; j += ${lanes}u) { ${load}set_o(base + j, ${value}); } }`;
}

/** The row stays in registers between reading and writing; elements beyond its end count as −∞, or 0. */
function registersText({ kind, lanes, registers }: RowShape): string {
  const each = (f: (k: number, at: string) => string): string =>
    Array.from({ length: registers }, (_, k) => f(k, `lane + ${k * lanes}u`)).join('\n  ');
  if (kind === 'softmaxGrad') {
    return `
  var s = T(0.0);
  ${each(
    (k, at) => `var x${k} = T(0.0); var g${k} = T(0.0);
  if (live && ${at} < last) { x${k} = x(base + ${at}); g${k} = g(base + ${at}); s += x${k} * g${k}; }`,
  )}
  let sum = sum_across(slot, lane, over_sum(s));
  ${each((k, at) => `if (live && ${at} < last) { set_o(base + ${at}, x${k} * (g${k} - T(sum))); }`)}`;
  }
  const write =
    kind === 'logSumExp'
      ? writeText(kind, lanes)
      : `
  ${finishText[kind]}
  ${each((k, at) => {
    const value = kind === 'softmax' ? `select(e${k} * r, T(${nan}), poison)` : valueText(kind, `v${k}`);
    return `if (live && ${at} < last) { set_o(base + ${at}, ${value}); }`;
  })}`;
  return `
  var m = T(lowest);
  var top = U(0u);
  ${each(
    (k, at) => `var v${k} = T(float_of(0xff800000u));
  if (live && ${at} < last) { v${k} = x(base + ${at}); top = max(top, magnitude(v${k})); m = max(m, v${k}); }`,
  )}
  let key = largest_across(slot, lane, key_of(over_max(m), over_top(top)));
  var s = T(0.0);
  ${each((k) => `let e${k} = ex(v${k} - largest_of(key)); s += e${k};`)}
  let sum = sum_across(slot, lane, over_sum(s));${write}`;
}

/** One invocation a row: every exponential is computed once and waits among the results. */
const storedText = `
  var m = T(lowest);
  var top = U(0u);
  var s = T(0.0);
  if (live) {
    for (var j = 0u; j < last; j++) { let v = x(base + j); m = max(m, v); top = max(top, magnitude(v)); }
    let key = key_of(over_max(m), over_top(top));
    let shift = T(largest_of(key));
    for (var j = 0u; j < last; j++) { let e = ex(x(base + j) - shift); set_o(base + j, e); s += e; }
    let sum = over_sum(s);
    ${finishText.softmax}
    let factor = T(select(r, ${nan}, poison));
    for (var j = 0u; j < last; j++) { set_o(base + j, o(base + j) * factor); }
  }`;

function bodyText(s: RowShape): string {
  const { kind, form, lanes } = s;
  if (form === 'registers') return registersText(s);
  if (form === 'stored') return storedText;
  if (form === 'finish') return partsText(kind, lanes) + writeText(kind, lanes);
  const stats = kind === 'softmaxGrad' ? dotText(lanes) : statsText(lanes, 'live');
  if (form === 'twice') return stats + writeText(kind, lanes);
  const keep = kind === 'softmaxGrad' ? '' : 'set_keys(unit, key); ';
  return `${stats}
  if (live && lane == 0u) { ${keep}set_sums(unit, sum); }`;
}

const rowShader = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as RowShape;
  return shader({
    name: `${s.kind}/${s.form}`,
    operands: operandsOf(s),
    params: rowParams,
    workgroup: s.lanes * s.slots,
    alias: s.form === 'partial' ? [] : s.alias,
    declare: rowFunctions(s),
    main: rowPlace(s) + bodyText(s),
  });
});

/** How rows of n elements or fours are shared out. */
function sharesOf(kind: RowKind, rows: number, n: number, four: boolean, software: boolean) {
  if (software) {
    // Programs on the CPU wait long at barriers: an invocation takes a whole row, or a part of one when rows are few.
    const splits = rows >= 16 ? 1 : Math.min(32, Math.ceil(n / 256));
    const form: Form = splits > 1 ? 'partial' : kind === 'softmax' ? 'stored' : 'twice';
    return { form, lanes: 1, slots: 16, registers: 0, splits };
  }
  const lanes = n <= 128 ? 32 : 256;
  const slots = 256 / lanes;
  const registers = 2 ** Math.ceil(Math.log2(Math.max(1, n / lanes)));
  if (registers <= (four ? 4 : 16)) return { form: 'registers' as Form, lanes, slots, registers, splits: 1 };
  // Rows so few that the others of the device would idle, or so long that one workgroup would take long.
  const splits = rows < 256 || n > 65_536 ? Math.min(256, Math.ceil(n / 4096)) : 1;
  return { form: (splits > 1 ? 'partial' : 'twice') as Form, lanes, slots, registers: 0, splits };
}

function planRow(kind: RowKind, call: GpuCall<null>, limits: GpuLimits, four: boolean): GpuPlan {
  const { shape } = call.inputs[0];
  const length = shape[shape.length - 1];
  const rows = sizeOf(shape.slice(0, -1));
  if (sizeOf(call.outputs[0].shape) === 0) return { passes: [] };
  const n = four ? length / 4 : length;
  const { form, lanes, slots, registers, splits } = sharesOf(kind, rows, n, four, limits.software);
  const chunk = Math.ceil(n / splits);
  const pass = (form: Form): GpuPass => {
    const shape: RowShape = { kind, form, lanes, slots, four, registers, alias: call.alias };
    return {
      shader: rowShader(JSON.stringify(shape)),
      params: [rows, n, chunk, splits],
      workgroups: grid(rows * splits, slots),
    };
  };
  if (form !== 'partial') return { passes: [pass(form)] };
  const bytes = 4 * rows * splits;
  return {
    passes: [pass('partial'), pass('finish')],
    scratch: kind === 'softmaxGrad' ? [bytes] : [bytes, bytes],
  };
}

/** Whether rows are whole fours that begin at fours. */
export function fourRows({ inputs, outputs }: GpuCall<unknown>, operands: number): true | string {
  if (inputs[0].shape.at(-1)! % 4 !== 0) return 'rows must be whole fours';
  const views = [...inputs.slice(0, operands), ...outputs];
  return views.every((v) => v.aligned % 4 === 0) || 'rows must begin at fours';
}

/** Kernels of rows of one kind; `inplace` is the input whose memory the results may take. */
export function rowKernels(kind: RowKind, inplace?: number): GpuKernels<null> {
  const operands = kind === 'softmaxGrad' ? 2 : 1;
  const variant = (name: string, four: boolean): GpuVariant<null> => ({
    name,
    supports: (call) => !four || fourRows(call, operands),
    plan: (call, limits) => planRow(kind, call, limits, four),
  });
  const kernels = { variants: [variant('fours', true), variant('elements', false)] };
  return inplace === undefined ? kernels : { ...kernels, inplace: [[0, inplace]] };
}
