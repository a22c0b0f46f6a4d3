import type { GpuLimits, GpuPass, GpuPlan, GpuShader } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../../wgsl/index.js';
import type { Phase, Scan, ScanShape } from './problem.js';
import { reachOf, reachParams, reachText, roundedText } from './problem.js';

/** One column and one chunk of it per invocation; neighbours are neighbouring columns, so that reads coalesce. */
const columnShader = /* @__PURE__ */ memo((key): GpuShader => {
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
    ? 'let v = e - lost; let next = rounded(h + v); lost = finite(rounded(next - h) - v); h = next;'
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
  return shader({
    name: `${linear ? 'linearRecurrence' : 'cumsum'}/${phase}`,
    operands: bound,
    params: { columns: 'u32', n: 'u32', chunk: 'u32', chunks: 'u32', nought: 'u32', ...reachParams(s.ranks) },
    workgroup: 64,
    alias: running ? s.alias : [],
    declare: reachText(s.ranks) + (compensated ? `\n${roundedText}` : ''),
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
export function planColumns(scan: Scan, limits: GpuLimits): GpuPlan {
  const { kind, out, inputs, exclusive, shifted, initial, alias } = scan;
  if (sizeOf(out.shape) === 0) return { passes: [] };
  const { columns, n, ranks, values } = reachOf(scan);
  const chunk = chunkOf(n, columns, limits.software);
  const chunks = Math.ceil(n / chunk);
  const type = out.dtype as ScanShape['type'];
  const pass = (phase: Phase, units: number): GpuPass => {
    const shape: ScanShape = {
      ...{ kind, type, phase, exclusive, shifted, inputs, ranks, alias },
      initial: initial !== null,
    };
    return {
      shader: columnShader(JSON.stringify(shape)),
      params: [columns, n, chunk, chunks, 0, ...values],
      workgroups: grid(units, 64),
    };
  };
  if (chunks === 1) return { passes: [pass('whole', columns)] };
  const bytes = 4 * columns * chunks;
  return {
    passes: [pass('sums', columns * chunks), pass('carries', columns), pass('chunks', columns * chunks)],
    scratch: [bytes, bytes, bytes],
  };
}
