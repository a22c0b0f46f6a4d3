import { at, concat, OptionError, ShapeError, scope, show, split, stack, swapAxes } from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';
import { dropout as drop } from '@seq/nn';

/** One layer of a stack: weights for time running forward and, in a bidirectional stack, against it. */
export interface Layer<W> {
  readonly forward: W;
  readonly reverse?: W;
}

/** Options that stacks of all cells share. */
export interface StackOptions {
  /** [B] i32: positions that count in each row; the rest gives 0 and is passed over in both directions. */
  readonly lengths?: Tensor;
  /** True: x and y are [B, T, ·]; false: [T, B, ·]. States are [layers · directions, B, ·] either way. Default true. */
  readonly batchFirst?: boolean;
  /** Part of the units of every layer but the last that is dropped, in [0, 1). Default 0. */
  readonly dropout?: number;
  /** Randomness for dropout; without it nothing is dropped. */
  readonly key?: Key;
}

/** Runs one layer in one direction from its part of the initial states, and answers with its part of the final ones. */
export type RunLayer<W> = (
  x: Tensor,
  weights: W,
  initial: readonly (Tensor | undefined)[],
  reverse: boolean,
) => [y: Tensor, final: readonly Tensor[]];

/**
 * Layers one above the other; both directions of a layer read the same input and their outputs lie side by side.
 *
 * @param initial  per kind of state a tensor [layers · directions, B, ·] in the order l0, l0 reverse, l1, …; zero if absent
 * @throws OptionError  no layers, layers of unlike directions, dropout outside [0, 1)
 * @throws ShapeError   initial states of another number of layers
 */
export function runStack<W>(
  fn: string,
  x: Tensor,
  layers: readonly Layer<W>[],
  initial: readonly (Tensor | undefined)[],
  { batchFirst = true, dropout = 0, key }: StackOptions,
  run: RunLayer<W>,
): [y: Tensor, final: Tensor[]] {
  const directions = checkLayers(fn, layers);
  if (!(dropout >= 0 && dropout < 1))
    throw new OptionError(`${fn}: dropout must be in [0, 1), got ${dropout}. Give the part that is dropped.`);

  return scope(() => {
    const keys = key && layers.length > 1 ? split(key, layers.length - 1) : undefined;
    const finals: (readonly Tensor[])[] = [];
    let y = batchFirst ? x : swapAxes(x, 0, 1);
    layers.forEach((layer, l) => {
      const outputs: Tensor[] = [];
      for (const [d, weights] of [layer.forward, layer.reverse].entries()) {
        if (!weights) continue;
        const first = initial.map((s) => s && part(fn, s, l * directions + d, layers.length * directions));
        const [out, final] = run(y, weights, first, d === 1);
        outputs.push(out);
        finals.push(final);
      }
      y = outputs.length > 1 ? concat(outputs, 2) : outputs[0];
      if (l < layers.length - 1) y = drop(y, dropout, keys?.[l]);
    });
    const final = finals[0].map((_, kind) =>
      stack(
        finals.map((states) => states[kind]),
        0,
      ),
    );
    return [batchFirst ? y : swapAxes(y, 0, 1), final];
  });
}

function checkLayers<W>(fn: string, layers: readonly Layer<W>[]): 1 | 2 {
  if (layers.length === 0)
    throw new OptionError(`${fn}: at least one layer is needed, got none. Give its weights.`);
  const both = layers.filter((layer) => layer.reverse).length;
  if (both > 0 && both < layers.length)
    throw new OptionError(
      `${fn}: all layers must run in the same directions, got ${both} of ${layers.length} with reverse weights. Give them to all or to none.`,
    );
  return both > 0 ? 2 : 1;
}

function part(fn: string, states: Tensor, index: number, count: number): Tensor {
  if (states.shape.length !== 3 || states.shape[0] !== count)
    throw new ShapeError(
      `${fn}: initial states must be [layers · directions, B, ·] with ${count} in front, got ${show(states.shape)}. Stack them in the order l0, l0 reverse, l1, ….`,
    );
  return at(states, index, 0);
}
