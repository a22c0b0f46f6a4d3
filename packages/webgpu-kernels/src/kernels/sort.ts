import type { GpuPass, GpuShader } from '@seq/tensor/engine';
import type { Operand } from '../wgsl/shader.js';
import { grid, reads, shader, writes } from '../wgsl/shader.js';

/** Elements that one workgroup sorts in its memory: 4 KiB of keys and places. */
const BLOCK = 512;
const WORKGROUP = 64;

/** What is sorted: `rows` rows of `n` keys of 32 bits, equals by their place; the first `k` are wanted. */
export interface SortProblem {
  readonly name: string;
  readonly rows: number;
  readonly n: number;
  readonly k: number;
  /** Operands that `key` reads, and declarations for it. */
  readonly operands: readonly Operand[];
  readonly declare: string;
  readonly params: { readonly [name: string]: 'u32' };
  readonly values: readonly number[];
  /** Text of the key of element `i` of row `row`. */
  readonly key: string;
  /** Number of the first of four scratch operands: keys and places, twice. */
  readonly scratch: number;
}

const shaders = new Map<string, GpuShader>();
function cached(key: string, make: () => GpuShader): GpuShader {
  let made = shaders.get(key);
  if (made === undefined) shaders.set(key, (made = make()));
  return made;
}

const before = `fn before(ka: u32, ia: u32, kb: u32, ib: u32) -> bool { return ka < kb || (ka == kb && ia < ib); }`;

/** One workgroup sorts one block of a row by a bitonic network and writes its first `keep` elements. */
function blockShader(s: SortProblem): GpuShader {
  return cached(`${s.name} ${s.scratch}`, () =>
    shader({
      name: `${s.name}/blocks`,
      operands: [...s.operands, writes('ks', 'u32', s.scratch), writes('is', 'u32', s.scratch + 1)],
      params: { n: 'u32', runs: 'u32', groups: 'u32', keep: 'u32', ...s.params },
      workgroup: WORKGROUP,
      declare: `var<workgroup> keys: array<u32, ${BLOCK}>;
var<workgroup> places: array<u32, ${BLOCK}>;
${before}
${s.declare}`,
      main: `let row = group / p.runs;
let begin = (group % p.runs) * ${BLOCK}u;
for (var j = lix; j < ${BLOCK}u; j += WG) {
  let i = begin + j;
  keys[j] = 0xffffffffu;
  places[j] = 0xffffffffu;
  if (group < p.groups && i < p.n) { keys[j] = ${s.key}; places[j] = i; }
}
workgroupBarrier();
for (var size = 2u; size <= ${BLOCK}u; size *= 2u) {
  for (var half = size / 2u; half > 0u; half /= 2u) {
    for (var t = lix; t < ${BLOCK / 2}u; t += WG) {
      let a = (t / half) * 2u * half + t % half;
      let b = a + half;
      if (before(keys[b], places[b], keys[a], places[a]) == ((a & size) == 0u)) {
        let k = keys[a]; keys[a] = keys[b]; keys[b] = k;
        let i = places[a]; places[a] = places[b]; places[b] = i;
      }
    }
    workgroupBarrier();
  }
}
if (group < p.groups) {
  for (var j = lix; j < p.keep; j += WG) {
    set_ks(group * p.keep + j, keys[j]);
    set_is(group * p.keep + j, places[j]);
  }
}`,
    }),
  );
}

/**
 * Merges pairs of sorted runs of `length` into runs of `keep`: one invocation finds by bisection how many elements
 * of the other run come before its own, and with that its place. A missing run counts as filled with the last key.
 */
const mergeShader = (from: number, to: number): GpuShader =>
  cached(`merge ${from} ${to}`, () =>
    shader({
      name: 'sort/merge',
      operands: [
        reads('kx', 'u32', from),
        reads('ix', 'u32', from + 1),
        writes('ky', 'u32', to),
        writes('iy', 'u32', to + 1),
      ],
      params: { n: 'u32', runs: 'u32', pairs: 'u32', length: 'u32', keep: 'u32' },
      workgroup: WORKGROUP,
      declare: before,
      main: `if (linear < p.n) {
  let j = linear % p.length;
  let side = (linear / p.length) % 2u;
  let pair = linear / (2u * p.length) % p.pairs;
  let row = linear / (2u * p.length * p.pairs);
  let run = 2u * pair + side;
  let other = 2u * pair + 1u - side;
  var k = 0xffffffffu;
  var i = 0xffffffffu;
  if (run < p.runs) {
    let at = (row * p.runs + run) * p.length + j;
    k = kx(at);
    i = ix(at);
  }
  // Of equals, which are all missing ones, the first run's come first.
  var rank = select(0u, p.length, side == 1u);
  if (other < p.runs) {
    let start = (row * p.runs + other) * p.length;
    var low = 0u;
    var high = p.length;
    while (low < high) {
      let mid = (low + high) / 2u;
      let k2 = kx(start + mid);
      let i2 = ix(start + mid);
      let earlier = select(before(k2, i2, k, i), !before(k, i, k2, i2), side == 1u);
      if (earlier) { low = mid + 1u; } else { high = mid; }
    }
    rank = low;
  }
  if (j + rank < p.keep) {
    let at = (row * p.pairs + pair) * p.keep + j + rank;
    set_ky(at, k);
    set_iy(at, i);
  }
}`,
    }),
  );

/** Passes of a sort, the operand that then holds the places, how far its rows lie apart, and bytes of scratch. */
export function sortPasses(s: SortProblem): {
  passes: GpuPass[];
  places: number;
  stride: number;
  scratch: number[];
} {
  let runs = Math.ceil(s.n / BLOCK);
  let length = Math.min(BLOCK, s.k);
  const groups = s.rows * runs;
  const passes: GpuPass[] = [
    { shader: blockShader(s), params: [s.n, runs, groups, length, ...s.values], workgroups: grid(groups) },
  ];
  const bytes = [4 * groups * length, 4];
  let side = 0;
  while (runs > 1) {
    const pairs = Math.ceil(runs / 2);
    const keep = Math.min(2 * length, s.k);
    const n = s.rows * pairs * 2 * length;
    const [from, to] = [s.scratch + 2 * side, s.scratch + 2 * (1 - side)];
    passes.push({
      shader: mergeShader(from, to),
      params: [n, runs, pairs, length, keep],
      workgroups: grid(n, WORKGROUP),
    });
    side = 1 - side;
    bytes[side] = Math.max(bytes[side], 4 * s.rows * pairs * keep);
    runs = pairs;
    length = keep;
  }
  return {
    passes,
    places: s.scratch + 2 * side + 1,
    stride: length,
    scratch: [bytes[0], bytes[0], bytes[1], bytes[1]],
  };
}
