import { IndexError } from '@seq/tensor';
import type { crossEntropyOp } from '@seq/tensor/engine';
import type {
  GpuCall,
  GpuKernels,
  GpuLimits,
  GpuPass,
  GpuPlan,
  GpuShader,
  GpuVariant,
  Op,
} from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../wgsl/index.js';
import { planFold } from './fold.js';
import { laneLoop, rowFunctions, rowParams, rowPlace, statsText } from './row-text.js';
import type { RowShares } from './row-text.js';
import { fourRows } from './softmax.js';

type LossAttrs = typeof crossEntropyOp extends Op<infer A> ? A : never;

interface LossShape extends RowShares {
  readonly weighted: boolean;
  readonly smooth: boolean;
  readonly none: boolean;
  readonly mean: boolean;
  readonly alias: readonly number[];
}

const lossParams = { ...rowParams, ignore: 'i32', ignores: 'u32', eps: 'f32', share: 'f32' } as const;

/** Declares the target `y` of the row and whether it `counts`; reports it when it is no class. */
const targetText = `
  let y = select(-1, target_of(min(row, p.rows - 1u)), live);
  let ignored = p.ignores == 1u && y == p.ignore;
  let bad = y < 0 || u32(y) >= p.classes;
  if (live && bad && !ignored && lane == 0u) { report(row); }
  let counts = live && !bad && !ignored;
  let target_class = select(u32(y), 0u, bad);`;

const weightText = (weighted: boolean): string =>
  `fn weight_of(c: u32) -> f32 { return ${weighted ? 'weight(c)' : '1.0'}; }`;

/** Weights of the classes of element j, which is one class or four. */
const weightsText = ({ weighted, four }: LossShape): string =>
  weighted && four
    ? 'fn weights_of(j: u32) -> T { return T(weight(4u * j), weight(4u * j + 1u), weight(4u * j + 2u), weight(4u * j + 3u)); }'
    : `fn weights_of(j: u32) -> T { return T(${weighted ? 'weight(j)' : '1.0'}); }`;

/** One class of a row of logits. */
const classText = ({ four }: LossShape): string =>
  `fn logit(base: u32, c: u32) -> f32 { ${four ? 'let v = x(base + c / 4u); return v[c % 4u];' : 'return x(base + c);'} }`;

/**
 * The loss of a row. The maximum is subtracted first, so that equal large logits cancel exactly; −∞ has probability 0
 * and the surprise +∞. Losses go to the output, or with the weights of the targets to scratch memory [2, N].
 */
const lossShader = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as LossShape;
  const inputs = s.weighted ? 3 : 2;
  const smooth = `
  var spread = T(0.0);
  if (counts) ${laneLoop(
    s.lanes,
    (js) => js.map((j) => `spread += spread_of(${j}, x(base + ${j}), shift, log_sum);`).join('\n    '),
    (j) => `spread += spread_of(${j}, x(base + ${j}), shift, log_sum);`,
  )}
  let whole = sum_across(slot, lane, over_sum(spread));`;
  const store = s.none
    ? 'set_loss(row, select(0.0, value, counts));'
    : `set_loss(row, select(0.0, value, counts));
    ${s.mean ? 'set_loss(p.rows + row, select(0.0, wy, counts));' : ''}`;
  return shader({
    name: 'crossEntropy/rows',
    operands: [
      reads('x', s.four ? 'f32x4' : 'f32', 0),
      reads('target_of', 'i32', 1),
      ...(s.weighted ? [reads('weight', 'f32', 2)] : []),
      writes('loss', 'f32', s.none ? inputs : inputs + 1),
    ],
    params: { ...lossParams, classes: 'u32' },
    workgroup: s.lanes * s.slots,
    reports: true,
    declare: `${rowFunctions(s)}
${weightText(s.weighted)}
${weightsText(s)}
${classText(s)}
fn is_masked(v: f32) -> bool { return bitcast<u32>(v) == 0xff800000u; }
fn surprise(v: f32, shift: f32, log_sum: f32) -> f32 {
  return select((shift - v) + log_sum, float_of(0x7f800000u), is_masked(v));
}
fn spread_of(j: u32, v: T, shift: f32, log_sum: f32) -> T {
  let w = weights_of(j);
  let n = select((T(shift) - v) + T(log_sum), T(float_of(0x7f800000u)), bitcast<U>(v) == U(0xff800000u));
  return select(w * n, T(0.0), w == T(0.0));
}`,
    main: `${rowPlace(s)}${targetText}${statsText(s.lanes, 'counts')}
  let shift = largest_of(key);
  // NaN where the row has NaN or +∞, or nothing but −∞.
  let log_sum = select(log(max(sum, 1.0)), float_of(0x7fc00000u), key >= 0x7f800000 || sum == 0.0);${s.smooth ? smooth : ''}
  if (live && lane == 0u) {
    let wy = weight_of(target_class);
    var value = wy * surprise(logit(base, target_class), shift, log_sum);
    ${s.smooth ? 'value = (1.0 - p.eps) * value + p.share * whole;' : ''}
    ${store}
  }`,
  });
});

