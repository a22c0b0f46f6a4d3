import type { Contender } from './contender.js';
import { countLine, counts, countsOfAll, findings } from './counts.js';
import type { CountRow } from './counts.js';
import { items } from './items.js';
import { peerCounts } from './peer-counts.js';
import type { PeerCount } from './peer-counts.js';
import { installWebGPU } from './platform.js';
import { seq } from './seq.js';
import { watch } from './watched.js';

/** Items that libraries are counted on. */
const counted = ['training step', 'decode step', 'gru 256 B1', 'lstm 256 B1'];

/** Rows, and what of them is above its bars. */
interface Counted {
  readonly rows: readonly (CountRow | PeerCount)[];
  readonly findings: readonly string[];
}

/** Counts what compiled models ask of a GPU; with `peers` what other libraries ask of this machine's adapter as well. */
export async function countsCommand(
  { peers, plans }: { peers: boolean; plans: boolean },
  peersOn: () => Promise<Contender[]>,
  print: (text: string) => void,
): Promise<Counted> {
  const own = [...(await counts()), ...(await countsOfAll())];
  for (const row of own) {
    print(countLine(row));
    if (plans) print(row.plan);
  }
  const above = own.flatMap((row) => findings(row).map((text) => `${row.model}, ${row.form}: ${text}`));
  for (const text of above) print(text);
  return { rows: peers ? [...own, ...(await besides(peersOn, print))] : own, findings: above };
}

async function besides(
  peersOn: () => Promise<Contender[]>,
  print: (text: string) => void,
): Promise<PeerCount[]> {
  const watched = watch(installWebGPU());
  const { requestWebGPU } = await import('@seq/webgpu-kernels');
  let found = '';
  // As on a GPU, also where a program plays one.
  const device = await requestWebGPU({ joinDispatches: true, log: (text) => void (found = text) });
  print(`\nOne warm run of each library, counted between it and the device (${found}):`);
  const contenders = [seq(device, 'seq'), ...(await peersOn())];
  const all: PeerCount[] = [];
  for (const name of counted) {
    const { rows, without } = await peerCounts(items.webgpu[name](), contenders, watched);
    for (const { model, library, dispatches, submits, newObjects } of rows)
      print(
        `${model.padEnd(16)} ${library.padEnd(18)} ${String(dispatches).padStart(5)} dispatches, ${String(submits).padStart(4)} submits, ${String(newObjects).padStart(5)} new objects`,
      );
    for (const line of without) print(`  ${line}`);
    all.push(...rows);
  }
  return all;
}
