/** Which kernels a device runs: WebAssembly with relaxed SIMD or with plain SIMD, or loops over typed arrays. */
export type Build = 'relaxed' | 'plain' | 'loops';

/**
 * Kernels compiled for engines with SIMD, whether relaxed or plain: a module in letters. `wasm/build.mjs` writes it into
 * `src/wasm/modules.ts` of a package.
 */
export type Builds = string;

/** A module for this engine. */
export interface Compiled {
  readonly build: 'relaxed' | 'plain';
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly module: WebAssembly.Module;
}

/** Where the kernels read how many rows a tile of a product has; this and what follows as in wasm/memory.as. */
export const TILE_ROWS = 0;
/** Where the constants of a room's kernels lie, of one room at a time. */
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

const compiled: Map<string, Compiled | null> = /* @__PURE__ */ new Map();

/** Bytes as ranges, the most frequent in modules first: 86 are one letter, all others two. As in wasm/build.mjs. */
const frequent = [
  [64, 65],
  [0, 37],
  [252, 253],
  [132, 133],
  [106, 116],
  [120, 128],
  [92, 92],
  [0, 255],
];

/** The bytes of a module, each as the character of that number. */
function unpack(builds: Builds): string {
  const letters = Array.from({ length: 92 }, (_, i) => String.fromCharCode(35 + i)).filter(
    (letter) => !"$'\\`".includes(letter),
  );
  const values = new Map(letters.map((letter, value) => [letter, value]));
  const each = ([from, to]: number[]): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const order = [...new Set(frequent.flatMap(each))];
  let bytes = '';
  for (let i = 0; i < builds.length; i++) {
    const value = values.get(builds[i])!;
    bytes += String.fromCharCode(order[value < 86 ? value : 86 * (value - 85) + values.get(builds[++i])!]);
  }
  return bytes;
}

/**
 * Multiply-adds of relaxed SIMD, a b c → a b + c and → c − a b, each with the room that `wasm/room.mjs` left behind it: its
 * size is what the same takes without relaxed SIMD.
 */
const relaxed = /\xfd([\x85\x86])\x02\x20([^])\x1a\x01{4}(?:\x01{3})?/g;

/** local.set t, mul, neg for the second, local.get t, add */
const spelledOut = (_: string, which: string, t: string): string =>
  `\x21${t}\xfd\xe6\x01${which === '\x86' ? '\xfd\xe1\x01' : ''}\x20${t}\xfd\xe4\x01`;

/**
 * The fastest module that this engine takes, compiled once; synchronous, since modules have some kilobytes.
 *
 * @param build  the best build to try
 * @returns      null where the engine takes none or a page's policy forbids it
 */
export function compile(builds: Builds, build: 'relaxed' | 'plain', shared: boolean): Compiled | null {
  const key = `${build}${shared}${builds}`;
  const before = compiled.get(key);
  if (before !== undefined) return before;
  let result: Compiled | null = null;
  try {
    let text = unpack(builds);
    if (build === 'plain') text = text.replace(relaxed, spelledOut);
    // The modules import a shared memory: this is how its import ends. One bit less, and it is an ordinary memory.
    if (!shared) text = text.replace('memory\x02\x03', 'memory\x02\x01');
    const bytes = Uint8Array.from(text, (byte) => byte.charCodeAt(0));
    if (WebAssembly.validate(bytes)) result = { build, bytes, module: new WebAssembly.Module(bytes) };
    else if (build === 'relaxed') result = compile(builds, 'plain', shared);
  } catch {
    // No WebAssembly, or a content security policy without 'wasm-unsafe-eval'.
  }
  compiled.set(key, result);
  return result;
}