/** Σ losses / Σ weights; NaN when no target counts. */
const divideShader = /* @__PURE__ */ memo((key): GpuShader => {
  const [from, to] = JSON.parse(key) as [number, number];
  return shader({
    name: 'crossEntropy/mean',
    operands: [reads('sums', 'f32', from), writes('loss', 'f32', to)],
    workgroup: 1,
    declare: 'fn none(bits: u32) -> f32 { var b = bits; return bitcast<f32>(b); }',
    main: `let total = sums(0u);
  let weight = sums(1u);
  set_loss(0u, select(total / weight, none(0x7fc00000u), weight == 0.0 && total == 0.0));`,
  });
});

/** Weights of the targets that count. */
const weightShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { weighted, to } = JSON.parse(key) as { weighted: boolean; to: number };
  return shader({
    name: 'crossEntropyGrad/weights',
    operands: [
      reads('target_of', 'i32', 1),
      ...(weighted ? [reads('weight', 'f32', 3)] : []),
      writes('weights', 'f32', to),
    ],
    params: { rows: 'u32', ignore: 'i32', ignores: 'u32', classes: 'u32' },
    workgroup: 64,
    declare: weightText(weighted),
    main: `if (linear >= p.rows) { return; }
  let y = target_of(linear);
  let counts = y >= 0 && u32(y) < p.classes && !(p.ignores == 1u && y == p.ignore);
  var w = 0.0;
  if (counts) { w = weight_of(u32(y)); }
  set_weights(linear, w);`,
  });
});

/** Scratch of the gradient: weights [N], their sum, the sum of all class weights, and what folds need. */
const scratchOfGrad = { weights: 0, total: 1, classes: 2, fold: 3 } as const;

/** scale · (softmax · ((1 − ε) w_y + ε/V Σ w) − ε/V w − [c = y] (1 − ε) w_y); 0 where the target is ignored. */
const gradShader = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as LossShape;
  const inputs = s.weighted ? 4 : 3;
  const scratch = inputs + 1;
  const type = s.four ? 'f32x4' : 'f32';
  const summed = s.smooth && s.weighted;
  return shader({
    name: 'crossEntropyGrad/rows',
    operands: [
      reads('x', type, 0),
      reads('target_of', 'i32', 1),
      reads('g', 'f32', 2),
      ...(s.weighted ? [reads('weight', 'f32', 3)] : []),
      writes('d', type, inputs),
      ...(s.mean ? [reads('total', 'f32', scratch + scratchOfGrad.total)] : []),
      ...(summed ? [reads('classes', 'f32', scratch + scratchOfGrad.classes)] : []),
    ],
    params: { ...lossParams, classes: 'u32' },
    workgroup: s.lanes * s.slots,
    reports: true,
    alias: s.alias,
    declare: `${rowFunctions(s)}
${weightText(s.weighted)}
${weightsText(s)}
fn places(j: u32) -> U { return ${s.four ? 'U(4u * j) + U(0u, 1u, 2u, 3u)' : 'j'}; }`,
    main: `${rowPlace(s)}${targetText}${statsText(s.lanes, 'counts')}
  let shift = T(largest_of(key));
  var scale = 0.0;
  var wy = 0.0;
  var pull = 0.0;
  if (counts) {
    scale = g(${s.none ? 'row' : '0u'})${s.mean ? ' / total(0u)' : ''};
    wy = weight_of(target_class);
    let all = ${summed ? 'classes(0u)' : 'f32(p.classes)'};
    pull = select(0.0, scale * ((1.0 - p.eps) * wy + p.share * all) / max(sum, 1.0), sum > 0.0);
    pull = select(pull, float_of(0x7fc00000u), key >= 0x7f800000);
  }
  if (live) {
    for (var j = first + lane; j < last; j += ${s.lanes}u) {
      var v = T(0.0);
      if (counts) {
        v = ex(x(base + j) - shift) * pull;
        v = select(v, T(pull), key >= 0x7f800000);
        ${s.smooth ? 'v -= scale * p.share * weights_of(j);' : ''}
        v -= select(T(0.0), T(scale * (1.0 - p.eps) * wy), places(j) == U(target_class));
      }
      set_d(base + j, v);
    }
  }`,
  });
});

