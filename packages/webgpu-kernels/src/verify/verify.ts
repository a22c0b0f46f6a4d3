import type { Device, Tensor } from '@seq/tensor';
import { createCpu, scope } from '@seq/tensor';
import type { GpuVariant, Op } from '@seq/tensor/engine';
import { loadKernels } from '@seq/tensor/engine';
import type { WebGPUDevice } from '../device.js';
import type { VerifyCase } from './cases.js';
import { tensorCases } from './cases.js';
import { sourceOn } from './source.js';

/** How one variant of one op fared. */
export interface Verdict {
  readonly op: string;
  readonly variant: string;
  /** Cases that it computed; 0 when none of them suits it on this adapter. */
  readonly cases: number;
  /** Largest |ours − theirs| / (1 + |theirs|). */
  readonly error: number;
  /** What is wrong, or null. */
  readonly fault: string | null;
  /** True when the variant is not chosen any more because of it. */
  readonly demoted: boolean;
}

/** The kernels of a device held against the CPU. */
export interface VerifyReport {
  readonly device: string;
  readonly verdicts: readonly Verdict[];
  readonly milliseconds: number;
  /** True when every variant that ran is right. */
  readonly ok: boolean;
  toString(): string;
}

/** Options of `verify`. */
export interface VerifyOptions {
  /** Cases beside those of `@seq/tensor`'s ops, such as those that rooms export; or in their place with `only`. */
  cases?: readonly VerifyCase[];
  /** Leave out the cases of `@seq/tensor`'s ops. Default false. */
  only?: boolean;
}

/**
 * Holds every kernel variant of the device against the CPU, on the user's own adapter, within seconds, and demotes
 * those that are wrong: from then on another variant, or the op's reference, computes what they would have.
 *
 * A variant without any other to take its place stays and is named in the report.
 */
export async function verify(
  device: WebGPUDevice,
  { cases = [], only = false }: VerifyOptions = {},
): Promise<VerifyReport> {
  await loadKernels();
  const begun = performance.now();
  const { chooser } = device;
  const own = tensorCases();
  const ours = new Set(own.map((c) => c.op));
  const byOp = new Map<Op, VerifyCase[]>();
  for (const c of only ? cases : [...own, ...cases]) {
    const used = c.op === undefined ? usedBy(device, c).filter((op) => !ours.has(op)) : [c.op];
    for (const op of used) byOp.set(op, [...(byOp.get(op) ?? []), c]);
  }
  const truth = createCpu({ name: 'reference' });
  // All is recorded before anything is awaited, so that the shaders compile together.
  const trials = [...byOp].flatMap(([op, list]) =>
    (chooser.kernelsOf(op)?.variants ?? []).map((variant) => ({
      op,
      variant,
      runs: list.map((c) => ({ c, begun: begin(device, op, variant, c) })),
    })),
  );
  let alone = false;
  const verdicts: Verdict[] = [];
  for (const { op, variant, runs } of trials) {
    const found: Judgement = { error: 0, fault: null };
    let ran = 0;
    for (const { c, begun: first } of runs) {
      if (first === null) continue;
      ran++;
      const tolerance = c.tolerance ?? 1e-5;
      const theirs = await finish(call(c, truth));
      let ours: Values[] | Error = await finish(first).catch((error: unknown) => error as Error);
      // What one kernel does wrong makes all that was recorded behind it suspect: from there on each runs alone.
      alone ||= ours instanceof Error;
      if (alone) {
        const again = begin(device, op, variant, c);
        ours = await (again === null ? Promise.resolve([]) : finish(again)).catch(
          (error: unknown) => error as Error,
        );
      }
      if (ours instanceof Error) found.fault ??= ours.message;
      else compare(found, ours, theirs, tolerance);
    }
    const others = chooser.kernelsOf(op)!.variants.some((v) => v !== variant && !chooser.isDemoted(op, v));
    const demoted = found.fault !== null && (op.reference !== undefined || others);
    if (demoted) chooser.demote(op, variant);
    verdicts.push({ op: op.name, variant: variant.name, cases: ran, ...found, demoted });
  }
  const report = {
    device: device.name,
    verdicts,
    milliseconds: performance.now() - begun,
    ok: verdicts.every((v) => v.fault === null),
    toString: () => describe(report),
  };
  return report;
}

interface Judgement {
  /** Largest |ours − theirs| / (1 + |theirs|). */
  error: number;
  fault: string | null;
}

interface Values {
  readonly data: ArrayLike<number>;
  /** True for integers and flags, which must be equal. */
  readonly exact: boolean;
}

/** The results of a case, recorded. */
function call(c: VerifyCase, device: Device): Tensor[] {
  return scope(() => {
    const r = c.run(sourceOn(device));
    return Array.isArray(r) ? [...(r as Tensor[])] : [r as Tensor];
  });
}

/** The ops whose kernels a case may use. What goes wrong on the way shows when the case is judged. */
function usedBy(device: WebGPUDevice, c: VerifyCase): Op[] {
  const used = device.chooser.watch(() => {
    try {
      const results = call(c, device);
      device.flush();
      for (const t of results) t.dispose();
    } catch {
      return;
    }
  });
  return [...used].filter((op) => device.chooser.kernelsOf(op) !== undefined);
}

/** The same with a variant; null when it does not suit the case. An error at once is one that comes later. */
function begin(
  device: WebGPUDevice,
  op: Op,
  variant: GpuVariant<unknown>,
  c: VerifyCase,
): Tensor[] | Promise<never> | null {
  let results: Tensor[] = [];
  try {
    device.flush();
    const used = device.chooser.force(op, variant, () => {
      results = call(c, device);
      device.flush();
    });
    if (used) return results;
    for (const t of results) t.dispose();
    return null;
  } catch (error) {
    const rejected = Promise.reject(error);
    rejected.catch(() => {}); // looked at when its turn comes
    return rejected;
  }
}

async function finish(recorded: Tensor[] | Promise<never>): Promise<Values[]> {
  const tensors = await recorded;
  try {
    const values: Values[] = [];
    for (const t of tensors) values.push({ data: await t.data(), exact: t.dtype !== 'f32' });
    return values;
  } finally {
    for (const t of tensors) t.dispose();
  }
}

function compare(
  found: Judgement,
  ours: readonly Values[],
  theirs: readonly Values[],
  tolerance: number,
): void {
  theirs.forEach(({ data, exact }, r) => {
    const got = ours[r].data;
    for (let i = 0; i < data.length; i++) {
      const [a, b] = [got[i], data[i]];
      if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
      const error = Math.abs(a - b) / (1 + Math.abs(b));
      if (!(error <= found.error)) found.error = error;
      if (!(error <= (exact ? 0 : tolerance))) found.fault ??= `element ${i} is ${a}, the CPU has ${b}`;
    }
  });
}

function describe({ device, verdicts, milliseconds, ok }: VerifyReport): string {
  const ran = verdicts.filter((v) => v.cases > 0);
  const wrong = verdicts.filter((v) => v.fault !== null);
  const worst = ran.reduce((e, v) => Math.max(e, v.error), 0);
  return [
    `${device}: ${ran.length} kernels of ${new Set(ran.map((v) => v.op)).size} operations in ${(milliseconds / 1000).toFixed(1)} s, largest error ${worst.toExponential(1)}`,
    ...wrong.map(
      (v) =>
        `  ${v.op}/${v.variant}: ${v.fault}${v.demoted ? '; no longer used' : '; nothing can replace it'}`,
    ),
    ok ? 'all agree with the CPU' : `${wrong.length} wrong`,
  ].join('\n');
}
