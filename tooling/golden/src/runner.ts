import type { Device } from '@seq/tensor';
import { compareGolden, parseGolden } from '@seq/testing/golden';
import type { GoldenCase, GoldenComparison } from '@seq/testing/golden';
import { Unsupported } from './adapter.js';
import type { Adapter } from './adapter.js';
import { evaluate } from './evaluate.js';
import { readCase } from './find.js';
import type { CaseFile } from './find.js';

/** One tensor compared in one precision. */
export type Comparison = GoldenComparison & {
  readonly precision: 'f32' | 'f64';
  /** Computed through `flashAttention`. */
  readonly flash?: true;
};

/** How one case fared. */
export interface CaseResult {
  readonly name: string;
  readonly family: string;
  readonly status: 'passed' | 'failed' | 'unsupported';
  /** Why not; absent when it passed. */
  readonly reason?: string;
  readonly comparisons: readonly Comparison[];
  readonly milliseconds: number;
}

/** Where cases run, and with which adapters. */
export interface RunContext {
  readonly device: Device;
  readonly precisions: readonly ('f64' | 'f32')[];
  readonly adapters: Readonly<Record<string, Adapter>>;
  /** Second adapters of some families, through `flashAttention`: all that the first ones compare is compared again. */
  readonly flash?: Readonly<Record<string, Adapter>>;
}

/** Runs one case: everything that it stores as a result is computed and compared, in every precision. */
export async function runCase(file: CaseFile, context: RunContext): Promise<CaseResult> {
  const start = performance.now();
  const comparisons: Comparison[] = [];
  const result = (status: CaseResult['status'], reason?: string): CaseResult => ({
    name: file.name,
    family: file.family,
    status,
    ...(reason === undefined ? {} : { reason }),
    comparisons,
    milliseconds: performance.now() - start,
  });
  try {
    const golden = parseGolden(readCase(file));
    const misnamed = mismatch(file, golden);
    if (misnamed) return result('failed', misnamed);
    const of = (all: RunContext['adapters'] = {}): Adapter | undefined =>
      Object.hasOwn(all, file.family) ? all[file.family] : undefined;
    const [adapter, second] = [of(context.adapters), of(context.flash)];
    if (!adapter) return result('unsupported', 'no adapter for this family yet');
    const names = [...golden.tensors.keys()].filter((name) => /^(out|grad|state)\./.test(name));
    if (names.length === 0) return result('failed', 'the case stores no result to compare');
    const ways = [{ adapter }, ...(second ? [{ adapter: second, flash: true } as const] : [])];
    for (const { adapter, ...way } of ways)
      for (const precision of context.precisions) {
        const computed = await evaluate(golden, adapter, { device: context.device, dtype: precision });
        for (const name of names) {
          if (precision === 'f32' && golden.illConditioned.includes(name)) continue;
          const compared = compareGolden(golden, name, computed.get(name), precision);
          comparisons.push({ ...compared, precision, ...way });
        }
      }
  } catch (error) {
    if (error instanceof Unsupported) return result('unsupported', error.message);
    return result('failed', error instanceof Error ? error.message : String(error));
  }
  const wrong = comparisons.filter((c) => !c.passed);
  if (comparisons.length === 0)
    return result('unsupported', 'nothing of it can be compared in the precisions of this device');
  if (wrong.length === 0) return result('passed');
  return result(
    'failed',
    wrong.map((c) => `${c.flash ? 'flash ' : ''}${c.precision} ${c.name}: ${c.reason}`).join('; '),
  );
}

/** Why a file is not the case that its folder or index says; undefined when it is. */
function mismatch({ name, family, listed }: CaseFile, golden: GoldenCase): string | undefined {
  const inside = `${golden.family}/${golden.case}`;
  if (golden.family !== family) return `the file holds the case ${inside}, it lies under ${family}`;
  return listed && inside !== name
    ? `the file holds the case ${inside}, index.json lists ${name}`
    : undefined;
}

/** Counts by status. */
export function tally(results: readonly CaseResult[]): {
  passed: number;
  failed: number;
  unsupported: number;
} {
  const count = (status: CaseResult['status']): number => results.filter((r) => r.status === status).length;
  return { passed: count('passed'), failed: count('failed'), unsupported: count('unsupported') };
}

/** A line for a case: what was compared and how near it came to its bounds, or why not. */
export function line(result: CaseResult): string {
  const word = { passed: 'ok  ', failed: 'FAIL', unsupported: 'n/a ' }[result.status];
  const name = result.name.padEnd(32);
  if (result.status !== 'passed') return `${word}  ${name}  ${result.reason ?? ''}`;
  const ways = (['f64', 'f32'] as const).flatMap((precision) => [
    [precision, false] as const,
    [precision, true] as const,
  ]);
  const parts = ways.flatMap(([precision, flash]) => {
    const list = result.comparisons.filter((c) => c.precision === precision && (c.flash ?? false) === flash);
    const worst = list.reduce<Comparison | null>((w, c) => (w && share(w) >= share(c) ? w : c), null);
    return worst
      ? [
          `${flash ? 'flash ' : ''}${precision} ${list.length} tensors, worst ${percent(share(worst))} of the bound (${worst.name})`,
        ]
      : [];
  });
  return `${word}  ${name}  ${parts.join('; ')}`;
}

function share({ error, bound }: GoldenComparison): number {
  return error === 0 ? 0 : error / bound;
}

function percent(x: number): string {
  return x === 0 ? '0 %' : x < 1e-4 ? '< 0.01 %' : `${(100 * x).toFixed(x < 0.01 ? 2 : 0)} %`;
}
