import type { GpuLimits, GpuPass, GpuPlan, GpuShader, GpuView } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../wgsl/index.js';
import { mergeAxes, placeParams, placeText, placeValues } from './axes.js';

/** A scan along one axis: running sums, or h_t = a_t h_{t−1} + x_t. */
export interface Scan {
  readonly kind: 'sum' | 'linear';
  readonly axis: number;
  readonly reverse: boolean;
  /** Sums leave their own element out. */
  readonly exclusive: boolean;
  /** The factor of a step stands at the position before it. */
  readonly shifted: boolean;
  readonly x: GpuView;
  readonly a: GpuView | null;
  readonly initial: GpuView | null;
  readonly out: GpuView;
  /** Operand numbers; the first factor's is 0 where there is one. */
  readonly inputs: number;
  readonly alias: readonly number[];
}

/** One pass over all; or the sums of chunks, their scan, and the chunks again from where they begin. */
type Phase = 'whole' | 'sums' | 'carries' | 'chunks';

interface ScanShape {
  readonly kind: Scan['kind'];
  readonly type: 'f32' | 'i32' | 'u32';
  readonly phase: Phase;
  readonly exclusive: boolean;
  readonly shifted: boolean;
  readonly initial: boolean;
  readonly inputs: number;
  readonly ranks: readonly number[];
  readonly alias: readonly number[];
}

const names = ['o', 'x', 'a', 'h'] as const;

/** A float that no compiler looks behind: the parameter is 0, which it cannot know. */
const roundedText = 'fn rounded(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ p.nought); }';

/** One column and one chunk of it per invocation; neighbours are neighbouring columns, so that reads coalesce. */
const scanShader = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as ScanShape;
  const { kind, type, phase, inputs } = s;
  const linear = kind === 'linear';
  const [out, partA, partB, carries] = [inputs, inputs + 1, inputs + 2, inputs + 3];
  const zero = `${type}(0)`;
  const running = phase === 'whole' || phase === 'chunks';
  const elements = phase !== 'carries';
  // Sums of floats keep what rounding took from them. Compilers may take (h + v) − h for v unless they cannot see the sum.
  const compensated = !linear && type === 'f32';
  const add = compensated
    ? 'let v = e - lost; let next = rounded(h + v); lost = rounded(next - h) - v; h = next;'
    : 'h = h + e;';
  const factor = s.shifted ? 'a(aa + (t - 1u) * p.a_t)' : 'a(aa + t * p.a_t)';
  const initial = s.initial && linear;
  // The first position has no factor when shifted; without an initial state what it would multiply is 0.
  const start = s.shifted || !initial ? '' : `h = ${factor} * initial(h_at(column));`;
  const step = linear
    ? `if (t == 0u) { ${start} h = h + x(xx + t * p.x_t); } else {
      let f = ${factor};
      h = f * h + x(xx + t * p.x_t);
      ${phase === 'sums' ? 'factors = factors * f;' : ''}
    }`
    : `let e = x(xx + t * p.x_t); ${s.exclusive && running ? 'set_o(oo + t * p.o_t, h);' : ''} ${add}`;
  const store = running && !(s.exclusive && !linear) ? 'set_o(oo + t * p.o_t, h);' : '';
  const loop = `
  let aa = ${linear && elements ? 'a_at(column) + p.a_first' : '0u'};
  let xx = x_at(column) + p.x_first;
  let oo = ${running ? 'o_at(column) + p.o_first' : '0u'};
  var h = ${phase === 'chunks' ? 'carry(linear)' : zero};
  var lost = ${zero};
  var factors = ${type}(1);
  for (var t = part * p.chunk; t < min(p.n, (part + 1u) * p.chunk); t++) {
    ${step}
    ${store}
  }
  ${phase === 'sums' ? `${linear ? 'set_part_a(linear, factors);' : ''} set_part_b(linear, h);` : ''}`;
  // A product of factors may overflow where nothing is carried.
  const carry = `
  var h = ${zero};
  var lost = ${zero};
  for (var c = 0u; c < p.chunks; c++) {
    let at = c * p.columns + linear;
    set_carry(at, h);
    let e = part_b(at);
    ${linear ? 'if (h == 0.0) { h = e; } else { h = part_a(at) * h + e; }' : add}
  }`;
  const bound = [
    ...(elements && linear ? [reads('a', 'f32', 0)] : []),
    ...(elements ? [reads('x', type, linear ? 1 : 0)] : []),
    ...(elements && initial ? [reads('initial', 'f32', 2)] : []),
    ...(running ? [writes('o', type, out)] : []),
    ...(phase === 'sums'
      ? [...(linear ? [writes('part_a', type, partA)] : []), writes('part_b', type, partB)]
      : []),
    ...(phase === 'carries'
      ? [
          ...(linear ? [reads('part_a', type, partA)] : []),
          reads('part_b', type, partB),
          writes('carry', type, carries),
        ]
      : []),
    ...(phase === 'chunks' ? [reads('carry', type, carries)] : []),
  ];
  const params: { [name: string]: 'u32' } = {
    columns: 'u32',
    n: 'u32',
    chunk: 'u32',
    chunks: 'u32',
    nought: 'u32',
  };
  names.forEach((name, i) => {
    params[`${name}_t`] = 'u32';
    params[`${name}_first`] = 'u32';
    Object.assign(params, placeParams(`${name}_at`, s.ranks[i]));
  });
  return shader({
    name: `${linear ? 'linearRecurrence' : 'cumsum'}/${phase}`,
    operands: bound,
    params,
    workgroup: 64,
    alias: running ? s.alias : [],
    declare: [
      ...names.map((name, i) => placeText(`${name}_at`, s.ranks[i])),
      ...(compensated ? [roundedText] : []),
    ].join('\n'),
    main:
      phase === 'carries'
        ? `if (linear >= p.columns) { return; }${carry}`
        : `if (linear >= p.columns * p.chunks) { return; }
  let column = linear % p.columns;
  let part = linear / p.columns;${loop}`,
  });
});

