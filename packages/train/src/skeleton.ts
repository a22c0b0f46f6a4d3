import { FormatError, Tensor } from '@seq/tensor';
import type { Tree } from '@seq/tensor';

/**
 * The structure of a tree as JSON: `["t", name]` a tensor, `["l", …]` a list, `["o", {…}]` an object,
 * `["v", value]` anything else that JSON can hold.
 */
type Skeleton =
  | ['t', string]
  | ['l', Skeleton[]]
  | ['o', Record<string, Skeleton>]
  | ['v', string | number | boolean | null];

/** Trees deeper than this are no trees of parameters. */
const deepest = 100;

/** Takes a tree apart: its structure, and its tensors into `tensors` under names that begin with `name`. */
export function toSkeleton(name: string, tree: Tree, tensors: Map<string, Tensor>): Skeleton {
  if (tree instanceof Tensor) {
    if (tensors.has(name))
      throw new FormatError(
        `encodeCheckpoint: names must be unique, got '${name}' twice. Use no dots in the keys of trees.`,
      );
    tensors.set(name, tree);
    return ['t', name];
  }
  if (Array.isArray(tree)) return ['l', tree.map((node, i) => toSkeleton(`${name}.${i}`, node, tensors))];
  if (
    typeof tree === 'object' &&
    tree !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(tree) as object | null)
  ) {
    const entries = Object.entries(tree).filter(([, node]) => node !== undefined);
    return [
      'o',
      Object.fromEntries(entries.map(([k, node]) => [k, toSkeleton(`${name}.${k}`, node, tensors)])),
    ];
  }
  if (tree === undefined) return ['v', null];
  if (typeof tree === 'string' || typeof tree === 'boolean' || tree === null || Number.isFinite(tree)) {
    return ['v', tree as string | number | boolean | null];
  }
  throw new FormatError(
    `encodeCheckpoint: '${name}' must be a tensor or JSON, got ${Object.prototype.toString.call(tree).slice(8, -1)}. Leave it out of the tree.`,
  );
}

/** Puts a tree together again. Takes the tensors out of `tensors`, so that what remains is superfluous. */
export function fromSkeleton(skeleton: unknown, tensors: Map<string, Tensor>, depth: number = 0): Tree {
  if (depth > deepest)
    throw new FormatError(
      `decodeCheckpoint: trees must be at most ${deepest} deep. The file is damaged: use another one.`,
    );
  const [kind, value] = Array.isArray(skeleton) ? (skeleton as unknown[]) : [];
  if (kind === 't' && typeof value === 'string') {
    const t = tensors.get(value);
    if (t === undefined)
      throw new FormatError(
        `decodeCheckpoint: the tensor '${value}' is missing. The file is damaged: use another one.`,
      );
    tensors.delete(value);
    return t;
  }
  if (kind === 'l' && Array.isArray(value))
    return value.map((node) => fromSkeleton(node, tensors, depth + 1));
  if (kind === 'o' && typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([k, node]) => [k, fromSkeleton(node, tensors, depth + 1)]),
    );
  }
  if (kind === 'v' && (value === null || typeof value !== 'object')) return value;
  throw new FormatError(
    'decodeCheckpoint: the structure of a tree cannot be read. The file is damaged: use another one.',
  );
}
