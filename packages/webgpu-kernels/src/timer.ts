import type { DispatchTime } from '@seq/tensor';
import { mapForReading, usage } from './constants.js';
import { patient } from './patient.js';

/** Timestamps of one query set: what every device allows. */
const perSet = 4096;

interface Timed {
  readonly queries: GPUQuerySet;
  readonly names: string[];
}

/** Takes the times of dispatches, each in a pass of its own, by timestamp queries. */
export class Timer {
  readonly #gpu: GPUDevice;
  readonly #sets: Timed[] = [];

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Where the pass of the next dispatch writes when it begins and ends. */
  next(name: string): GPUComputePassTimestampWrites {
    let set = this.#sets.at(-1);
    if (set === undefined || 2 * set.names.length === perSet) {
      set = { queries: this.#gpu.createQuerySet({ type: 'timestamp', count: perSet }), names: [] };
      this.#sets.push(set);
    }
    const at = 2 * (set.names.push(name) - 1);
    return { querySet: set.queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** Waits for the work that was submitted; the times, by name, longest first. */
  async read(): Promise<DispatchTime[]> {
    const times = new Map<string, { -readonly [K in keyof DispatchTime]: DispatchTime[K] }>();
    for (const set of this.#sets) {
      const stamps = await this.#stamps(set);
      set.names.forEach((name, i) => {
        const time = times.get(name) ?? { name, count: 0, milliseconds: 0 };
        times.set(name, time);
        time.count++;
        time.milliseconds += Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6;
      });
    }
    this.#sets.length = 0;
    return [...times.values()].sort((a, b) => b.milliseconds - a.milliseconds);
  }

  async #stamps({ queries, names }: Timed): Promise<BigUint64Array> {
    const size = 16 * names.length;
    const resolved = this.#gpu.createBuffer({ size, usage: usage.queries | usage.copySource });
    const staging = this.#gpu.createBuffer({ size, usage: usage.mapRead | usage.copyTarget });
    const encoder = this.#gpu.createCommandEncoder();
    encoder.resolveQuerySet(queries, 0, 2 * names.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    this.#gpu.queue.submit([encoder.finish()]);
    await patient(this.#gpu, () => staging.mapAsync(mapForReading, 0, size));
    const stamps = new BigUint64Array(staging.getMappedRange(0, size).slice(0));
    for (const used of [resolved, staging, queries]) used.destroy();
    return stamps;
  }
}
