import type { GpuLimits, GpuPass, GpuPlan, GpuShader } from '@seq/tensor/engine';
import { foldLanes, grid, memo, reads, shader, writes } from '../wgsl/index.js';
import type { Element } from '../wgsl/index.js';
import { count, placeParams, placeText, placeValues, quarter } from './axes.js';
import type { Axes } from './axes.js';
import type { FoldKind } from './fold-text.js';
import { foldText } from './fold-text.js';

/** What decides the text of a fold; sizes do not. */
interface FoldShape extends FoldKind {
  /** Operands that are read and written. */
  readonly from: number;
  readonly to: number;
  /** Elements come from the input, not from partial results. */
  readonly enters: boolean;
  /** Results are final, not partial. */
  readonly leaves: boolean;
  /** Invocations that share a result; when `spill`, each writes a partial result of its own. */
  readonly lanes: number;
  readonly slots: number;
  readonly spill: boolean;
  /** Neighbouring invocations take neighbouring results, not neighbouring elements of one. */
  readonly columns: boolean;
  /** Four elements are read at once: of a row, or of four columns. */
  readonly four: boolean;
  readonly keptRank: number;
  readonly foldedRank: number;
}

/** 32 elements are folded among themselves before they meet the rest: errors of sums grow with a root, not with n. */
const blockText = (T: string, f: string, load: (j: string) => string, L: string): string => `
    while (j < last) {
      let end = min(last, j + 32u * ${L});
      var block = ${T};
      for (; j + 3u * ${L} < end; j += 4u * ${L}) {
        let a = ${f}(${load('j')}, ${load(`j + ${L}`)});
        let b = ${f}(${load(`j + 2u * ${L}`)}, ${load(`j + 3u * ${L}`)});
        block = ${f}(block, ${f}(a, b));
      }
      for (; j < end; j += ${L}) { block = ${f}(block, ${load('j')}); }
      acc = ${f}(acc, block);
    }`;

/**
 * Results o in `slots` per workgroup; the lanes of a slot take every lanes-th element of one split of the folded
 * axes, and fold what they have through workgroup memory (at most 256 values of 16 bytes, and 16 more a slot).
 */
const foldShader = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as FoldShape;
  const t = foldText(s);
  const x4 = (e: Element): Element => `${e}x4` as Element;
  const read = s.enters ? t.input : t.partial;
  const write = s.leaves ? t.output : t.partial;
  const wide = s.four && s.columns;
  const T = wide ? t.four : t.type;
  const f = wide ? `${t.combine}4` : t.combine;
  const inner = s.four ? t.four : t.type;
  const g = s.four ? `${t.combine}4` : t.combine;
  const identity = (type: string): string => `${type}(${t.identity})`;
  const load = (j: string): string => {
    const at = `base + fold_at(${j})`;
    if (!s.enters) return t.words === 1 ? `x(${at})` : `${t.type}(x(2u * (${at})), x(2u * (${at}) + 1u))`;
    return s.four ? `enter4(x(${at}))` : `enter(x(${at}), ${j})`;
  };
  const store = (at: string, v: string): string => {
    if (s.leaves) return `set_y(${at}, ${wide ? 'leave4' : 'leave'}(${v}));`;
    return t.words === 1
      ? `set_y(${at}, ${v});`
      : `set_y(2u * (${at}), ${v}.x); set_y(2u * (${at}) + 1u, ${v}.y);`;
  };
  const lanes = `${s.lanes}u`;
  const slots = `${s.slots}u`;
  return shader({
    name: `${s.op}/${s.columns ? 'columns' : 'rows'}${s.enters ? '' : '-rest'}`,
    operands: [
      reads('x', s.four && s.enters ? x4(read) : read, s.from),
      writes('y', wide ? x4(write) : write, s.to),
    ],
    params: {
      results: 'u32',
      folded: 'u32',
      chunk: 'u32',
      splits: 'u32',
      ...placeParams('keep_at', s.keptRank),
      ...placeParams('fold_at', s.foldedRank),
    },
    workgroup: s.lanes * s.slots,
    declare: [
      t.declare,
      placeText('keep_at', s.keptRank),
      placeText('fold_at', s.foldedRank),
      s.spill
        ? ''
        : foldLanes({
            name: 'across',
            type: T,
            combine: f,
            lanes: s.lanes,
            slots: s.slots,
            bytes: wide ? 16 : 4 * t.words,
          }),
    ].join('\n'),
    main: `
  let slot = ${s.columns ? `lix % ${slots}` : `lix / ${lanes}`};
  let lane = ${s.columns ? `lix / ${slots}` : `lix % ${lanes}`};
  let split = group % p.splits;
  let o = (group / p.splits) * ${slots} + slot;
  var acc = ${identity(inner)};
  if (o < p.results) {
    let base = keep_at(o);
    let last = min((split + 1u) * p.chunk, p.folded);
    var j = split * p.chunk + lane;${blockText(identity(inner), g, load, lanes)}
  }
  ${
    s.four && !wide
      ? `let one = ${t.combine}(${t.combine}(acc.x, acc.y), ${t.combine}(acc.z, acc.w));`
      : 'let one = acc;'
  }
  ${
    s.spill
      ? `if (o < p.results) { ${store(`(split * ${lanes} + lane) * p.results + o`, 'one')} }`
      : `let whole = across(slot, lane, one);
  if (o < p.results && lane == 0u) { ${store('split * p.results + o', 'whole')} }`
  }`,
  });
});

/** How the work of a fold is shared out. */
interface Shares {
  readonly lanes: number;
  readonly slots: number;
  readonly splits: number;
  readonly spill: boolean;
}

