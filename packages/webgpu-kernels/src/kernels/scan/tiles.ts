import type { GpuLimits, GpuPass, GpuPlan, GpuShader } from '@seq/tensor/engine';
import { grid, reads, shader, writes } from '../../wgsl/index.js';
import type { Operand } from '../../wgsl/index.js';
import type { Algebra } from './algebra.js';
import type { Phase } from './problem.js';

/** A scan whose text is to be made. */
export interface TiledScan {
  readonly name: string;
  readonly algebra: Algebra;
  readonly phase: Phase;
  /** True when a state is shown before its own element is taken in. */
  readonly exclusive: boolean;
  /** The element of step `t` of `column`, an expression; what it needs of the column is in `column`. */
  readonly load: string;
  /** Statements that write element `v` as the result of step `t`. */
  readonly store: string;
  /** What stands before all steps, an expression; the operands that it reads. */
  readonly initial: string;
  readonly before: readonly Operand[];
  /** Declarations of variables of a column. */
  readonly column: string;
  /** Operands of elements and results. */
  readonly operands: readonly Operand[];
  /** Operand number of the sums of chunks; what chunks begin with comes behind. */
  readonly scratch: number;
  readonly params: { readonly [name: string]: 'u32' };
  readonly declare: string;
  readonly alias: readonly number[];
}

const invocations = 256;
/** Workgroups that keep a GPU busy. */
const busy = 1024;

/** Workgroup memory of so many places, spread so that strides of 4 and 16 fall on unlike banks. */
const spread = (n: number): number => n + n / 32;
/** Most invocations of a workgroup that scan the ends of others. */
const mostTops = 64;

/**
 * A chunk of a column per 8, 32 or 256 invocations, tile by tile: neighbours read neighbouring steps, which change places in
 * workgroup memory, so that every invocation scans a run of steps that follow each other; the ends of the runs are
 * scanned in two steps, and all results written as they were read. Workgroup memory: for each invocation a run of elements
 * and a state, at most 13 KiB.
 *
 * First come the parameters `lanes` (invocations that share a chunk), `tops` (how many of them scan the ends), `units`
 * (columns times chunks), `n`, `chunk` and `chunks`, then those of the scan. A text serves all lengths: bounds of loops
 * are parameters, also because compilers take long over what they unroll.
 */
