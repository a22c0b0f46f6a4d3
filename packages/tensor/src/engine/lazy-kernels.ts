import { DeviceError } from './errors.js';
import type { GpuKernels } from './gpu.js';
import type { Op } from './op.js';

/** How to bring each module that was announced and is not here yet. */
const absent = new Set<() => Promise<void>>();

/**
 * Announces a module of WebGPU kernels. It is imported when somebody asks for a GPU, so that programs which do not, carry
 * none of its text:
 *
 *     const gpu = /* @__PURE__ *\/ lazyKernels('swish', () => import('./kernels.js'));
 *     … defineOp({ …, webgpu: () => gpu().swishKernels })
 *
 * @param name  the module's owner, for messages
 * @returns     gives the module; before it is loaded it throws a DeviceError
 */
export function lazyKernels<M>(name: string, load: () => Promise<M>): () => M {
  let module: M | null = null;
  const bring = async (): Promise<void> => {
    try {
      module = await load();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new DeviceError(
        `${name}: its WebGPU kernels must load, the platform answered: ${reason}. Serve all files of the build, then ask for the device again.`,
      );
    }
    absent.delete(bring);
  };
  absent.add(bring);
  return () => {
    if (module === null) {
      throw new DeviceError(
        `${name}: its WebGPU kernels must be loaded, they are not. requestWebGPU loads those of what was imported before it; behind a later import, and for a recording device, write \`await loadKernels()\` (@seq/webgpu-kernels).`,
      );
    }
    return module;
  };
}

/**
 * Brings the kernels of all that was imported so far. `requestWebGPU` does it; what is imported later needs it again.
 *
 * @throws DeviceError  when a module does not load; the next call tries again
 */
export async function loadKernels(): Promise<void> {
  while (absent.size > 0) await Promise.all([...absent].map((bring) => bring()));
}

const known = new WeakMap<Op, GpuKernels<unknown>>();

/**
 * The WebGPU kernels that an op carries, the same object at every call.
 *
 * @throws DeviceError  before they are loaded
 */
export function gpuKernelsOf(op: Op): GpuKernels<unknown> | undefined {
  const { webgpu } = op;
  if (typeof webgpu !== 'function') return webgpu;
  let kernels = known.get(op);
  if (kernels === undefined) known.set(op, (kernels = webgpu()));
  return kernels;
}
