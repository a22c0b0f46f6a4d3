// How a definition becomes a mixer: derived forms, run options, states that are moved. Checks are in mixer-check.ts.
import {
  arange,
  clip,
  cloneTree,
  foldIn,
  lt,
  move,
  OptionError,
  scan,
  scope,
  StateError,
  treeLeaves,
  treeMap,
  where,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import {
  checkBatch,
  checkCost,
  checkOptions,
  checkOutput,
  checkRowState,
  checkSequence,
  checkSpec,
  checkState,
  checkToken,
} from './mixer-check.js';
import type {
  CausalDefinition,
  CausalMixer,
  MixerCommon,
  NoncausalDefinition,
  NoncausalMixer,
  RunOption,
  RunOptions,
} from './mixer.js';

// Containers of states that a step or prefill has taken: a state without leaves has no handle that could die.
const moved = new WeakSet<object>();

/** Refuses a state that a step or prefill has taken. Its handles, if it has any, refuse by themselves. */
export function checkAlive(where: string, state: unknown): void {
  if (typeof state === 'object' && state !== null && moved.has(state)) {
    throw new StateError('state-moved', usedMessage(where));
  }
}

function usedMessage(where: string): string {
  return `${where}: this state was already used by an earlier step. Keep the state that step returned, or cloneState() before branching.`;
}

/** Takes a state: its handles die, the new ones are the taker's. */
function take<S>(where: string, state: S): S {
  const owned = move(state, usedMessage(where));
  moved.add(state as object);
  return owned;
}

/** Chosen row by row: `yes` where `mask [B]` is true, `no` elsewhere, for every leaf `[B, …]`. */
function selectRows<S>(mask: Tensor, yes: S, no: S): S {
  const pick = (a: Tensor, b: Tensor): Tensor => {
    const column = mask.reshape([mask.shape[0], ...new Array<number>(a.ndim - 1).fill(1)]);
    return where(column, a, b);
  };
  return treeMap(pick, yes, no);
}

/** True when every leaf of a state is `[B, …]`, so that rows can be chosen. */
function hasRows(state: unknown): boolean {
  return treeLeaves(state).every((leaf) => leaf.ndim > 0);
}

/** `[B, T]` bool: true at the positions that count. */
function validPositions(lengths: Tensor, T: number): Tensor {
  const positions = arange(0, T, 1, { dtype: 'i32', device: lengths.device });
  return lt(positions.reshape([1, T]), lengths.reshape([lengths.shape[0], 1]));
}

/** `x`, with zeros where `valid` is false. */
function masked(x: Tensor, valid: Tensor | undefined): Tensor {
  return valid ? where(valid.expandDims(-1), x, 0) : x;
}

/** y, with zeros where `valid` is false; never the caller's own handle of x. */
function answer(y: Tensor, x: Tensor, valid: Tensor | undefined): Tensor {
  return y === x ? x.alias() : masked(y, valid);
}

/** What `step` sees at one position, and over time: x `[B, C]` or `[B, T, C]`, the masks `[B]` or `[B, T]`, t `[1]` or `[1, T]`. */
type Now = { x: Tensor; valid?: Tensor; reset?: Tensor; t?: Tensor };

/** The run options that the definition's own functions are given. */
function passed(o: RunOptions, honours: readonly RunOption[]): RunOptions {
  const out: { -readonly [K in RunOption]?: Tensor } = {};
  for (const name of ['lengths', 'resets', 'key', 'context'] as const) {
    if (o[name] && (name === 'key' || honours.includes(name))) out[name] = o[name];
  }
  return out;
}

export function defineNoncausal<P>(d: NoncausalDefinition<P>): NoncausalMixer<P> {
  const name = checkSpec(d.spec);
  const honours = d.honours ?? [];
  return {
    ...declared(d),
    causal: false,
    honours,
    init: (key, o) => scope(() => d.init(key, { device: key.device, ...o })),
    forward(params, x, o = {}) {
      const at = `${name}.forward`;
      const { B, T } = checkSequence(at, d.spec.dModel, x);
      checkOptions(at, o, honours, [B, T], ['context', 'lengths', 'resets']);
      return scope(() => {
        const valid = o.lengths && validPositions(o.lengths, T);
        const y = d.forward(params, masked(x, valid), passed(o, honours));
        checkOutput(at, y, x);
        return answer(y, x, valid);
      });
    },
    cost: (at) => d.cost(checkCost(name, at)),
  };
}

export function defineCausal<P, S>(d: CausalDefinition<P, S>): CausalMixer<P, S> {
  const name = checkSpec(d.spec);
  const honours = d.honours ?? [];
  const { dModel } = d.spec;

  // `lengths` and `resets` can be derived when every leaf of the state has rows.
  let effective: readonly RunOption[] | undefined;
  const rowState = (): boolean => scope(() => hasRows(d.initState(1, { maxLength: 1 })));

  /** True when `prefill` (or `forward`) of the definition may be used with these options. */
  const direct = (o: RunOptions): boolean =>
    (!o.lengths || honours.includes('lengths')) && (!o.resets || honours.includes('resets'));

  const freshState = (like: Tensor, maxLength: number): S =>
    d.initState(like.shape[0], { device: like.device, dtype: like.dtype, maxLength: Math.max(1, maxLength) });

  /** What rows go back to at a reset. A cache for one position stands for any: nothing beyond a position is read. */
  const rowsAnew = (like: Tensor): S => freshState(like, 1);

  /** One position, where `valid` and `reset` are `[B]` masks that the definition knows nothing of. */
  const stepRows = (
    params: P,
    x: Tensor,
    state: S,
    o: RunOptions,
    masks: { valid?: Tensor | undefined; reset?: Tensor | undefined; initial?: S | undefined },
  ): [Tensor, S] => {
    const { valid, reset, initial } = masks;
    const before = reset ? selectRows(reset, initial as S, state) : state;
    const [y, after] = d.step(params, x, before, o);
    return [y, valid ? selectRows(valid, after, state) : after];
  };

  /** `step` folded over time; the body is recorded once. */
  const foldSteps = (
    at: string,
    params: P,
    x: Tensor,
    state: S,
    o: RunOptions,
    valid?: Tensor,
  ): [Tensor, S] => {
    const T = x.shape[1];
    if (o.resets || valid) checkRowState(at, state, o.resets ? 'resets' : 'lengths');
    const initial = o.resets ? rowsAnew(x) : undefined;
    const xs: Now = {
      x,
      ...(valid && { valid }),
      ...(o.resets && { reset: o.resets }),
      ...(o.key && { t: arange(0, T, 1, { dtype: 'i32', device: x.device }).reshape([1, T]) }),
    };
    const rest = passed({ ...(o.context && { context: o.context }) }, honours);
    const body = (carry: S, now: Now): [S, Tensor] => {
      const { x: token, valid, reset, t } = now;
      const options = o.key && t ? { ...rest, key: foldIn(o.key, t.reshape([])) } : rest;
      const [y, next] = stepRows(params, token, carry, options, { valid, reset, initial });
      checkOutput(`${name}.step`, y, token);
      return [next, y];
    };
    const [last, y] = scan(body, state, xs, { axis: 1 });
    return [y, last];
  };

  const runPrefill = (at: string, params: P, x: Tensor, state: S, o: RunOptions): [Tensor, S] => {
    const T = x.shape[1];
    const valid = o.lengths && validPositions(o.lengths, T);
    const shown = masked(x, valid);
    const within = o.lengths ? { ...o, lengths: clip(o.lengths, 0, T) } : o;
    const [y, next] =
      d.prefill && direct(o)
        ? d.prefill(params, shown, state, passed(within, honours))
        : foldSteps(at, params, shown, state, o, valid);
    checkOutput(at, y, x);
    return [answer(y, x, valid), next];
  };

  return {
    ...declared(d),
    causal: true,
    get honours() {
      return (effective ??= rowState()
        ? [...new Set<RunOption>([...honours, 'lengths', 'resets'])]
        : honours);
    },
    init: (key, o) => scope(() => d.init(key, { device: key.device, ...o })),
    initState(batch, o) {
      checkBatch(name, batch);
      // New containers: a definition may hand out the same empty state again and again.
      return scope(() => treeMap((leaf) => leaf, d.initState(batch, o)));
    },
    forward(params, x, o = {}) {
      const at = `${name}.forward`;
      const { B, T } = checkSequence(at, dModel, x);
      checkOptions(at, o, honours, [B, T], ['context']);
      return scope(() => {
        const { lengths, ...unpadded } = o; // what follows a row's length cannot change what stands before it
        const valid = lengths && validPositions(lengths, T);
        const shown = masked(x, valid);
        if (!d.forward || !direct(unpadded)) {
          const [y] = runPrefill(at, params, shown, freshState(x, T), unpadded);
          return answer(y, x, valid);
        }
        const y = d.forward(params, shown, passed(unpadded, honours));
        checkOutput(at, y, x);
        return answer(y, x, valid);
      });
    },
    prefill(params, x, state, o = {}) {
      const at = `${name}.prefill`;
      const { B, T } = checkSequence(at, dModel, x);
      checkOptions(at, o, honours, [B, T], ['context']);
      checkAlive(at, state);
      checkState(at, state, B);
      return scope((): [Tensor, S] => {
        const [y, next] = runPrefill(at, params, x, take(at, state), o);
        return [y, own(next)];
      });
    },
    step(params, x, state, o = {}) {
      const at = `${name}.step`;
      const { B } = checkToken(at, dModel, x);
      checkOptions(at, o, honours, [B], ['context']);
      checkAlive(at, state);
      checkState(at, state, B);
      return scope((): [Tensor, S] => {
        const owned = take(at, state);
        const valid = o.lengths && lt(0, o.lengths);
        const shown = masked(x, valid);
        const masks = o.lengths !== undefined || o.resets !== undefined;
        let result: [Tensor, S];
        if (masks && (!direct(o) || hasRows(owned))) {
          checkRowState(at, owned, o.resets ? 'resets' : 'lengths');
          const { lengths: _, resets: reset, ...rest } = o;
          const initial = reset && rowsAnew(x);
          result = stepRows(params, shown, owned, passed(rest, honours), { valid, reset, initial });
        } else {
          result = d.step(params, shown, owned, passed(o, honours));
        }
        const [y, next] = result;
        checkOutput(at, y, x);
        return [answer(y, x, valid), own(next)];
      });
    },
    cost: (at) => d.cost(checkCost(name, at)),
  };
}

/** Handles of its own for a state that may hold the very handles of x, y or the parameters: moving it later must not kill those. */
function own<S>(state: S): S {
  return cloneTree(state);
}

type Declared = Pick<MixerCommon<never>, 'spec' | 'noDecay' | 'serial' | 'reach'>;

function declared(d: Declared): Declared {
  if (d.reach !== undefined && !(d.reach >= 1)) {
    throw new OptionError(`defineMixer: reach must be at least 1, the present position, got ${d.reach}.`);
  }
  return {
    spec: d.spec,
    ...(d.noDecay && { noDecay: d.noDecay }),
    ...(d.serial && { serial: d.serial }),
    ...(d.reach !== undefined && { reach: d.reach }),
  };
}
