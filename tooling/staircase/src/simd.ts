import { address, apply1, defineKernels, defineOp, runParts } from '@seq/tensor';
import type { KernelModule, Op } from '@seq/tensor';
import type { CausalMixer } from '@seq/nn';
import { gammaTapsOp } from './kernel.js';
import { gammaMemoryOver } from './parallel.js';
import type { GammaTaps } from './parallel.js';
import type { GammaOptions, GammaParams, GammaState } from './step.js';
import { builds } from './wasm/modules.js';

/** What `wasm/index.as` exports. */
interface GammaKernels {
  gammaTaps(
    g: number,
    x: number,
    rate: number,
    taps: number,
    rows: number,
    T: number,
    C: number,
    N: number,
  ): void;
}

const gammaKernels: KernelModule<GammaKernels> = /* @__PURE__ */ defineKernels(builds);

/** The op of the stair below, with a kernel in WebAssembly for f32. */
export const simdGammaTapsOp: Op<null> = defineOp<null>({
  ...gammaTapsOp,
  cpu(call) {
    const [g] = call.outputs;
    const [B, T, C, N] = g.shape;
    const [x, rate, taps] = call.inputs.map(address);
    const ran =
      g.data instanceof Float32Array &&
      runParts(call, gammaKernels, 'gammaTaps', B, B * T * C * N, (from, to) => [
        address(g) + 4 * from * T * C * N,
        x + 4 * from * T * C,
        rate,
        taps + 4 * from * C * N,
        to - from,
        T,
        C,
        N,
      ]);
    if (!ran) gammaTapsOp.cpu!(call);
  },
});

export const simdGammaTaps: GammaTaps = (x, rate, taps) => apply1(simdGammaTapsOp, [x, rate, taps], null);

export const gammaMemory: (options: GammaOptions) => CausalMixer<GammaParams, GammaState> = gammaMemoryOver(
  simdGammaTaps,
  () => 1,
);