function shapeOf(
  { inputs, attrs, alias }: GpuCall<LossAttrs>,
  limits: GpuLimits,
  four: boolean,
  grad: boolean,
): LossShape {
  const n = inputs[0].shape[1] / (four ? 4 : 1);
  const lanes = limits.software ? 1 : n <= 128 ? 32 : 256;
  return {
    lanes,
    slots: (limits.software ? 16 : 256) / lanes,
    four,
    weighted: inputs.length === (grad ? 4 : 3),
    smooth: attrs.labelSmoothing > 0,
    none: attrs.reduction === 'none',
    mean: attrs.reduction === 'mean',
    alias,
  };
}

function ignoreOf(ignoreIndex: number): [ignore: number, ignores: number] {
  return ignoreIndex === (ignoreIndex | 0) ? [ignoreIndex, 1] : [0, 0];
}

function rowPass(call: GpuCall<LossAttrs>, s: LossShape, text: (key: string) => GpuShader): GpuPass {
  const [N, V] = call.inputs[0].shape;
  const { ignoreIndex, labelSmoothing: eps } = call.attrs;
  const n = s.four ? V / 4 : V;
  return {
    shader: text(JSON.stringify(s)),
    params: [N, n, n, 1, ...ignoreOf(ignoreIndex), eps, eps / V, V],
    workgroups: grid(N, s.slots),
  };
}

function planLoss(call: GpuCall<LossAttrs>, limits: GpuLimits, four: boolean): GpuPlan {
  const [N] = call.inputs[0].shape;
  const s = shapeOf(call, limits, four, false);
  const out = call.inputs.length;
  const rows = N === 0 ? [] : [rowPass(call, s, lossShader)];
  if (s.none) return { passes: rows };
  // Scratch: losses and weights [2, N], their sums [2], and what the fold needs.
  const fold = planFold(
    {
      op: 'sum',
      dtype: 'f32',
      kept: s.mean ? { sizes: [2], strides: [N] } : { sizes: [], strides: [] },
      folded: { sizes: [N], strides: [1] },
      from: out + 1,
      to: s.mean ? out + 2 : out,
      scratch: out + 3,
      four: false,
    },
    limits,
  );
  const passes = [...rows, ...fold.passes];
  if (s.mean) {
    passes.push({ shader: divideShader(JSON.stringify([out + 2, out])), params: [], workgroups: [1, 1, 1] });
  }
  return { passes, scratch: [Math.max(4, 8 * N), 8, ...(fold.scratch ?? [])] };
}

function planGrad(call: GpuCall<LossAttrs>, limits: GpuLimits, four: boolean): GpuPlan {
  const [N, V] = call.inputs[0].shape;
  if (N * V === 0) return { passes: [] };
  const s = shapeOf(call, limits, four, true);
  const at = call.inputs.length + 1;
  const passes: GpuPass[] = [];
  const scratch: number[] = [Math.max(4, 4 * N), 4, 4];
  const sum = (n: number, from: number, to: number): void => {
    const fold = planFold(
      {
        op: 'sum',
        dtype: 'f32',
        kept: { sizes: [], strides: [] },
        folded: { sizes: [n], strides: [1] },
        from,
        to,
        scratch: at + scratch.length,
        four: false,
      },
      limits,
    );
    passes.push(...fold.passes);
    scratch.push(...(fold.scratch ?? []));
  };
  if (s.mean) {
    const key = JSON.stringify({ weighted: s.weighted, to: at + scratchOfGrad.weights });
    const params = [N, ...ignoreOf(call.attrs.ignoreIndex), V];
    passes.push({ shader: weightShader(key), params, workgroups: grid(N, 64) });
    sum(N, at + scratchOfGrad.weights, at + scratchOfGrad.total);
  }
  if (s.smooth && s.weighted) sum(V, 3, at + scratchOfGrad.classes);
  passes.push(rowPass(call, s, gradShader));
  return { passes, scratch };
}

function lossKernels(plan: typeof planLoss): Pick<GpuKernels<LossAttrs>, 'variants' | 'error'> {
  const variant = (name: string, four: boolean): GpuVariant<LossAttrs> => ({
    name,
    supports({ inputs, outputs, ...rest }) {
      const matrices = plan === planGrad ? outputs : [];
      return !four || fourRows({ ...rest, inputs, outputs: matrices }, 1);
    },
    plan: (call, limits) => plan(call, limits, four),
  });
  return {
    variants: [variant('fours', true), variant('elements', false)],
    error: ({ inputs: [logits], attrs }, element) =>
      new IndexError(
        `crossEntropy: targets must be in [0, ${logits.shape[1] - 1}] or ignoreIndex ${attrs.ignoreIndex}, element ${element} is not.`,
      ),
  };
}

export const crossEntropyKernels: () => GpuKernels<LossAttrs> = () => lossKernels(planLoss);
export const crossEntropyGradKernels: () => GpuKernels<LossAttrs> = () => ({
  ...lossKernels(planGrad),
  inplace: [[0, 0]],
});
