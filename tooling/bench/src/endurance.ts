import type { LanguageModel } from '@seq/lm';
import { disposeTree, key } from '@seq/tensor';
import type { Device } from '@seq/tensor';
import { adamw, randomCrops, startTraining, train } from '@seq/train';
import type { Watched } from './watched.js';

/** What a long run holds at one moment. */
export interface Held {
  /** Steps or tokens done. */
  readonly done: number;
  readonly tensors: number;
  readonly bytes: number;
  readonly pooledBytes: number;
  /** Of the GPU; 0 on the CPU. `bindGroups` were made so far, the others are alive. */
  readonly buffers: number;
  readonly bufferBytes: number;
  readonly bindGroups: number;
  /** JavaScript heap after a collection, in bytes. */
  readonly heap: number;
}

/** What runs, how long, and where. */
export interface EnduranceOptions {
  readonly lm: LanguageModel;
  readonly device: Device;
  /** What the GPU was asked for; absent on the CPU. */
  readonly watched?: Watched;
  /** Tokens to generate, in rows of `rows` side by side. */
  readonly tokens: number;
  readonly rows: number;
  /** Steps to train. */
  readonly steps: number;
  /** Moments at which each half is looked at, evenly spread; at the first all must be warm. Default 10. */
  readonly looks?: number;
  /** Collects garbage. */
  readonly collect: () => void;
}

/** Trains, then generates; what was held at some moments of each. */
export async function endure(o: EnduranceOptions): Promise<{ training: Held[]; generation: Held[] }> {
  const { lm, device, watched, tokens, rows, steps, looks = 10, collect } = o;
  const look = async (done: number): Promise<Held> => {
    // Finalisers run between tasks.
    for (let i = 0; i < 2; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const { tensors, bytes, pooledBytes } = device.memory();
    const { liveBuffers = 0, liveBytes = 0, bindGroups = 0 } = watched ?? {};
    const heap = process.memoryUsage().heapUsed;
    return {
      done,
      tensors,
      bytes,
      pooledBytes,
      buffers: liveBuffers,
      bufferBytes: liveBytes,
      bindGroups,
      heap,
    };
  };
  const [training, generation]: [Held[], Held[]] = [[], []];
  const { vocabSize } = lm.spec;
  const optimizer = adamw({ lr: 0.01 });
  const ids = Array.from({ length: 500 }, (_, i) => (i * i + (i >> 3)) % vocabSize);
  const data = randomCrops(ids, { B: 2, T: 8, device });
  const run = startTraining(lm, optimizer, { device });
  const isLook = (n: number, all: number): boolean => n % Math.max(1, Math.floor(all / looks)) === 0;
  await train(lm, run, {
    data,
    optimizer,
    steps,
    async onStep({ step }) {
      if (isLook(step, steps)) training.push(await look(step));
    },
  });
  const length = Math.ceil(tokens / rows);
  const prompts = Array.from({ length: rows }, (_, b) => [b % vocabSize]);
  const draw = key(7, { device });
  let n = 0;
  for await (const row of lm.generateBatch(run.params, prompts, { maxNewTokens: length, key: draw })) {
    if (row.length !== rows) throw new Error(`generateBatch: ${rows} tokens a step, got ${row.length}`);
    if (isLook(++n, length)) generation.push(await look(n * rows));
  }
  data.dispose();
  disposeTree([run.params, run.optState, run.key, draw]);
  return { training, generation };
}

/**
 * What grows in a run, in words; none when all is constant after the first moment. The heap of a JavaScript engine is
 * never still: it may be a megabyte, or a tenth, above what it was.
 */
export function growing(list: readonly Held[]): string[] {
  const [first, ...later] = list;
  if (later.length === 0) return ['looked at once only'];
  const found: string[] = [];
  for (const what of ['tensors', 'bytes', 'pooledBytes', 'buffers', 'bufferBytes', 'bindGroups'] as const) {
    const most = Math.max(...later.map((h) => h[what]));
    if (most > first[what]) found.push(`${what}: ${first[what]} → ${most}`);
  }
  const last = later.slice(-3).map((h) => h.heap);
  const allowed = first.heap + Math.max(2 ** 20, first.heap / 10);
  if (Math.min(...last) > allowed) found.push(`heap: ${first.heap} → ${Math.min(...last)}`);
  return found;
}