/** Elements that one invocation folds at most, and as many as are worth an invocation of their own. */
const most = 1024;
const worth = 16;

/** Partial results that one invocation folds without the help of others. */
const few = 64;

function shares(results: number, folded: number, columns: boolean, software: boolean): Shares {
  if (software) return softwareShares(results, folded, columns);
  let lanes = folded < 16 ? 1 : folded < 128 ? 8 : folded < 1024 ? 32 : 256;
  if (columns) lanes = folded < 16 ? 1 : results >= 64 ? 4 : results >= 16 ? 16 : results >= 4 ? 64 : 256;
  const slots = 256 / lanes;
  const groups = Math.ceil(results / slots);
  const each = Math.ceil(folded / lanes);
  // Enough workgroups for a large GPU, as long as an invocation keeps some work.
  const wished = Math.min(Math.ceil(each / worth), Math.ceil(512 / groups));
  const splits = Math.max(1, Math.ceil(each / most), each > 2 * worth ? wished : 1);
  // Where a second dispatch follows anyway nobody waits for others, so that both can run beside what else there is.
  return { lanes, slots, splits, spill: columns && splits > 1 && splits * lanes <= few };
}

/** Programs on the CPU wait long at barriers and have few cores: no lane waits for another. */
function softwareShares(results: number, folded: number, columns: boolean): Shares {
  const alone = columns || results >= 64 || folded < 64;
  const lanes = alone ? 1 : results >= 4 ? 16 : 64;
  const slots = 64 / lanes;
  const each = Math.ceil(folded / lanes);
  const wished = results * lanes < 64 && each > 64 ? Math.ceil(each / 64) : 1;
  const splits = Math.max(1, Math.ceil(each / most), Math.min(wished, 64));
  return { lanes, slots, splits, spill: lanes > 1 };
}

/** A fold to be planned. */
export interface Fold extends FoldKind {
  readonly kept: Axes;
  readonly folded: Axes;
  readonly from: number;
  readonly to: number;
  /** The number of the first block of scratch memory. */
  readonly scratch: number;
  readonly four: boolean;
}

/** The fold along the innermost stride: neighbours in memory are neighbours in the workgroup. */
function alongColumns({ kept, folded }: { kept: Axes; folded: Axes }): boolean {
  if (kept.strides.length === 0) return false;
  if (folded.strides.length === 0) return true;
  return Math.abs(kept.strides.at(-1)!) < Math.abs(folded.strides.at(-1)!);
}

/** Whether four elements can be read at once: of a row, or of four columns. */
export function foursOf({ kept, folded }: { kept: Axes; folded: Axes }, aligned: number): true | string {
  const columns = alongColumns({ kept, folded });
  const [inner, outer] = columns ? [kept, folded] : [folded, kept];
  const { sizes, strides } = inner;
  if (strides.at(-1) !== 1 || sizes.at(-1)! % 4 !== 0) return 'rows must be whole fours';
  const others = [...strides.slice(0, -1), ...outer.strides];
  if (aligned % 4 !== 0 || others.some((s) => s % 4 !== 0)) return 'rows must begin at fours';
  return true;
}

/** The dispatches of a fold: one, or a second one over partial results, which need the scratch memory. */
export function planFold(fold: Fold, limits: GpuLimits): GpuPlan {
  const { op, dtype, from, to, scratch, four } = fold;
  const columns = alongColumns(fold);
  const kept = four ? quarter(fold.kept, columns) : fold.kept;
  const folded = four ? quarter(fold.folded, !columns) : fold.folded;
  const results = count(kept);
  if (results === 0) return { passes: [] };
  const n = count(folded);
  const { lanes, slots, splits, spill } = shares(results, n, columns, limits.software);
  const parts = spill ? splits * lanes : splits;
  const chunk = Math.max(1, Math.ceil(n / splits));
  const shape: FoldShape = {
    op,
    dtype,
    from,
    to: parts > 1 ? scratch : to,
    enters: true,
    leaves: parts === 1,
    lanes,
    slots,
    spill,
    columns,
    four,
    keptRank: kept.sizes.length,
    foldedRank: folded.sizes.length,
  };
  const pass: GpuPass = {
    shader: foldShader(JSON.stringify(shape)),
    params: [results, n, chunk, splits, ...placeValues(kept), ...placeValues(folded)],
    workgroups: grid(Math.ceil(results / slots) * splits),
  };
  if (parts === 1) return { passes: [pass] };
  const all = four && columns ? results * 4 : results;
  const words = foldText(fold).words;
  return { passes: [pass, restPass(fold, all, parts, limits)], scratch: [4 * words * all * parts] };
}

/** Folds partial results [parts, results] to final ones. */
function restPass(
  { op, dtype, to, scratch }: Fold,
  results: number,
  parts: number,
  limits: GpuLimits,
): GpuPass {
  // One dispatch: what is left is small, so that lanes at most are shared out.
  const alone = limits.software || (results >= 16 && parts <= few);
  const { lanes, slots } = alone
    ? { lanes: 1, slots: 64 }
    : shares(results, Math.min(parts, most), true, false);
  const shape: FoldShape = {
    op,
    dtype,
    from: scratch,
    to,
    enters: false,
    leaves: true,
    lanes,
    slots,
    spill: false,
    columns: true,
    four: false,
    keptRank: 1,
    foldedRank: 1,
  };
  return {
    shader: foldShader(JSON.stringify(shape)),
    params: [results, parts, parts, 1, results, 1, parts, results],
    workgroups: grid(Math.ceil(results / slots)),
  };
}