/** Steps of a chunk: short enough for one invocation, with as many chunks as one invocation can scan. */
export function chunkOf(n: number, columns: number, software: boolean): number {
  const enough = software ? columns >= 16 && n <= 65_536 : columns >= 16_384 && n <= 8192;
  return n <= 256 || enough ? Math.max(1, n) : Math.max(64, Math.ceil(Math.sqrt(n)));
}

/** The dispatches of a scan: one, or three where the axis is long and there are few columns. */
export function planScan(scan: Scan, limits: GpuLimits): GpuPlan {
  const { axis, reverse, kind, out, inputs } = scan;
  if (sizeOf(out.shape) === 0) return { passes: [] };
  const n = out.shape[axis];
  const columns = sizeOf(out.shape) / n;
  const chunk = chunkOf(n, columns, limits.software);
  const chunks = Math.ceil(n / chunk);
  const rest = [...out.shape.keys()].filter((i) => i !== axis);
  const views = [out, scan.x, scan.a, null].map((v) =>
    v === null ? null : { ...v, axes: mergeAxes(v, rest) },
  );
  const state = scan.initial === null ? null : mergeAxes(scan.initial, [...scan.initial.shape.keys()]);
  const places = [...views.slice(0, 3).map((v) => v?.axes ?? null), state];
  const params = [columns, n, chunk, chunks, 0];
  places.forEach((axes, i) => {
    const stride = views[i]?.strides[axis] ?? 0;
    params.push((reverse ? -stride : stride) >>> 0, (reverse ? (n - 1) * stride : 0) >>> 0);
    params.push(...(axes === null ? [] : placeValues(axes)));
  });
  const pass = (phase: Phase, units: number): GpuPass => {
    const shape: ScanShape = {
      kind,
      type: out.dtype as 'f32' | 'i32' | 'u32',
      phase,
      exclusive: scan.exclusive,
      shifted: scan.shifted,
      initial: scan.initial !== null,
      inputs,
      ranks: places.map((a) => a?.sizes.length ?? 0),
      alias: scan.alias,
    };
    return { shader: scanShader(JSON.stringify(shape)), params, workgroups: grid(units, 64) };
  };
  if (chunks === 1) return { passes: [pass('whole', columns)] };
  const bytes = 4 * columns * chunks;
  return {
    passes: [pass('sums', columns * chunks), pass('carries', columns), pass('chunks', columns * chunks)],
    scratch: [bytes, bytes, bytes],
  };
}
