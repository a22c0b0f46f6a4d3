import type { Shape } from './engine/dtype.js';
import { bytesPerElement, sizeOf } from './engine/dtype.js';
import { titleOf } from './engine/fuse.js';
import { costOf } from './engine/program.js';
import type { Instruction, Planning, Program } from './engine/program.js';
import { siteOf } from './engine/value.js';
import { scanOp } from './scan.js';
import type { ScanAttrs } from './scan.js';

/** Kernels of a plan that do the same work. */
export interface PlannedKernel {
  /** Name of the op. */
  readonly op: string;
  /** Shape of the first result. */
  readonly shape: Shape;
  /** How often it runs, loops counted once per step. */
  readonly count: number;
  /** Work of all runs. */
  readonly flops: number;
  readonly matmulFlops: number;
  /** Bytes of operands and results of all runs. */
  readonly bytes: number;
}

/**
 * What a plan does and needs, known before it runs.
 *
 * FLOPs: a multiply-add is 2, an elementwise op 1 per result, a reduction 1 per operand, softmax and
 * log-sum-exp 4 per element, moving data 0.
 */
export interface Plan {
  /** Kernels grouped by op and shape, most work first. */
  readonly kernels: readonly PlannedKernel[];
  /** Kernel runs, loops counted once per step. */
  readonly runs: number;
  /**
   * What the device submits: one for each run, but several where a kernel goes over its data more than once, and one for
   * kernels that run side by side.
   */
  readonly dispatches: number;
  readonly flops: number;
  readonly matmulFlops: number;
  /** Bytes of operands and results of all kernels. */
  readonly bytesMoved: number;
  /** Bytes in use while it runs: arguments, results, temporaries. */
  readonly peakBytes: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly temporaryBytes: number;
  toString(): string;
}

/** The report of a program on a device that plans so. */
export function reportOf(program: Program, planning: Planning): Plan {
  const groups = new Map<string, { -readonly [K in keyof PlannedKernel]: PlannedKernel[K] }>();
  const visit = (p: Program, times: number): void => {
    for (const i of p.instructions) {
      if (i.op === scanOp) {
        const attrs = i.attrs as ScanAttrs;
        visit(attrs.program, times * attrs.length);
        continue;
      }
      const { flops, matmulFlops = 0 } = costOf(i, p.slots);
      const shape = i.outputs[0]?.layout.shape ?? [];
      const title = titleOf(i.op, i.attrs);
      const id = `${title} ${shape.join('×')}`;
      const g = groups.get(id) ?? { op: title, shape, count: 0, flops: 0, matmulFlops: 0, bytes: 0 };
      g.count += times;
      g.flops += times * flops;
      g.matmulFlops += times * matmulFlops;
      g.bytes += times * bytesOf(i, p);
      groups.set(id, g);
    }
  };
  visit(program, 1);
  const kernels = [...groups.values()].sort((a, b) => b.flops - a.flops || b.bytes - a.bytes);
  const total = (f: (k: PlannedKernel) => number): number => kernels.reduce((n, k) => n + f(k), 0);
  const runs = total((k) => k.count);
  const plan: Plan = {
    kernels,
    runs,
    dispatches: planning.dispatches?.(program) ?? runs,
    flops: total((k) => k.flops),
    matmulFlops: total((k) => k.matmulFlops),
    bytesMoved: total((k) => k.bytes),
    peakBytes: program.peakBytes,
    inputBytes: program.inputBytes,
    outputBytes: program.outputBytes,
    temporaryBytes: program.arenaBytes,
    toString: () => describe(plan),
  };
  return plan;
}

function bytesOf(i: Instruction, p: Program): number {
  let n = 0;
  for (const a of [...i.inputs, ...i.outputs]) {
    const slot = p.slots[a.slot];
    // What repeats is read once.
    n += Math.min(sizeOf(a.layout.shape), slot.length) * bytesPerElement(slot.aval.dtype);
  }
  return n;
}

const units = ['', 'k', 'M', 'G', 'T'];
function short(n: number): string {
  let u = 0;
  while (n >= 1000 && u < units.length - 1) {
    n /= 1000;
    u++;
  }
  return `${u === 0 ? n : n.toPrecision(3)} ${units[u]}`.trim();
}

/** Lines of a table whose first columns are words, the others numbers. */
export function tableOf(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  words: number = 2,
): string[] {
  const width = head.map((h, c) => Math.max(h.length, ...rows.map((r) => r[c].length)));
  const line = (r: readonly string[]): string =>
    r.map((s, c) => (c < words ? s.padEnd(width[c]) : s.padStart(width[c]))).join('  ');
  return [head, ...rows].map(line);
}

function describe(plan: Plan): string {
  const intensity = plan.bytesMoved === 0 ? 0 : plan.flops / plan.bytesMoved;
  const rows = plan.kernels.map((k) => [
    k.op,
    `[${k.shape.join(', ')}]`,
    `×${k.count}`,
    short(k.flops),
    short(k.bytes),
  ]);
  const table = tableOf(['kernel', 'result', 'runs', 'FLOPs', 'bytes'], rows);
  return [
    ...table,
    `${plan.runs} kernels in ${plan.dispatches} dispatches, ${short(plan.flops)}FLOP (${short(plan.matmulFlops)} in products), ` +
      `${short(plan.bytesMoved)}B moved, ${intensity.toFixed(2)} FLOP/B`,
    `peak ${plan.peakBytes} bytes: ${plan.inputBytes} arguments, ${plan.outputBytes} results, ${plan.temporaryBytes} temporaries`,
  ].join('\n');
}

/** The largest temporaries of a program, for messages. */
export function largest(program: Program, n: number = 3): string {
  return program.instructions
    .flatMap((i) => i.outputs.map((o) => ({ i, slot: program.slots[o.slot] })))
    .sort((a, b) => b.slot.bytes - a.slot.bytes)
    .slice(0, n)
    .map(
      ({ i, slot }) =>
        `${titleOf(i.op, i.attrs)} [${slot.aval.shape.join(', ')}] ${slot.bytes} bytes${i.node ? ` (${siteOf(i.node)})` : ''}`,
    )
    .join('; ');
}
