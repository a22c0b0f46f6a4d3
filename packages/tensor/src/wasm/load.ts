import { plain, relaxed } from './modules.js';
import type { Kernels } from './kernels.js';

/** Which kernels a device runs: WebAssembly with relaxed SIMD or with plain SIMD, or loops over typed arrays. */
export type Build = 'relaxed' | 'plain' | 'loops';

interface Compiled {
  readonly build: Build;
  readonly module: WebAssembly.Module;
}

/** Bytes at the bottom of the heap that belong to the kernels: `HEAP_BASE` of wasm/memory.ts. */
export const HEAP_BASE = 983040;

const compiled: Map<string, Compiled | null> = /* @__PURE__ */ new Map();

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/** The fastest module that this engine takes, compiled once; null where it takes none or a page's policy forbids it. */
function compile(build: 'relaxed' | 'plain'): Compiled | null {
  const known = compiled.get(build);
  if (known !== undefined) return known;
  let result: Compiled | null = null;
  try {
    const bytes = bytesOf(build === 'relaxed' ? relaxed : plain);
    if (WebAssembly.validate(bytes)) result = { build, module: new WebAssembly.Module(bytes) };
    else if (build === 'relaxed') result = compile('plain');
  } catch {
    // No WebAssembly, or a content security policy without 'wasm-unsafe-eval'.
  }
  compiled.set(build, result);
  return result;
}

/** Kernels over a memory of their own. */
export interface Instance {
  readonly build: Build;
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
}

/**
 * Makes the kernels ready; synchronous, since the module has a few kilobytes.
 *
 * @param build  the best build to try
 * @param pages  first size of the memory, in 64 KiB
 * @returns      null where WebAssembly with SIMD cannot run
 */
export function instantiate(build: 'relaxed' | 'plain', pages: number): Instance | null {
  const found = compile(build);
  if (found === null) return null;
  try {
    const memory = new WebAssembly.Memory({ initial: pages });
    const { exports } = new WebAssembly.Instance(found.module, { env: { memory } });
    return { build: found.build, memory, kernels: exports as unknown as Kernels };
  } catch {
    return null;
  }
}
