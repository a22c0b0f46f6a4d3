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

/** Something a scope can close over. */
export interface Disposable {
  dispose(): void;
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
