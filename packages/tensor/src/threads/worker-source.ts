import { layout as at } from './layout.js';

/**
 * The program of a worker: text, so that it needs no file of its own. It takes tasks until it is told to stop and sleeps
 * while there are none. Kernels are compiled from the bytes in the shared memory when a task first names them.
 * A function, so that a page without threads carries none of it.
 */
export const workerSource = (): string => `
const work = ({ memory, control, base }) => {
  const words = new Int32Array(control);
  const numbers = new Float64Array(control);
  const loaded = [];
  const kernels = (i) => {
    if (loaded[i]) return loaded[i];
    const from = words[${at.modules} + 2 * i];
    const bytes = new Uint8Array(control).slice(from, from + words[${at.modules + 1} + 2 * i]);
    const own = new Uint8Array(bytes.length);
    own.set(bytes);
    const tensor = i === 0 ? {} : kernels(0).exports;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(own), { env: { memory, base }, tensor });
    return (loaded[i] = { exports, list: Object.values(exports) });
  };
  const task = (i) => {
    const t = ${at.tasks} + i * ${at.taskStride};
    kernels(numbers[t]).list[numbers[t + 1]](...numbers.subarray(t + 3, t + 3 + numbers[t + 2]));
  };
  kernels(0);
  Atomics.add(words, ${at.ready}, 1);
  for (let idle = 0; ; ) {
    const claim = Atomics.load(words, ${at.claim});
    if (Atomics.load(words, ${at.stop}) === 1) return;
    if ((claim & 255) === 0) {
      if (idle++ > 2000) Atomics.wait(words, ${at.claim}, claim);
      continue;
    }
    if (Atomics.compareExchange(words, ${at.claim}, claim, claim - 1) !== claim) continue;
    idle = 0;
    try {
      task((claim & 255) - 1);
    } catch {
      Atomics.store(words, ${at.failed}, 1);
    }
    Atomics.add(words, ${at.done}, 1);
    Atomics.notify(words, ${at.done});
  }
};
`;
