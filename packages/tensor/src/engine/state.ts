import type { Tape } from './tape.js';
import type { Trace } from './trace.js';

/** What is going on at this moment; JavaScript runs one thing at a time, so plain variables suffice. */
export const state: {
  trace: Trace | null;
  /** Gradient tapes that watch, outermost first. */
  tapes: Tape[];
  /** Handles made since each open scope began, innermost last. */
  scopes: Disposable[][];
} = { trace: null, tapes: [], scopes: [] };

/** A handle as scopes see it. */
export interface Disposable {
  readonly disposed: boolean;
  dispose(): void;
  /** Lets the garbage collector release what nobody disposes. */
  watch(): void;
}

/** Runs `f` and disposes the handles made in it, except those that `kept` picks: they go to the outer scope. */
export function closing<T>(f: () => T, kept: (result: T | undefined) => (handle: Disposable) => boolean): T {
  const handles: Disposable[] = [];
  state.scopes.push(handles);
  let result: T | undefined;
  try {
    result = f();
    return result;
  } finally {
    state.scopes.pop();
    const outer = state.scopes[state.scopes.length - 1];
    const keep = kept(result);
    for (const h of handles) {
      if (!keep(h)) h.dispose();
      else if (h.disposed) continue;
      else if (outer !== undefined) outer.push(h);
      else h.watch();
    }
  }
}

/** The scope of an operation made of others: only its result, a handle or a list of them, lives on. */
export function temporaries<T extends Disposable | readonly Disposable[]>(f: () => T): T {
  return closing(f, (result) => (h) => h === result || (Array.isArray(result) && result.includes(h)));
}

/** Runs `f` unseen by the gradient tapes. */
export function withoutTapes<T>(f: () => T): T {
  const tapes = state.tapes;
  state.tapes = [];
  try {
    return f();
  } finally {
    state.tapes = tapes;
  }
}

/** Runs `f` while `trace` records, unseen by outer tapes. */
export function withTrace<T>(trace: Trace, f: () => T): T {
  const outer = state.trace;
  state.trace = trace;
  try {
    return withoutTapes(f);
  } finally {
    state.trace = outer;
  }
}
