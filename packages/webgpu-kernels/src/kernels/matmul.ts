import { finishedOp, matmulOp } from '@seq/tensor/engine';
import type { FusedAttrs, GpuCall, GpuLimits, GpuPlan, GpuVariant, Op } from '@seq/tensor/engine';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { epilogueOf, productOf } from './matmul/epilogue.js';
import type { MatmulPlanOptions } from './matmul/plan.js';
import { hasRows, isSkinny, planDirect, planLanes, planSkinny, planTiles } from './matmul/plan.js';

/** A way to compute a product, with or without something to do before it is written. */
interface Kernel {
  readonly name: string;
  supports(call: GpuCall<unknown>, limits: GpuLimits): true | string;
  plan(call: GpuCall<unknown>, limits: GpuLimits, options: MatmulPlanOptions): GpuPlan;
}

const f32 = ({ inputs: [a, b] }: GpuCall<unknown>): true | string =>
  (a.dtype === 'f32' && b.dtype === 'f32') || `needs f32, got ${a.dtype} and ${b.dtype}`;

const program = 'workgroup memory and barriers are slow on an adapter that is a program on the CPU';

/** Vector and matrix: sums along K by a whole workgroup. */
const skinny: Kernel = {
  name: 'skinny',
  supports(call, limits) {
    if (limits.software) return program;
    return isSkinny(call) ? f32(call) : 'is for at most four rows or columns';
  },
  plan: (call, _, options) => planSkinny(call, options),
};

/** Register blocks over tiles in workgroup memory. */
const tiled: Kernel = {
  name: 'tiles',
  supports: (call, limits) => (limits.software ? program : f32(call)),
  plan: (call, _, options) => planTiles(call, options),
};

/** Register blocks whose rows the lanes of a subgroup read together. */
const lanes: Kernel = {
  name: 'lanes',
  supports(call, { software, subgroupSize }) {
    if (!software || subgroupSize < 4) return 'is for a software adapter with subgroups of at least four';
    return hasRows(call) ? f32(call) : 'is for at least four rows';
  },
  plan: (call, limits, options) => planLanes(call, limits, options),
};

/** Register blocks read straight from storage: runs everywhere. */
const direct: Kernel = {
  name: 'registers',
  supports: f32,
  plan: (call, limits, options) => planDirect(call, limits, options),
};

const plain = ({ name, supports, plan }: Kernel): GpuVariant<null> => ({
  name,
  supports,
  plan: (call, limits) => plan(call, limits, {}),
});

export const skinnyVariant: GpuVariant<null> = plain(skinny);
export const tileVariant: GpuVariant<null> = plain(tiled);
export const directVariant: GpuVariant<null> = plain(direct);

/** Products finished by a chain that the planner found behind them. */
const finished = ({ name, supports, plan }: Kernel): GpuVariant<FusedAttrs> => ({
  name,
  supports: (call, limits) => supports(productOf(call), limits),
  plan: (call, limits) => plan(productOf(call), limits, { epilogue: epilogueOf(call) }),
});

/** Which ops the planner may let a chain finish. */
export const isProduct = (op: Op): boolean => op === matmulOp;

export const matmulKernels = (): Entry[] => [
  entry(matmulOp, {
    strided: true,
    variants: [skinnyVariant, tileVariant, plain(lanes), directVariant],
  }),
  entry(finishedOp, {
    strided: true,
    variants: [skinny, tiled, lanes, direct].map(finished),
    // What the chain reads beside the factors, element by element.
    inplace: Array.from({ length: 14 }, (_, i) => [0, i + 2] as const),
  }),
];
