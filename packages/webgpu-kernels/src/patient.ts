type Schedule = (look: (...args: unknown[]) => void, ...args: unknown[]) => unknown;

const scope = globalThis as unknown as { setImmediate?: Schedule };

/** Devices whose adapter is a program on the CPU. */
const onCpu = /* @__PURE__ */ new WeakSet<GPUDevice>();

/** Milliseconds from an answer's request on in which it is looked for without a pause. */
const eager = 1;
let asked = 0;

/** Notes that the adapter of a device is a program on the CPU. */
export function runsOnCpu(device: GPUDevice): void {
  onCpu.add(device);
}

/**
 * Asks a device of the platform for something that comes later.
 *
 * The WebGPU of Node looks for answers by one `setImmediate` after the other, and so keeps a core from an adapter that is
 * a program on the CPU. It takes the function from the global scope whenever it needs it; while it is called here it
 * finds one that pauses for a millisecond between looks once the first has passed.
 */
export function patient<T>(device: GPUDevice, ask: () => T): T {
  if (scope.setImmediate === undefined || !onCpu.has(device)) return ask();
  asked = performance.now();
  return withPauses(ask);
}

function withPauses<T>(call: () => T): T {
  const own = scope.setImmediate;
  scope.setImmediate = (look, ...args) => {
    const next = (): void => withPauses(() => look(...args));
    return performance.now() - asked < eager ? own!(next) : setTimeout(next, 1);
  };
  try {
    return call();
  } finally {
    scope.setImmediate = own!;
  }
}
