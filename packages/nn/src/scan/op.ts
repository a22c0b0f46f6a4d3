import {
  add,
  apply,
  defineOp,
  DTypeError,
  expandDims,
  mul,
  OptionError,
  referenceVjp,
  reshape,
  scope,
  ShapeError,
  show,
  squeeze,
  sub,
  sum,
  where,
  zeros,
} from '@seq/tensor';
import type { Aval, Op, Tensor, VjpCall } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { backwardScratch, scanBackward } from './backward.js';
import { forwardScratch, scanForward } from './forward.js';
import { scanBackwardReference, scanReference } from './reference.js';
import { listOf, operandsOf, scanBackwardCost, scanCost, scanOutputs, sizesOf } from './shapes.js';
import type { ScanAttrs } from './shapes.js';

const gpu = /* @__PURE__ */ lazyKernels('matrixScan', () => import('./kernels.js'));

/** Options of `matrixScan`. */
export interface MatrixScanOptions {
  /** [B, H, K, V] state before the first position; zero if absent. */
  readonly initial?: Tensor;
  /** g ≤ 0, [B, T, H] for heads or [B, T, H, K] for their key channels; −∞ forgets all, 0 nothing. Default 0. */
  readonly logDecay?: Tensor;
  /** What is read from the state before it decays: a [B, T, H, K], and b [B, T, H, K], the key it is written back with. */
  readonly erase?: { readonly read: Tensor; readonly write?: Tensor };
  /** [B, T] bool: true where the state is cleared before that position. */
  readonly resets?: Tensor;
  /** L, positions between two states that are kept for the gradient. Default 64. */
  readonly chunkSize?: number;
}

const name = 'matrixScan';

/**
 * A matrix for a memory: what keys wrote to it decays, is erased, and is read by queries.
 *
 *   S_t = diag(e^{g_t}) S_{t−1} + k_t v_tᵀ                                        o_t = S_tᵀ q_t
 *   S_t = diag(e^{g_t}) S_{t−1} + k_t (v_t + S_{t−1}ᵀ a_t)ᵀ                       with erase { read: a }
 *   S_t = diag(e^{g_t}) S_{t−1} + k_t v_tᵀ + b_t (S_{t−1}ᵀ a_t)ᵀ                  with erase { read: a, write: b }
 *
 * Linear attention (no g), RetNet, Mamba-2 (a scalar g), GLA (g per key channel), delta rules (a = −β k), RWKV-7
 * (a = −κ, b = κ ∘ α). The gradient keeps the states at the borders of chunks and computes the others again: memory
 * O(T (K + V) + T/L · K V) for each head. No exponent is positive as long as g is not.
 *
 * @param q        [B, T, G, K]  queries; H is a multiple of G, consecutive heads share one
 * @param k        [B, T, G, K]  keys
 * @param v        [B, T, H, V]  values; any T ≥ 0
 * @param options  initial [B, H, K, V], logDecay, erase, resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError   shapes that do not fit together
 * @throws DTypeError   tensors that are not all f32 or all f64, resets that are not bool
 * @throws OptionError  a chunkSize that is no positive integer
 * @see Yang et al. 2024, arXiv:2312.06635, eq. 3–5; Yang et al. 2024, arXiv:2406.06484, eq. 6–9; Dao and Gu 2024,
 *      arXiv:2405.21060, section 6
 */
