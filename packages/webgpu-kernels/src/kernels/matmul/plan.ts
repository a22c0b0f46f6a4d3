import type { GpuCall, GpuLimits, GpuPass, GpuPlan } from '@seq/tensor/engine';
import type { Direct } from './direct.js';
import { directPass, directTile } from './direct.js';
import { lanesForm, lanesOf, lanesPass, lanesTile } from './lanes.js';
import type { Problem } from './problem.js';
import { accessOf, problemOf, storesFours, swap } from './problem.js';
import { skinnyColumns, skinnyForm, skinnyPass } from './skinny.js';
import { sumPass } from './sum.js';
import type { Cut, Epilogue, Form } from './text.js';
import { workgroupsOf } from './text.js';
import type { Tile } from './tile.js';
import { depth, tilePass, tiles } from './tile.js';

/** A kernel design: how it cuts the work, and its pass. */
interface Design {
  readonly rows: number;
  readonly columns: number;
  pass(p: Problem, cut: Cut, f: Form, y: number): GpuPass;
}

/** Workgroups that keep a GPU busy; fewer are cut along K as far as parts stay long. */
const busy = 64;
const leastPart = 256;

function formOf(p: Problem, epilogue?: Epilogue): Form {
  const a = accessOf(p.a, p.M, p.K);
  const b = accessOf(p.b, p.N, p.K);
  const rank = p.batch.length;
  const store4 = storesFours(p) && b === 'free4' && epilogue?.inPlace !== true;
  return { a, b, store4, rank, swapped: p.swapped, epilogue };
}

/** Dispatches of a design; sums over parts of K follow in a second pass. */
function planOf(
  call: GpuCall<unknown>,
  p: Problem,
  f: Form,
  d: Design,
  { split, epilogue }: { split: boolean; epilogue?: Epilogue | undefined },
): GpuPlan {
  const y = call.inputs.length;
  const { rows, columns } = d;
  const groups = workgroupsOf(p, { rows, columns, slices: 1, chunk: 0 });
  const wanted = Math.min(Math.ceil((2 * busy) / groups), Math.floor(p.K / leastPart));
  if (!split || groups >= busy || wanted < 2) {
    return { passes: [d.pass(p, { rows, columns, slices: 1, chunk: p.K }, f, y)] };
  }
  const chunk = Math.ceil(p.K / wanted / depth) * depth;
  const slices = Math.ceil(p.K / chunk);
  const size = p.M * p.N;
  const n = p.products * size;
  const part = { ...f, epilogue: undefined };
  const to = y + call.outputs.length;
  const sum = { n, slices, size, columns: p.swapped ? p.M : p.N };
  return {
    passes: [d.pass(p, { rows, columns, slices, chunk }, part, to), sumPass(sum, to, y, epilogue)],
    scratch: [4 * slices * n],
  };
}

const empty = (p: Problem): boolean => p.M * p.N * p.products === 0;

/** The tile with the least padded work, counting that small tiles read more and few workgroups leave a GPU idle. */
function bestTile(p: Problem): Tile {
  const cost = (t: Tile): number => {
    const groups = Math.ceil(p.M / t.rows) * Math.ceil(p.N / t.columns) * p.products;
    const reads = 1 + 16 / t.rows + 16 / t.columns;
    return groups * t.rows * t.columns * reads * Math.max(1, busy / groups);
  };
  return tiles.reduce((best, t) => (cost(t) < cost(best) ? t : best));
}

/** Options that the kernels of `matmulOp` do not use, but those of ops that go on with the product. */
export interface MatmulPlanOptions {
  readonly epilogue?: Epilogue;
}

/** Tiles in workgroup memory, for GPUs. */
export function planTiles(call: GpuCall<unknown>, { epilogue }: MatmulPlanOptions = {}): GpuPlan {
  const p = problemOf(call);
  if (empty(p)) return { passes: [] };
  const t = bestTile(p);
  const pass: Design['pass'] = (q, cut, f, y) => tilePass(q, cut, f, y, t);
  return planOf(call, p, formOf(p, epilogue), { ...t, pass }, { split: true, epilogue });
}

/** True for a vector times a matrix and the like: at most four rows, or four columns, of y. */
export function isSkinny(call: GpuCall<unknown>): boolean {
  const p = problemOf(call);
  return Math.min(p.M, p.N) <= 4;
}

/** Matrix and vector, for GPUs; a product of few columns runs as its transpose. */
export function planSkinny(call: GpuCall<unknown>, { epilogue }: MatmulPlanOptions = {}): GpuPlan {
  const straight = problemOf(call);
  if (empty(straight)) return { passes: [] };
  const p = straight.M <= straight.N ? straight : swap(straight);
  const f = skinnyForm(formOf(p, epilogue));
  const rows = p.M === 1 ? 1 : 4;
  const columns = skinnyColumns(f, p);
  return planOf(call, p, f, { rows, columns, pass: skinnyPass }, { split: true, epilogue });
}

/** A product of few columns runs as its transpose. */
const upright = (p: Problem): Problem => (p.N < 16 && p.M > p.N ? swap(p) : p);

/** True for a product of enough rows that a subgroup may share what it reads of them. */
export function hasRows(call: GpuCall<unknown>): boolean {
  return upright(problemOf(call)).M >= 4;
}

/** Registers of one subgroup, for programs on the CPU that have subgroups. */
export function planLanes(
  call: GpuCall<unknown>,
  { subgroupSize }: GpuLimits,
  { epilogue }: MatmulPlanOptions = {},
): GpuPlan {
  const p = upright(problemOf(call));
  if (empty(p)) return { passes: [] };
  const d = lanesOf(p, subgroupSize);
  const pass: Design['pass'] = (q, cut, form, y) => lanesPass(q, cut, form, y, d);
  return planOf(
    call,
    p,
    lanesForm(formOf(p, epilogue)),
    { ...lanesTile(d), pass },
    { split: false, epilogue },
  );
}

/** Registers alone: what runs everywhere. */
export function planDirect(
  call: GpuCall<unknown>,
  { software }: GpuLimits,
  { epilogue }: MatmulPlanOptions = {},
): GpuPlan {
  const p = upright(problemOf(call));
  if (empty(p)) return { passes: [] };
  const f = formOf(p, epilogue);
  const d: Direct = {
    rows: p.M === 1 ? 1 : p.M <= 4 || !software ? 4 : 8,
    columns: f.b === 'free4' || p.N >= 64 ? 8 : 4,
    lanes: software ? 8 : 32,
  };
  const pass: Design['pass'] = (q, cut, form, y) => directPass(q, cut, form, y, d);
  return planOf(call, p, f, { ...directTile(d), pass }, { split: !software, epilogue });
}
