// The WebAssembly kernels of this package, `wasm/index.as`.
import { defineKernels } from '@seq/tensor';
import type { KernelModule } from '@seq/tensor';
import { builds } from '../wasm/modules.js';

/** Both work on units from … to − 1 of a call in words. */
export interface FlashKernels {
  /** A unit is a batch row, a head group and `rowsOfUnit` of its rows. */
  flashForward(call: number, from: number, to: number): void;
  /** A unit is a batch row and a head group. */
  flashBackward(call: number, from: number, to: number): void;
}

export const flashKernels: KernelModule<FlashKernels> = /* @__PURE__ */ defineKernels(builds);
