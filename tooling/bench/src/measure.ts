import type { Contender, Prepared } from './contender.js';
import type { DeviceKind, Item } from './items.js';

/** One line of the report. */
export interface Row {
  readonly item: string;
  readonly device: string;
  /** Device, date and machine of the run. */
  readonly run: string;
  /** Milliseconds, medians. */
  readonly ours: number;
  readonly peers: Readonly<Record<string, number>>;
  /** Ours divided by the best peer of the same kind whose values are right. */
  readonly ratio: number;
  /** The largest ratio that the project allows itself. */
  readonly bar: number;
  /** Peers that take no part, and why. */
  readonly excluded: Readonly<Record<string, string>>;
  /** Milliseconds of Seq with one thread and with two, in turns, before other libraries and their workers are there. */
  readonly threads?: { readonly one: number; readonly two: number };
}

/** How long and how often a contender runs. */
export interface Effort {
  /** Milliseconds of warm-up of each. */
  readonly warmUp: number;
  /** Turns, in which all run once after the other. */
  readonly turns: number;
  /** Milliseconds of one turn of one contender, at least one run. */
  readonly turn: number;
}

/** The middle of a list. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const m = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[m] : (sorted[m - 1] + sorted[m]) / 2;
}

/** Largest difference of two results, relative to the largest magnitude. */
export function difference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  let [diff, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    // NaN in either must not pass.
    const d = Math.abs(a[i] - b[i]);
    diff = d > diff || d !== d ? d : diff;
    if (diff !== diff) return Infinity;
    size = Math.max(size, Math.abs(a[i]));
  }
  return size === 0 ? diff : diff / size;
}

async function forAWhile(p: Prepared, ms: number): Promise<number> {
  const start = performance.now();
  let runs = 0;
  do {
    await p.run();
    runs++;
  } while (performance.now() - start < ms);
  return (performance.now() - start) / runs;
}

/**
 * Times one item on all contenders, the first of which is Seq: values compared, all warm, then in turns.
 *
 * A peer that fails or whose values differ from those of `truth` by more than 1e-3 of the largest takes no part.
 *
 * @param truth  what the values are compared with: the item computed by Seq on its CPU device
 * @throws Error when Seq's own values differ from the truth
 */
export async function measure(
  item: Item,
  contenders: readonly Contender[],
  truth: Contender,
  device: DeviceKind,
  { warmUp, turns, turn }: Effort,
  run: string = device,
): Promise<Row> {
  const field: { contender: Contender; prepared: Prepared; times: number[] }[] = [];
  for (const contender of contenders) {
    if (item.without?.includes(contender.name)) continue;
    const prepared = await contender.prepare(item);
    if (prepared !== null) field.push({ contender, prepared, times: [] });
  }
  const values = await truth.prepare(item).then(async (p) => {
    const read = await p!.read();
    p!.dispose();
    return read;
  });
  const excluded: Record<string, string> = {};
  for (const [i, { contender, prepared }] of [...field.entries()].reverse()) {
    let why: string | null = null;
    try {
      const d = difference(values, await prepared.read());
      if (!(d < 1e-3)) why = `wrong values (${d.toExponential(1)} of the largest)`;
    } catch (error) {
      why = `failed: ${(error as Error).message.split('\n')[0]}`;
    }
    if (why === null) continue;
    if (i === 0) throw new Error(`${item.name}: ${contender.name}: ${why}.`);
    excluded[contender.name] = why;
    field.splice(i, 1);
  }
  const [ours, ...peers] = field;
  for (const { prepared } of field) await forAWhile(prepared, warmUp);
  for (let i = 0; i < turns; i++) {
    for (const f of field) f.times.push(await forAWhile(f.prepared, turn));
  }
  for (const { prepared } of field) prepared.dispose();
  const times = new Map(field.map((f) => [f.contender, median(f.times)]));
  const best = Math.min(...peers.filter((p) => p.contender.comparable).map((p) => times.get(p.contender)!));
  return {
    item: item.name,
    device,
    run,
    ours: times.get(ours.contender)!,
    peers: Object.fromEntries(peers.map((p) => [p.contender.name, times.get(p.contender)!])),
    ratio: times.get(ours.contender)! / best,
    bar: item.bar,
    excluded,
  };
}
