import type { Contender } from './contender.js';
import type { Item } from './items.js';
import { objectsOf } from './watched.js';
import type { Watched } from './watched.js';

/** What one warm run of one library asks of the GPU, counted between the library and the device. */
export interface PeerCount {
  readonly model: string;
  readonly library: string;
  readonly device: 'webgpu';
  readonly dispatches: number;
  readonly submits: number;
  /** Buffers, bind groups, pipelines and shader modules made. */
  readonly newObjects: number;
}

/** Runs before the one that is counted. */
const WARM = 4;

/** Counts an item on each library that has it; one that fails is left out with its message. */
export async function peerCounts(
  item: Item,
  contenders: readonly Contender[],
  watched: Watched,
): Promise<{ rows: PeerCount[]; without: string[] }> {
  const rows: PeerCount[] = [];
  const without: string[] = [];
  for (const contender of contenders) {
    try {
      const prepared = await contender.prepare(item);
      if (prepared === null) {
        without.push(`${contender.name} has no ${item.name}`);
        continue;
      }
      for (let i = 0; i < WARM; i++) await prepared.run();
      const before = { ...watched };
      await prepared.run();
      rows.push({
        model: item.name,
        library: contender.name,
        device: 'webgpu',
        dispatches: watched.dispatches - before.dispatches,
        submits: watched.submits - before.submits,
        newObjects: objectsOf(watched) - objectsOf(before),
      });
      prepared.dispose();
    } catch (error) {
      without.push(`${contender.name}, ${item.name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  return { rows, without };
}
