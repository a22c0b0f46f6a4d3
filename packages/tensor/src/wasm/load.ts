/** Which kernels a device runs: WebAssembly with relaxed SIMD or with plain SIMD, or loops over typed arrays. */
export type Build = 'relaxed' | 'plain' | 'loops';

/**
 * Kernels compiled twice, for every engine with SIMD and with relaxed SIMD: pieces in hexadecimal which both builds have,
 * and pairs where they differ. `wasm/build.mjs` writes it into `src/wasm/modules.ts` of a package.
 */
export type Builds = readonly (string | readonly [plain: string, relaxed: string])[];

/** A module for this engine. */
export interface Compiled {
  readonly build: 'relaxed' | 'plain';
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly module: WebAssembly.Module;
}

/** Where the constants of a room's kernels lie, of one room at a time; this and what follows as in wasm/memory.as. */
export const GUEST_AT = 4096;
export const GUEST_BYTES = 4096;
/** The workplace of the first thread. */
export const BASE = 8192;
/** Bytes at the bottom of the heap that belong to the kernels. */
export const HEAP_BASE = 1245184;
/** Bytes of the workplace of every further thread. */
export const WORKPLACE = 1236992;
/** What 32-bit addresses reach, in pages of 64 KiB: the maximum that all modules declare. */
export const MAX_PAGES = 65536;

const compiled: WeakMap<Builds, Map<string, Compiled | null>> = /* @__PURE__ */ new WeakMap();

/** The modules import a shared memory: this is how its import ends. One bit less, and it is an ordinary memory. */
const SHARED_MEMORY = '6d656d6f72790203';

function bytesOf(hex: string, shared: boolean): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  if (!shared) bytes[(hex.indexOf(SHARED_MEMORY) + SHARED_MEMORY.length) / 2 - 1] = 1;
  return bytes;
}

/**
 * The fastest module that this engine takes, compiled once; synchronous, since modules have some kilobytes.
 *
 * @param build  the best build to try
 * @returns      null where the engine takes none or a page's policy forbids it
 */
export function compile(builds: Builds, build: 'relaxed' | 'plain', shared: boolean): Compiled | null {
  const key = `${build}${shared}`;
  let known = compiled.get(builds);
  if (known === undefined) compiled.set(builds, (known = new Map()));
  const before = known.get(key);
  if (before !== undefined) return before;
  let result: Compiled | null = null;
  try {
    const which = build === 'plain' ? 0 : 1;
    const hex = builds.map((part) => (typeof part === 'string' ? part : part[which])).join('');
    const bytes = bytesOf(hex, shared);
    if (WebAssembly.validate(bytes)) result = { build, bytes, module: new WebAssembly.Module(bytes) };
    else if (build === 'relaxed') result = compile(builds, 'plain', shared);
  } catch {
    // No WebAssembly, or a content security policy without 'wasm-unsafe-eval'.
  }
  known.set(key, result);
  return result;
}