export function matrixScan(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { initial, logDecay, erase, resets, chunkSize: chunk = 64 }: MatrixScanOptions = {},
): [o: Tensor, state: Tensor] {
  if (!Number.isInteger(chunk) || chunk < 1)
    throw new OptionError(`${name}: chunkSize must be a positive integer, got ${chunk}. 64 is usual.`);
  if (q.ndim !== 4 || v.ndim !== 4)
    throw new ShapeError(
      `${name}: q and k must be [B, T, G, K] and v [B, T, H, V], got ${show(q.shape)}, ${show(k.shape)} and ${show(v.shape)}.`,
    );
  const [B, T, , K] = q.shape;
  const [, , H, V] = v.shape;
  return scope(() => {
    const like = { dtype: v.dtype, device: v.device };
    let [g, a] = [logDecay, erase?.read];
    if (resets) {
      checkResets(resets, B, T);
      const now = reshape(resets, [B, T, 1]);
      const cleared = g?.ndim === 4 ? reshape(resets, [B, T, 1, 1]) : now;
      g = where(cleared, -Infinity, g ?? zeros([B, T, H], like));
      if (a) a = mul(a, sub(1, reshape(resets, [B, T, 1, 1]).cast(v.dtype)));
    }
    const attrs: ScanAttrs = {
      chunk,
      decay: !g ? 'none' : g.ndim === 4 ? 'key' : 'head',
      erase: !a ? 'none' : erase?.write ? 'pair' : 'own',
    };
    const first = initial ?? zeros([B, H, K, V], like);
    const operands = { q, k, v, initial: first, ...(g && { g }), ...(a && { a }) };
    const inputs = listOf({ ...operands, ...(erase?.write && { b: erase.write }) });
    if (T === 0) {
      checkScan(inputs, attrs);
      return [zeros([B, 0, H, V], like), first];
    }
    const [o, state] = apply(T === 1 ? matrixStepOp : matrixScanOp, inputs, attrs) as Tensor[];
    return [o, state];
  });
}

function checkResets({ shape, dtype }: Tensor, B: number, T: number): void {
  if (shape.join() !== [B, T].join())
    throw new ShapeError(
      `${name}: resets must be [B, T] = ${show([B, T])}, got ${show(shape)}. Give one flag per position.`,
    );
  if (dtype !== 'bool')
    throw new DTypeError(`${name}: resets must be bool, got ${dtype}. Use cast(resets, 'bool').`);
}

function checkScan(inputs: readonly Aval[], attrs: ScanAttrs): void {
  const { q, k, v, initial, g, a, b } = operandsOf(inputs, attrs);
  const [B, T, G, K] = q.shape;
  const [, , H, V] = v.shape;
  const expect = (what: string, x: Aval | undefined, letters: string, shape: readonly number[]): void => {
    if (!x || x.shape.join() === shape.join()) return;
    throw new ShapeError(
      `${name}: ${what} must be ${letters} = ${show(shape)}, got ${show(x.shape)}. G and K come from q ${show(q.shape)}, H and V from v ${show(v.shape)}.`,
    );
  };
  expect('k', k, '[B, T, G, K]', [B, T, G, K]);
  expect('v', v, '[B, T, H, V]', [B, T, H, V]);
  expect('initial', initial, '[B, H, K, V]', [B, H, K, V]);
  if (attrs.decay === 'head') expect('logDecay', g, '[B, T, H]', [B, T, H]);
  else expect('logDecay', g, '[B, T, H, K]', [B, T, H, K]);
  expect('erase.read', a, '[B, T, H, K]', [B, T, H, K]);
  expect('erase.write', b, '[B, T, H, K]', [B, T, H, K]);
  if (G < 1 || H % G !== 0)
    throw new ShapeError(`${name}: the heads of q and k must divide those of v, H = ${H}, got G = ${G}.`);
  const types = [...new Set(inputs.map((x) => x.dtype))];
  if (types.length !== 1 || (types[0] !== 'f32' && types[0] !== 'f64'))
    throw new DTypeError(
      `${name}: tensors must be all f32 or all f64, got ${types.join(' and ')}. Use cast().`,
    );
}

