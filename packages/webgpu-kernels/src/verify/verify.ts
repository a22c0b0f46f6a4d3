import type { Tensor } from '@seq/tensor';
import { createCpu, scope } from '@seq/tensor';
import type { GpuVariant, Op } from '@seq/tensor/engine';
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
  /** Cases beside those of `@seq/tensor`'s ops, such as a room's own; or in their place with `only`. */
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
  const begun = performance.now();
  const { chooser } = device;
  const byOp = new Map<Op, VerifyCase[]>();
  for (const c of only ? cases : [...tensorCases(), ...cases]) {
    const list = byOp.get(c.op);
    if (list === undefined) byOp.set(c.op, [c]);
    else list.push(c);
  }
  const verdicts: Verdict[] = [];
  for (const [op, list] of byOp) {
    const wanted = await Promise.all(list.map((c) => results(c, createCpu({ name: 'reference' }))));
    const variants = chooser.kernelsOf(op)?.variants ?? [];
    for (const variant of variants) {
      const { ran, error, fault } = await judge(device, op, variant, list, wanted);
      const replaceable = op.reference !== undefined || variants.some((v) => v !== variant && !chooser.isDemoted(v));
      if (fault !== null && replaceable) chooser.demote(variant);
      const demoted = fault !== null && replaceable;
      verdicts.push({ op: op.name, variant: variant.name, cases: ran, error, fault, demoted });
    }
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
  ran: number;
  error: number;
  fault: string | null;
}

async function judge(
  device: WebGPUDevice,
  op: Op,
  variant: GpuVariant<unknown>,
  cases: readonly VerifyCase[],
  wanted: readonly Values[][],
): Promise<Judgement> {
  const found: Judgement = { ran: 0, error: 0, fault: null };
  for (const [i, c] of cases.entries()) {
    let ours: Values[] = [];
    let used = false;
    try {
      used = await device.chooser.force(op, variant, async () => {
        ours = await results(c, device);
      });
    } catch (error) {
      used = true;
      found.fault ??= (error as Error).message;
    }
    if (!used) continue;
    found.ran++;
    if (found.fault !== null) break;
    const { error, fault } = difference(ours, wanted[i], c.tolerance ?? 1e-5);
    found.error = Math.max(found.error, error);
    found.fault ??= fault;
  }
  return found;
}

interface Values {
  readonly data: ArrayLike<number>;
  readonly exact: boolean;
}

async function results(c: VerifyCase, device: Parameters<typeof sourceOn>[0]): Promise<Values[]> {
  const list = scope(() => {
    const r = c.run(sourceOn(device));
    return (Array.isArray(r) ? [...(r as Tensor[])] : [r as Tensor]) as Tensor[];
  });
  const values: Values[] = [];
  for (const t of list) {
    values.push({ data: await t.data(), exact: t.dtype !== 'f32' });
    t.dispose();
  }
  return values;
}

function difference(ours: readonly Values[], theirs: readonly Values[], tolerance: number): Judgement {
  const found: Judgement = { ran: 0, error: 0, fault: null };
  theirs.forEach(({ data, exact }, r) => {
    const got = ours[r].data;
    for (let i = 0; i < data.length; i++) {
      const [a, b] = [got[i]!, data[i]!];
      if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
      const error = Math.abs(a - b) / (1 + Math.abs(b));
      if (!(error <= found.error)) found.error = error;
      if (!(error <= (exact ? 0 : tolerance))) found.fault ??= `element ${i} is ${a}, the CPU has ${b}`;
    }
  });
  return found;
}

function describe({ device, verdicts, milliseconds, ok }: VerifyReport): string {
  const ran = verdicts.filter((v) => v.cases > 0);
  const wrong = verdicts.filter((v) => v.fault !== null);
  const worst = ran.reduce((e, v) => Math.max(e, v.error), 0);
  return [
    `${device}: ${ran.length} kernels of ${new Set(ran.map((v) => v.op)).size} operations in ${(milliseconds / 1000).toFixed(1)} s, largest error ${worst.toExponential(1)}`,
    ...wrong.map((v) => `  ${v.op}/${v.variant}: ${v.fault}${v.demoted ? '; no longer used' : '; nothing can replace it'}`),
    ok ? 'all agree with the CPU' : `${wrong.length} wrong`,
  ].join('\n');
}
