import { add, broadcastTo, eye, slice, treeMap, vjp, zeros, zerosLike } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { cloneState } from '@seq/nn';
import type { CausalMixer } from '@seq/nn';
import type { Matrix } from './linear-algebra.js';

/** State of the recurrent mixers: what it shows, and the cell of an LSTM. */
export interface RecurrentState {
  /** [B, H] */
  readonly h: Tensor;
  /** [B, H] */
  readonly c?: Tensor;
}

// oxlint-disable-next-line typescript/no-explicit-any
export type RecurrentMixer = CausalMixer<any, any>;

/** What a model did on one sequence. */
export interface Trajectory {
  /** Inputs of the last K positions, [K][C]. */
  readonly x: Float64Array[];
  /** States h, before the first of them and after each: [K + 1][H]. */
  readonly h: Float64Array[];
  /** The same of the cell, where there is one. */
  readonly c?: Float64Array[];
  /** ∂h_T/∂h_{T−k} for k = 1 … K, exact. */
  readonly jacobians: Matrix[];
}

/**
 * Runs a model over a sequence and differentiates its last state by each of the K states before it.
 *
 * To every state h_t a zero p_t is added; the gradient by p_t is that by h_t. H rows run side by side, the cotangent
 * of row i is the unit vector i, and so one backward pass gives all rows of all K Jacobians. The cell of an LSTM is
 * held at t: what passes through it passes from h_t through the gates of t + 1.
 *
 * @param x  [1, before + K, C] f64: the first positions only bring the state into its usual range
 */
export async function trajectory(
  mixer: RecurrentMixer,
  params: unknown,
  x: Tensor,
  before: number,
): Promise<Trajectory> {
  const K = x.shape[1] - before;
  const like = { dtype: x.dtype, device: x.device } as const;
  const [, reached] = mixer.prefill(params, slice(x, 1, 0, before), mixer.initState(1, like)) as [
    Tensor,
    RecurrentState,
  ];
  const H = reached.h.shape[1];
  const at = (t: number): Tensor => broadcastTo(x.at(before + t, 1), [H, x.shape[2]]);

  const fold = (p: Tensor[]): RecurrentState[] => {
    const states: RecurrentState[] = [];
    let state = treeMap((s) => broadcastTo(s, [H, H]), reached);
    for (const [t, zero] of p.entries()) {
      const moved = { ...state, h: add(state.h, zero) };
      [, state] = mixer.step(params, at(t), moved) as [Tensor, RecurrentState];
      states.push(cloneState(state));
    }
    return states;
  };
  const zero = Array.from({ length: K }, () => zeros([H, H], like));
  const [states, [gradients]] = vjp(fold, [zero], (list) =>
    list.map((state, t) => ({
      ...treeMap(zerosLike, state),
      ...(t === K - 1 && { h: eye(H, like) }),
    })),
  );
  const rows = await Promise.all(gradients.map((g) => g.data()));
  const jacobians = rows.reverse().map((data) => ({ data: data as Float64Array, size: H }));

  const inputs = (await slice(x, 1, before).data()) as Float64Array;
  const C = x.shape[2];
  const all = [reached, ...states];
  const first = async (s: Tensor): Promise<Float64Array> => (await s.at(0).data()) as Float64Array;
  return {
    x: Array.from({ length: K }, (_, t) => inputs.subarray(t * C, (t + 1) * C)),
    h: await Promise.all(all.map(({ h }) => first(h))),
    ...(reached.c && { c: await Promise.all(all.map(({ c }) => first(c!))) }),
    jacobians,
  };
}
