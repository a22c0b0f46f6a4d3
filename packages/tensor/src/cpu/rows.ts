import type { CpuCall, CpuView } from '../engine/op.js';

/** A loop nest over equal shapes, adjacent axes merged where all operands allow it. */
export interface RowPlan {
  /** Sizes of the outer axes. */
  readonly outer: readonly number[];
  /** Elements of the innermost axis. */
  readonly n: number;
  /** Innermost stride of each operand. */
  readonly step: readonly number[];
  /** Outer strides of each operand. */
  readonly strides: readonly (readonly number[])[];
}

/** Merges axes of operands that are walked together; all have the shape of the first. */
export function planRows(shape: readonly number[], strides: readonly (readonly number[])[]): RowPlan {
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let i = shape.length - 1; i >= 0; i--) {
    const d = shape[i];
    if (d === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && strides.every((s, k) => s[i] === merged[k][last] * sizes[last])) {
      sizes[last] *= d;
      continue;
    }
    sizes.push(d);
    strides.forEach((s, k) => merged[k].push(s[i]));
  }
  const n = sizes.length === 0 ? (shape.some((d) => d === 0) ? 0 : 1) : sizes[0];
  return {
    n,
    step: merged.map((m) => m[0] ?? 1),
    outer: sizes.slice(1).reverse(),
    strides: merged.map((m) => m.slice(1).reverse()),
  };
}

/** Strides of an operand as seen from the broadcast `shape`; repeated axes get 0. */
export function broadcastStrides(view: CpuView, shape: readonly number[]): number[] {
  const lead = shape.length - view.shape.length;
  return shape.map((d, i) =>
    i < lead || (view.shape[i - lead] === 1 && d !== 1) ? 0 : view.strides[i - lead],
  );
}

/** The row plan of a call's inputs broadcast to output 0, made once per plan instruction. */
export function rowsOf(call: CpuCall<unknown>): RowPlan {
  const memo = call.memo as { value?: RowPlan };
  if (memo.value === undefined) {
    const out = call.outputs[0];
    memo.value = planRows(out.shape, [
      out.strides,
      ...call.inputs.map((v) => broadcastStrides(v, out.shape)),
    ]);
  }
  return memo.value;
}

/** A row plan whose last outer axis is walked by the kernel. */
export interface BlockPlan {
  /** The outer axes that are left. */
  readonly plan: RowPlan;
  readonly rows: number;
  /** Distance of rows for each operand. */
  readonly strides: readonly number[];
}

const blocks: WeakMap<RowPlan, BlockPlan> = /* @__PURE__ */ new WeakMap();

/** Takes the last outer axis out of a plan, once per plan; one row where there is none. */
export function blockOf(plan: RowPlan): BlockPlan {
  let block = blocks.get(plan);
  if (block === undefined) {
    const last = plan.outer.length - 1;
    block =
      last < 0
        ? { plan, rows: 1, strides: plan.step.map(() => 0) }
        : {
            plan: {
              ...plan,
              outer: plan.outer.slice(0, last),
              strides: plan.strides.map((s) => s.slice(0, last)),
            },
            rows: plan.outer[last],
            strides: plan.strides.map((s) => s[last]),
          };
    blocks.set(plan, block);
  }
  return block;
}

/**
 * Visits every row of a plan with the element offsets of up to four operands.
 *
 * `offsets` holds the start of each operand and is left as it was.
 */
export function eachRow(
  plan: RowPlan,
  offsets: readonly number[],
  visit: (o0: number, o1: number, o2: number, o3: number) => void,
): void {
  const rank = plan.outer.length;
  if (plan.n === 0) return;
  let [p0 = 0, p1 = 0, p2 = 0, p3 = 0] = offsets;
  if (rank === 0) return visit(p0, p1, p2, p3);
  const outer = plan.outer;
  for (let i = 0; i < rank; i++) if (outer[i] === 0) return;
  const none: readonly number[] = new Array<number>(rank).fill(0);
  const [s0 = none, s1 = none, s2 = none, s3 = none] = plan.strides;
  const index = new Int32Array(rank);
  for (;;) {
    visit(p0, p1, p2, p3);
    let axis = rank - 1;
    for (;;) {
      p0 += s0[axis];
      p1 += s1[axis];
      p2 += s2[axis];
      p3 += s3[axis];
      if (++index[axis] < outer[axis]) break;
      const d = outer[axis];
      p0 -= s0[axis] * d;
      p1 -= s1[axis] * d;
      p2 -= s2[axis] * d;
      p3 -= s3[axis] * d;
      index[axis] = 0;
      if (--axis < 0) return;
    }
  }
}
