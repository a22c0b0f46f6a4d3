import { matmulOp } from '@seq/tensor/engine';
import type { GpuCall, GpuLimits, GpuVariant } from '@seq/tensor/engine';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { isSkinny, planDirect, planSkinny, planTiles } from './matmul/plan.js';

const f32 = ({ inputs }: GpuCall<null>): true | string =>
  inputs.every((x) => x.dtype === 'f32') || `needs f32, got ${inputs.map((x) => x.dtype).join(' and ')}`;

const program = 'workgroup memory and barriers are slow on an adapter that is a program on the CPU';

/** Vector and matrix: sums along K by a whole workgroup. */
export const skinnyVariant: GpuVariant<null> = {
  name: 'skinny',
  supports(call, limits) {
    if (limits.software) return program;
    return isSkinny(call) ? f32(call) : 'is for at most four rows or columns';
  },
  plan: (call) => planSkinny(call),
};

/** Register blocks over tiles in workgroup memory. */
export const tileVariant: GpuVariant<null> = {
  name: 'tiles',
  supports: (call, limits) => (limits.software ? program : f32(call)),
  plan: (call) => planTiles(call),
};

/** Register blocks whose rows four lanes read together: SwiftShader, whose subgroups are a CPU's vectors of four. */
export const subgroupVariant: GpuVariant<null> = {
  name: 'subgroup of four',
  supports(call, { software, subgroupSize }: GpuLimits) {
    if (!software || subgroupSize !== 4) return 'is for a software adapter with subgroups of four';
    return f32(call);
  },
  plan: (call, limits) => planDirect(call, limits, true),
};

/** Register blocks read straight from storage: runs everywhere. */
export const directVariant: GpuVariant<null> = {
  name: 'registers',
  supports: f32,
  plan: (call, limits) => planDirect(call, limits, false),
};

export const matmulKernels = (): Entry[] => [
  entry(matmulOp, { strided: true, variants: [skinnyVariant, tileVariant, subgroupVariant, directVariant] }),
];
