import { OptionError } from './engine/errors.js';
import { state } from './engine/state.js';
import { Tensor } from './tensor.js';
import { treeLeaves } from './tree.js';

/**
 * Runs `f` and disposes every handle made in it except those it returns.
 *
 * Nothing inside waits for the garbage collector. Scopes nest; what an inner one returns belongs to the outer.
 *
 * @throws OptionError when `f` is asynchronous: other code could then run inside the scope
 */
export function scope<T>(f: () => T): T {
  const handles: Tensor[] = [];
  state.scopes.push(handles);
  let result: T | undefined;
  try {
    result = f();
    if (result instanceof Promise) {
      throw new OptionError('scope: the function must not be asynchronous. Await outside, and dispose() by hand there.');
    }
    return result;
  } finally {
    state.scopes.pop();
    const outer = state.scopes[state.scopes.length - 1] as Tensor[] | undefined;
    const kept = new Set(result === undefined || result instanceof Promise ? [] : treeLeaves(result));
    for (const t of handles) {
      if (!kept.has(t) && !pinned.has(t)) t.dispose();
      else if (t.disposed) continue;
      else if (outer !== undefined) outer.push(t);
      else t.watch();
    }
  }
}

const pinned = new WeakSet<Tensor>();

/** Lets tensors survive the scopes they were made in; they then live until disposed or garbage collected. */
export function keep<T>(tree: T): T {
  for (const t of treeLeaves(tree)) pinned.add(t);
  return tree;
}
