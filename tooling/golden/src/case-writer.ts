import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodeSafetensors } from '@seq/tensor';
import type { RawTensor } from '@seq/tensor';
import { hostRandom, magnitude } from '@seq/testing/golden';
import type { HostArray } from '@seq/testing/golden';

/** Arrays under the names of a case: `in.x`, `param.weight`, `out.y`. */
export type Arrays = Record<string, HostArray>;

/** A case whose results a function computes. */
export interface Recipe {
  readonly family: string;
  readonly case: string;
  readonly options?: Record<string, unknown>;
  /** `in.*` and `param.*`. */
  readonly inputs: Arrays;
  /** `out.*` and `state.*` in float64. */
  compute(inputs: Arrays): Arrays;
  /** Outputs in the loss; default those in `out.*` that are floats. Empty: no gradients. */
  readonly loss?: readonly string[];
  /** Inputs with a gradient; default all floats. */
  readonly moving?: readonly string[];
}

/** Float64 by which numbers of the formulas are trusted: those of gradients are differences. */
const tolerance = { f64_rel_to_max: 1e-8 };

/** Bytes of a golden case: what the recipe computes, and gradients by central differences of it. */
export function caseBytes(recipe: Recipe): Uint8Array {
  const { family, case: name, options = {}, inputs, compute } = recipe;
  const results = compute(inputs);
  const loss = recipe.loss ?? Object.keys(results).flatMap((n) => (n.startsWith('out.') ? [n.slice(4)] : []));
  const all: Arrays = { ...inputs, ...results };
  const random = hostRandom(2000);
  for (const output of loss) all[`in.G.${output}`] = random.normal(results[`out.${output}`].shape);
  if (loss.length > 0) {
    const value = (moved: Arrays): number => {
      const outputs = compute(moved);
      let sum = 0;
      for (const output of loss)
        outputs[`out.${output}`].data.forEach((v, i) => (sum += v * all[`in.G.${output}`].data[i]));
      return sum;
    };
    for (const [input, host] of Object.entries(inputs)) {
      if (host.dtype || !(recipe.moving ?? [input]).includes(input)) continue;
      all[`grad.${input}`] = { shape: host.shape, data: differences(inputs, input, value) };
    }
  }
  const entries: Record<string, RawTensor> = {};
  for (const [n, host] of Object.entries(all)) entries[n] = raw(host, /^(in|param)\./.test(n));
  const f32: Record<string, number> = {};
  for (const [n, host] of Object.entries(all))
    if (/^(out|grad|state)\./.test(n)) f32[n] = Math.max(1e-6, 1e-4 * magnitude(host.data));
  return encodeSafetensors(entries, {
    format: 'seq-golden-1',
    family,
    case: name,
    options: JSON.stringify(options),
    loss: loss.length > 0 ? loss.map((o) => `sum(out.${o}*in.G.${o})`).join(' + ') : 'none',
    tolerance: JSON.stringify({ ...tolerance, f32_abs: f32 }),
  });
}

/** d value / d input by fourth-order central differences. */
function differences(inputs: Arrays, name: string, value: (moved: Arrays) => number): Float64Array {
  const { data, shape } = inputs[name];
  const h = 1e-3;
  return data.map((_, i) => {
    const at = (d: number): number =>
      value({ ...inputs, [name]: { shape, data: data.map((v, j) => (i === j ? v + d : v)) } });
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  });
}

function raw({ data, shape, dtype }: HostArray, input: boolean): RawTensor {
  const values =
    dtype === 'i32'
      ? Int32Array.from(data)
      : dtype === 'bool'
        ? Uint8Array.from(data)
        : input
          ? Float32Array.from(data)
          : data;
  const name = dtype === 'i32' ? 'I32' : dtype === 'bool' ? 'BOOL' : input ? 'F32' : 'F64';
  return { dtype: name, shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

/** Writes cases as a folder of the golden format, with or without its index. */
export function writeCases(
  dir: string,
  recipes: readonly Recipe[],
  { index = true }: { index?: boolean } = {},
): void {
  const list = recipes.map((recipe) => {
    const bytes = caseBytes(recipe);
    const file = `${recipe.family}/${recipe.case}.safetensors`;
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { family: recipe.family, case: recipe.case, file, bytes: bytes.length, sha256 };
  });
  if (index)
    writeFileSync(join(dir, 'index.json'), JSON.stringify({ format: 'seq-golden-1', cases_list: list }));
}
