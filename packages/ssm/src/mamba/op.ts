import { apply, defineOp, scope, vjp, zeros } from '@seq/tensor';
import type { Aval, Op, OpCost, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { backwardLoops, backwardScratch, forwardLoops, forwardScratch } from './cpu.js';
import { backwardKernel, backwardKernelScratch, forwardKernel } from './cpu-kernels.js';
import { scanReference } from './reference.js';
import { checkScan, scanSizes } from './shape.js';
import type { ScanAttrs } from './shape.js';

const gpu = /* @__PURE__ */ lazyKernels('selectiveScan', () => import('./gpu.js'));

/** Work on a state of a position: `each` operations per state, `row` per channel. */
function work(list: readonly Aval[], each: number, row: number): OpCost {
  const { B, T, C, N } = scanSizes(list);
  return { flops: B * T * C * (each * N + row) };
}

const extras = (attrs: ScanAttrs): number =>
  (attrs.softplus ? 1 : 0) + (attrs.bias ? 1 : 0) + (attrs.D ? 2 : 0) + (attrs.z ? 2 : 0);

/** Operations of the forward scan for each channel of a position. */
export function scanFlops(N: number, attrs: ScanAttrs): number {
  return 7 * N + 1 + extras(attrs);
}

/**
 * The op behind `selectiveScan`: inputs u, delta, A, B, C, h0, then D, z, deltaBias as `attrs` says; outputs y, the
 * last state, and the states at the beginning of each chunk [B, K, C, N], from which the gradient recomputes the others.
 */
export const selectiveScanOp: Op<ScanAttrs> = /* @__PURE__ */ defineOp<ScanAttrs>({
  name: 'selectiveScan',
  infer(inputs, attrs) {
    const { B, T, C, N, K } = checkScan(inputs, attrs);
    const { dtype } = inputs[0];
    return [
      { shape: [B, T, C], dtype },
      { shape: [B, C, N], dtype },
      { shape: [B, K, C, N], dtype },
    ];
  },
  cpu(call) {
    if (!forwardKernel(call)) forwardLoops(call);
  },
  scratch: (inputs) => forwardScratch(inputs[2].shape[1]),
  webgpu: () => gpu().forwardKernels,
  reference: scanReference,
  vjp({ inputs, outputs: [y, last, starts], cotangents: [dy, dlast], attrs, needs }) {
    const cotangents = [dy ?? y.zeros(), dlast ?? last.zeros()];
    const grads = apply(selectiveScanBackwardOp, [...inputs, ...cotangents, starts], attrs) as Tensor[];
    return grads.map((g, i) => (needs[i] ? g : null));
  },
  cost: (inputs, _, attrs) => work(inputs, 7, 1 + extras(attrs)),
});

/** Gradients by all inputs of the scan, from these, the cotangents of y and of the last state, and the kept states. */
export const selectiveScanBackwardOp: Op<ScanAttrs> = /* @__PURE__ */ defineOp<ScanAttrs>({
  name: 'selectiveScan.backward',
  infer: (inputs) => inputs.slice(0, -3).map(({ shape, dtype }) => ({ shape, dtype })),
  cpu(call) {
    if (!backwardKernel(call)) backwardLoops(call);
  },
  scratch: (inputs) => Math.max(backwardScratch(inputs), backwardKernelScratch(scanSizes(inputs))),
  webgpu: () => gpu().backwardKernels,
  reference(inputs, attrs) {
    const [dy, dlast] = inputs.slice(-3);
    const scan = (...list: Tensor[]): Tensor[] => scanReference(list, attrs).slice(0, 2);
    return vjp(scan, inputs.slice(0, -3), [dy, dlast])[1];
  },
  cost: (inputs, _, attrs) => work(inputs, 24, 6 + 2 * extras(attrs)),
});

/** Options of `selectiveScan`. */
export interface SelectiveScanOptions {
  /** [C] what of the input goes past the state; nothing if absent. */
  readonly D?: Tensor;
  /** [B, T, C] gate: y is multiplied by silu(z); none if absent. */
  readonly z?: Tensor;
  /** [C] is added to delta; nothing if absent. */
  readonly deltaBias?: Tensor;
  /** Step sizes are softplus(delta + deltaBias). Default false: they are taken as they are. */
  readonly deltaSoftplus?: boolean;
  /** [B, C, N] state before the first position; zero if absent. */
  readonly h0?: Tensor;
}

/** [B, T, N] as one group. */
function grouped(x: Tensor): Tensor {
  return x.shape.length === 3 ? x.expandDims(2) : x;
}

/**
 * Selective scan: every channel drives N states that fade and take in at rates the input chooses.
 *
 *   δ_t = softplus(delta_t + deltaBias)
 *   h_t = exp(δ_t A) ∘ h_{t−1} + δ_t u_t B_t        y_t = (C_tᵀ h_t + D ∘ u_t) ∘ silu(z_t)
 *
 * The states of all positions are never written out: forward they live in registers, backward they are computed again
 * from those at the beginning of each chunk of 16 to 64 positions. Gradients flow into h0 and through the last state.
 * Cost: 7 N flops per channel and position, and 24 N for the gradient.
 *
 * @param u      [B, T, C]     inputs; any T ≥ 0
 * @param delta  [B, T, C]     step sizes, before bias and softplus
 * @param A      [C, N]        rates of decay, ≤ 0 for a state that fades
 * @param Bs     [B, T, N]     what is taken in; [B, T, G, N] for G groups of channels, [C, N] the same at all positions
 * @param Cs     [B, T, N]     what is shown; as Bs
 * @param options  D [C], z [B, T, C], deltaBias [C], deltaSoftplus, h0 [B, C, N]
 * @returns      y [B, T, C] and the state after the last position [B, C, N]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Gu and Dao 2023, arXiv:2312.00752, eq. 2 and algorithm 2 (B is discretised by Euler's rule, as in their code)
 */
export function selectiveScan(
  u: Tensor,
  delta: Tensor,
  A: Tensor,
  Bs: Tensor,
  Cs: Tensor,
  { D, z, deltaBias, deltaSoftplus = false, h0 }: SelectiveScanOptions = {},
): [y: Tensor, h: Tensor] {
  return scope(() => {
    const initial =
      h0 ?? zeros([u.shape[0] ?? 0, u.shape[2] ?? 0, A.shape[1] ?? 0], { dtype: u.dtype, device: u.device });
    const attrs = { softplus: deltaSoftplus, D: !!D, z: !!z, bias: !!deltaBias };
    const optional = [D, z, deltaBias].filter((x): x is Tensor => x !== undefined);
    const inputs = [u, delta, A, grouped(Bs), grouped(Cs), initial, ...optional];
    const [y, h] = apply(selectiveScanOp, inputs, attrs) as Tensor[];
    return [y, h];
  });
}