/** The op behind `matrixScan`; `scanOutputs` says what it answers. */
export const matrixScanOp: Op<ScanAttrs> = /* @__PURE__ */ defineOp<ScanAttrs>({
  name,
  infer(inputs, attrs) {
    checkScan(inputs, attrs);
    return scanOutputs(inputs, attrs);
  },
  cpu: scanForward,
  webgpu: () => gpu().scanKernels,
  scratch: (inputs) => forwardScratch(inputs[0].shape[3], inputs[2].shape[3]),
  reference: scanReference,
  vjp(call) {
    const [, , dStarts, dWritten] = call.cotangents;
    if (dStarts || dWritten) return referenceVjp(scanReference, call); // in a second differentiation only
    return gradients(call, call.outputs.slice(2));
  },
  cost: (inputs, _, attrs) => scanCost(sizesOf(inputs[0], inputs[2], attrs), attrs),
});

/** One position: o and the state alone, since what its gradient starts from is among the inputs. */
export const matrixStepOp: Op<ScanAttrs> = /* @__PURE__ */ defineOp<ScanAttrs>({
  name: 'matrixScan.step',
  infer(inputs, attrs) {
    checkScan(inputs, attrs);
    return scanOutputs(inputs, attrs).slice(0, 2);
  },
  cpu: scanForward,
  inplace: [[1, 3]],
  webgpu: () => gpu().stepKernels,
  scratch: (inputs) => forwardScratch(inputs[0].shape[3], inputs[2].shape[3]),
  reference: (inputs, attrs) => scanReference(inputs, attrs).slice(0, 2),
  vjp(call) {
    const { v, initial, a, b } = operandsOf(call.inputs, call.attrs);
    const starts = expandDims(initial, 1);
    if (!a) return gradients(call, [starts]);
    const seen = expandDims(sum(mul(expandDims(squeeze(a, 1), -1), initial), 2), 1);
    return gradients(call, [starts, b ? seen : add(v, seen)]);
  },
  cost: (inputs, _, attrs) => scanCost(sizesOf(inputs[0], inputs[2], attrs), attrs),
});

/** Gradients of the inputs by the op below, from the states that chunks begin with and what erasing wrote. */
function gradients(
  { inputs, outputs: [o, state], cotangents: [dO, dState], attrs, needs }: VjpCall<ScanAttrs>,
  kept: readonly Tensor[],
): (Tensor | null)[] {
  const all = [dO ?? o.zeros(), dState ?? state.zeros(), ...inputs, ...kept];
  const grads = apply(matrixScanBackwardOp, all, attrs) as Tensor[];
  return grads.map((x, i) => (!needs[i] ? null : i < 2 ? sumGroups(x, inputs[i].shape) : x));
}

/** Gradients of the inputs from dO, dState, the inputs, and the last outputs of the scan; q's and k's for all H heads. */
export const matrixScanBackwardOp: Op<ScanAttrs> = /* @__PURE__ */ defineOp<ScanAttrs>({
  name: `${name}.backward`,
  infer(all, attrs) {
    const inputs = all.slice(2, all.length - (attrs.erase === 'none' ? 1 : 2));
    const { B, T, H, K } = sizesOf(inputs[0], inputs[2], attrs);
    return inputs.map(({ shape, dtype }, i) => ({ shape: i < 2 ? [B, T, H, K] : shape, dtype }));
  },
  cpu: scanBackward,
  webgpu: () => gpu().scanBackwardKernels,
  scratch(all, { chunk }) {
    const [, T, , K] = all[2].shape;
    return backwardScratch(K, all[4].shape[3], Math.min(chunk, T));
  },
  reference(all, attrs) {
    const kept = attrs.erase === 'none' ? 1 : 2;
    return scanBackwardReference(all.slice(0, all.length - kept), attrs);
  },
  cost: (all, _, attrs) => scanBackwardCost(sizesOf(all[2], all[4], attrs), attrs),
});

/** [B, T, H, K] → [B, T, G, K]: the gradient of what heads share is the sum of theirs. */
function sumGroups(x: Tensor, [B, T, G, K]: readonly number[]): Tensor {
  return x.shape[2] === G ? x : sum(reshape(x, [B, T, G, x.shape[2] / G, K]), 3);
}
