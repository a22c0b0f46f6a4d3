import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { languageModel } from '@seq/lm';
import { gru } from '@seq/rnn';
import { createCpu } from '@seq/tensor';
import { endure, growing } from './endurance.js';
import type { Held } from './endurance.js';
import type { DeviceKind } from './items.js';
import { installWebGPU } from './platform.js';
import { watch } from './watched.js';

/** What a long run asks for. */
interface Length {
  readonly tokens: number;
  readonly rows: number;
  readonly steps: number;
}

/** Trains and generates for long and looks whether anything grows; prints what was held, answers with what grew. */
export async function enduranceCommand(
  kind: DeviceKind,
  length: Length,
  print: (text: string) => void,
): Promise<string[]> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const watched = kind === 'webgpu' ? watch(installWebGPU()) : undefined;
  const device =
    kind === 'webgpu' ? await (await import('@seq/webgpu-kernels')).requestWebGPU() : createCpu();
  const began = performance.now();
  const lm = languageModel({ vocabSize: 11, dModel: 8, mixers: [gru({ dModel: 8 })] });
  const { training, generation } = await endure({ lm, device, watched, collect, ...length });
  const table = (name: string, list: readonly Held[]): string[] => {
    for (const h of list)
      print(
        `${name} ${String(h.done).padStart(9)}: ${h.tensors} tensors, ${h.bytes} + ${h.pooledBytes} bytes, ${h.buffers} buffers of ${h.bufferBytes} bytes, ${h.bindGroups} bind groups made, heap ${(h.heap / 2 ** 20).toFixed(1)} MiB`,
      );
    const found = growing(list);
    print(`${name}: ${found.length === 0 ? 'constant' : `GROWING, ${found.join('; ')}`}`);
    return found.map((text) => `${name}: ${text}`);
  };
  const found = [...table('steps ', training), ...table('tokens', generation)];
  print(`${((performance.now() - began) / 1000).toFixed(0)} s on ${device.name}`);
  return found;
}
