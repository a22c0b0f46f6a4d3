import type { Contender } from './contender.js';
import { counts } from './counts.js';
import type { CountRow } from './counts.js';
import { items } from './items.js';
import { peerCounts } from './peer-counts.js';
import type { PeerCount } from './peer-counts.js';
import { installWebGPU } from './platform.js';
import { seq } from './seq.js';
import { watch } from './watched.js';

/** Items that libraries are counted on. */
const counted = ['training step', 'decode step', 'gru 256 B1', 'lstm 256 B1'];

/** Counts what compiled models ask of a GPU; with `peers` what other libraries ask of this machine's adapter as well. */
export async function countsCommand(
  { peers, plans }: { peers: boolean; plans: boolean },
  peersOn: () => Promise<Contender[]>,
  print: (text: string) => void,
): Promise<(CountRow | PeerCount)[]> {
  const rows = await counts();
  for (const { model, form, dispatches, submits, newObjects, peakBytes, bar, plan } of rows) {
    const verdict = dispatches <= bar && submits === 1 && newObjects === 0 ? 'ok' : 'ABOVE';
    print(
      `${`${model}, ${form}`.padEnd(46)} ${String(dispatches).padStart(4)} dispatches (bar ${bar}) ${verdict}, ${submits} submits, ${newObjects} new objects, ${(peakBytes / 2 ** 20).toFixed(2)} MiB`,
    );
    if (plans) print(plan);
  }
  return peers ? [...rows, ...(await besides(peersOn, print))] : rows;
}

async function besides(
  peersOn: () => Promise<Contender[]>,
  print: (text: string) => void,
): Promise<PeerCount[]> {
  const watched = watch(installWebGPU());
  const { requestWebGPU } = await import('@seq/webgpu-kernels');
  let found = '';
  const device = await requestWebGPU({ log: (text) => void (found = text) });
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
