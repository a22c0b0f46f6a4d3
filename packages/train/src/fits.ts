import { FormatError, show, SpecError, treeEntries, treeLeaves } from '@seq/tensor';
import type { Tree } from '@seq/tensor';

/** The spec of a file must be the one asked for. */
export function checkSpec(where: string, wanted: unknown, got: unknown): void {
  const difference = firstDifference(JSON.parse(JSON.stringify(wanted)), got, 'spec');
  if (difference === undefined) return;
  throw new SpecError(
    `${where}: the file must hold the model asked for, but ${difference}. Build the model from the file's spec, or choose its file.`,
  );
}

/** In words where two JSON values first differ, or undefined. */
function firstDifference(wanted: unknown, got: unknown, path: string): string | undefined {
  const isTree = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null;
  if (!isTree(wanted) || !isTree(got) || Array.isArray(wanted) !== Array.isArray(got)) {
    return wanted === got ? undefined : `${path} is ${shortly(got)} there and ${shortly(wanted)} here`;
  }
  for (const k of new Set([...Object.keys(wanted), ...Object.keys(got)])) {
    const difference = firstDifference(wanted[k], got[k], `${path}.${k}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function shortly(value: unknown): string {
  const text = JSON.stringify(value) ?? 'absent';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Names, shapes and dtypes of a loaded tree must be those of `like`. */
export function checkFits(where: string, name: string, tree: Tree, like: Tree): void {
  const got = new Map(treeEntries(tree));
  const remedy = "Build the model from the file's spec, or choose its file.";
  for (const [path, wanted] of treeEntries(like)) {
    const t = got.get(path);
    if (t === undefined)
      throw new FormatError(`${where}: the file must hold '${name}.${path}', got no such tensor. ${remedy}`);
    if (show(t.shape) !== show(wanted.shape) || t.dtype !== wanted.dtype) {
      throw new FormatError(
        `${where}: '${name}.${path}' must be ${wanted.dtype} ${show(wanted.shape)}, got ${t.dtype} ${show(t.shape)}. ${remedy}`,
      );
    }
    got.delete(path);
  }
  const [more] = got.keys();
  if (more !== undefined || treeLeaves(tree).length !== treeLeaves(like).length) {
    throw new FormatError(
      `${where}: the file must hold what the model has, got '${name}.${more}' as well. ${remedy}`,
    );
  }
}