export function tileShader(scan: TiledScan): GpuShader {
  const { algebra, phase, exclusive } = scan;
  const { state, word, words, nothing, run } = algebra;
  // The scan of the sums of chunks is one of states.
  const carries = phase === 'carries';
  const element = carries ? state : algebra.element;
  const lift = (e: string): string => (carries ? e : `lifted(${e})`);
  const show = (s: string): string => (carries ? s : `shown(${s})`);
  const kept = (name: string, i: string): string =>
    words === 1
      ? `${name}(${i})`
      : `${state}(${Array.from({ length: words }, (_, w) => `${name}(${words}u * (${i}) + ${w}u)`).join(', ')})`;
  const keep = (name: string, i: string, v: string): string =>
    words === 1
      ? `set_${name}(${i}, ${v});`
      : Array.from({ length: words }, (_, w) => `set_${name}(${words}u * (${i}) + ${w}u, ${v}[${w}]);`).join(
          ' ',
        );
  const load = carries ? kept('part', 'column * p.n + t') : scan.load;
  const store = carries ? keep('carry', 'column * p.n + t', 'v') : scan.store;
  const begin = phase === 'chunks' ? kept('carry', 'unit') : phase === 'sums' ? nothing : scan.initial;
  const scanned = `
    for (var j = 0u; j < ${run}u; j++) {
      let at = spread(lix * ${run}u + j);
      let e = ${lift('tile[at]')};
      ${exclusive || carries ? `tile[at] = ${show('h')}; h = after(h, e);` : `h = after(h, e); tile[at] = ${show('h')};`}
    }
    workgroupBarrier();
    for (var k = lane; first + done + k < last && k < steps; k += p.lanes) {
      let t = first + done + k;
      let v = tile[spread(slot * steps + k)];
      ${store}
    }`;
  return shader({
    name: `${scan.name}/${phase} of tiles`,
    operands: [
      ...(carries ? [] : scan.operands),
      ...(phase === 'whole' || carries ? scan.before : []),
      ...(phase === 'sums' ? [writes('part', word, scan.scratch)] : []),
      ...(carries ? [reads('part', word, scan.scratch), writes('carry', word, scan.scratch + 1)] : []),
      ...(phase === 'chunks' ? [reads('carry', word, scan.scratch + 1)] : []),
    ],
    params: {
      lanes: 'u32',
      tops: 'u32',
      units: 'u32',
      n: 'u32',
      chunk: 'u32',
      chunks: 'u32',
      ...scan.params,
    },
    workgroup: invocations,
    alias: phase === 'whole' || phase === 'chunks' ? scan.alias : [],
    declare: `${scan.declare}
${algebra.declare}
fn spread(i: u32) -> u32 { return i + (i >> 5u); }
var<workgroup> tile: array<${element}, ${spread(run * invocations)}>;
var<workgroup> ends: array<${state}, ${spread(invocations)}>;
var<workgroup> tops: array<${state}, ${mostTops}>;`,
    main: `
  let slot = lix / p.lanes;
  let lane = lix % p.lanes;
  let steps = ${run}u * p.lanes;
  let each = p.lanes / p.tops;
  let unit = group * (WG / p.lanes) + slot;
  let live = unit < p.units;
  let column = unit / p.chunks;
  let first = (unit % p.chunks) * p.chunk;
  let last = select(0u, min(p.n, first + p.chunk), live);
  ${carries ? '' : scan.column}
  var h_all = ${nothing};
  if (live) { h_all = ${begin}; }
  for (var done = 0u; done < p.chunk; done += steps) {
    for (var k = lane; k < steps; k += p.lanes) {
      let t = first + done + k;
      var e = ${carries ? nothing : algebra.noElement};
      if (t < last) { e = ${load}; }
      tile[spread(slot * steps + k)] = e;
    }
    workgroupBarrier();
    var mine = ${nothing};
    for (var j = 0u; j < ${run}u; j++) { mine = after(mine, ${lift(`tile[spread(lix * ${run}u + j)]`)}); }
    ends[spread(lix)] = mine;
    workgroupBarrier();
    if (lane < p.tops) {
      var sum = ${nothing};
      for (var k = 0u; k < each; k++) {
        let at = spread(slot * p.lanes + lane * each + k);
        let e = ends[at];
        ends[at] = sum;
        sum = after(sum, e);
      }
      tops[slot * p.tops + lane] = sum;
    }
    workgroupBarrier();
    var h = h_all;
    for (var k = 0u; k < p.tops; k++) {
      if (k == lane / each) { h = after(h_all, ends[spread(lix)]); }
      h_all = after(h_all, tops[slot * p.tops + k]);
    }${phase === 'sums' ? '' : scanned}
  }
  ${phase === 'sums' ? `if (live && lane == 0u) { ${keep('part', 'unit', 'h_all')} }` : ''}`,
  });
}

/** Whether neighbouring steps lie nearer to each other than neighbouring columns, and a workgroup may share them. */
export function suitsTiles(n: number, inner: number, { software }: GpuLimits): true | string {
  if (software) return 'a program on the CPU waits long at barriers';
  // 32 bytes come from memory at once.
  if (inner >= 8) return 'neighbouring columns lie side by side';
  return n >= 16 || 'an invocation reads a column of so few steps at once';
}

/**
 * The dispatches of a scan in tiles: one, or three where columns are few and long.
 *
 * @param text    the shader of a phase
 * @param values  values of the scan's own parameters
 */
export function planTiles(
  { words, run }: Algebra,
  { columns, n }: { readonly columns: number; readonly n: number },
  text: (phase: Phase) => GpuShader,
  values: readonly number[],
): GpuPlan {
  const lanesFor = (steps: number): number => (steps <= 8 * run ? 8 : steps <= 32 * run ? 32 : 256);
  const tile = run * lanesFor(n);
  const tiles = Math.ceil(n / tile);
  const wanted = tiles <= 4 ? 1 : Math.min(tiles, Math.ceil(busy / columns));
  const chunk = Math.ceil(tiles / wanted) * tile;
  const chunks = Math.ceil(n / chunk);
  const pass = (phase: Phase, units: number, steps: number, cut: number, cuts: number): GpuPass => {
    const lanes = lanesFor(Math.min(steps, cut));
    const tops = 2 ** Math.floor(Math.log2(lanes) / 2);
    return {
      shader: text(phase),
      params: [lanes, tops, units, steps, cut, cuts, ...values],
      workgroups: grid(units, invocations / lanes),
    };
  };
  if (chunks === 1) return { passes: [pass('whole', columns, n, n, 1)] };
  const bytes = 4 * words * columns * chunks;
  return {
    passes: [
      pass('sums', columns * chunks, n, chunk, chunks),
      pass('carries', columns, chunks, chunks, 1),
      pass('chunks', columns * chunks, n, chunk, chunks),
    ],
    scratch: [bytes, bytes],
  };
}
