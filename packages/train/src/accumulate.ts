import {
  arange,
  foldIn,
  OptionError,
  scan,
  ShapeError,
  show,
  treeEntries,
  treeFromEntries,
  treeMap,
  valueAndGrad,
  zeros,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';

/** Mean loss of some rows and the state after them; the state is null where none is carried. */
export type RowsLoss<P, S> = (
  params: P,
  tokens: Tensor,
  state: S,
  key: Key | undefined,
) => [loss: Tensor, state: S];

/** What lossAndGrads is given besides the function and its parameters. */
interface RowsBatch<S> {
  /** [B, T+1] i32 */
  readonly tokens: Tensor;
  /** Leaves [B, …], or scalars that all rows share. */
  readonly state: S;
  readonly key: Key | undefined;
}

/**
 * Loss and gradients of a batch, computed in `parts` parts of B / parts rows, one after the other.
 *
 *   loss = 1/n Σ_i loss(rows of part i),   grads = ∇ of that
 *
 * The parts are one loop of the plan, so its memory is that of one part beside the gradients. Where every target
 * counts this is the loss of the whole batch; part i draws its randomness from foldIn(key, i).
 *
 * @throws ShapeError  rows that cannot be shared out evenly
 */
export function lossAndGrads<P, S>(
  f: RowsLoss<P, S>,
  params: P,
  { tokens, state, key }: RowsBatch<S>,
  parts: number,
): [loss: Tensor, state: S, grads: P] {
  if (parts === 1) {
    const [[loss, next], grads] = valueAndGrad((p: P) => f(p, tokens, state, key), params);
    return [loss, next, grads];
  }
  const B = tokens.shape[0];
  if (B % parts !== 0) {
    throw new ShapeError(
      `trainStep: microBatches must divide the rows, got ${parts} for tokens ${show(tokens.shape)}. Make B a multiple of ${parts}.`,
    );
  }
  const cut = (x: Tensor): Tensor => x.reshape([parts, B / parts, ...x.shape.slice(1)]);
  const start = treeMap(
    (p) => zeros(p.shape, { device: p.device, dtype: isFloat(p) ? p.dtype : 'f32' }),
    params,
  );
  const xs = {
    tokens: cut(tokens),
    state: treeMap((x) => (x.ndim > 0 ? cut(x) : x.broadcastTo([parts])), state),
    index: arange(0, parts, 1, { dtype: 'i32', device: tokens.device }),
  };
  const [grads, ys] = scan(
    (sum: P, x: typeof xs): [P, { loss: Tensor; state: S }] => {
      const [[loss, after], g] = valueAndGrad((p: P): [Tensor, S] => {
        const [part, s] = f(p, x.tokens, x.state, key && foldIn(key, x.index));
        return [part.div(parts), s];
      }, params);
      return [added(sum, g), { loss, state: after }];
    },
    start,
    xs,
  );
  const next = treeMap(
    (y, before) => (before.ndim > 0 ? y.reshape([B, ...y.shape.slice(2)]) : y.at(0)),
    ys.state,
    state,
  );
  return [ys.loss.sum(), next, grads];
}

/** Checks the number of parts of a batch, and that B rows can be shared out among them where B is known. */
export function checkParts(where: string, parts: number, B: number = parts): void {
  if (!Number.isInteger(parts) || parts < 1) {
    throw new OptionError(
      `${where}: microBatches must be an integer ≥ 1, got ${parts}. It counts the parts of a batch; leave it out for one.`,
    );
  }
  if (B % parts !== 0) {
    throw new OptionError(
      `${where}: microBatches must divide the rows of a batch, got ${parts} for B = ${B}. Make B a multiple of ${parts}.`,
    );
  }
}

function added<P>(a: P, b: P): P {
  const other = new Map(treeEntries(b));
  const sums = treeEntries(a).map(([path, x]): [string, Tensor] => [path, x.add(other.get(path)!)]);
  return treeFromEntries(a, new Map(sums));
}

function isFloat({ dtype }: Tensor): boolean {
  return dtype === 'f32' || dtype === 'f64' || dtype === 'f16';
}
