import type { GpuCall, GpuPass, GpuPlan, GpuShader, GpuVariant, GpuView } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';
import type { Tile, TileNeeds } from './tile.js';
import { fits, forRows, rowsOf, tileOf, tileText } from './tile.js';

/** What a loop's text depends on. */
export interface LoopKey<Names> {
  readonly tile: Tile;
  /** Operands by name. */
  readonly at: Names;
  readonly mask: number | null;
  /** The matrix in the order in which it is read. */
  readonly weight: number;
  /** The first output. */
  readonly out: number;
}

/** A loop over time as text. */
export interface LoopText {
  readonly name: string;
  readonly tile: Tile;
  /** Operand of the masks; null where every position counts. */
  readonly mask: number | null;
  readonly operands: readonly Operand[];
  /** Names of its sizes. */
  readonly sizes: readonly string[];
  readonly declare?: string;
  /**
   * One position. It may use, for each row b: `row0` (number of the sequence), `at0` (number of the position among
   * all), `hold0` (it is padding), `cleared0` (the state is cleared before it); `opening` is true where the loop
   * begins, `p.onward` leads from a position to the one of the next step: 1, or −1 modulo 2³².
   */
  readonly step: string;
}

/**
 * The shader of a loop over time. One workgroup runs through `steps` positions of its rows; lanes stand side by side
 * along the units and see each other's by what the workgroup keeps.
 */
export function loopShader({ name, tile, mask, operands, sizes, declare = '', step }: LoopText): GpuShader {
  const { rows, lanes } = tile;
  const masks = (b: number): string =>
    mask === null
      ? ''
      : `let mask${b} = mask(at${b}); let hold${b} = (mask${b} & 1u) != 0u; let cleared${b} = (mask${b} & 2u) != 0u;`;
  const own = ['T', 'onward', 'first', 'steps', 'begin', 'groups'];
  return shader({
    name,
    operands: [...operands, ...(mask === null ? [] : [reads('mask', 'u32', mask)])],
    params: Object.fromEntries([...own, ...sizes].map((size) => [size, 'u32' as const])),
    workgroup: lanes,
    declare: `${tileText(tile)}\n${declare}`,
    main: `
if (group >= p.groups) { return; }
${forRows(tile, (b) => `let row${b} = group * ${rows}u + ${b}u;`)}
for (var s = 0u; s < p.steps; s++) {
  let opening = s == 0u && p.begin == 1u;
  ${forRows(tile, (b) => `let at${b} = row${b} * p.T + p.first + s * p.onward; ${masks(b)}`)}
${step}
}`,
  });
}

/** For the unit groups q of an invocation. */
export function forUnits(count: string, text: string): string {
  return `for (var q = lix; q < ${count}; q += WG) {\n${text}\n}`;
}

/** `value`, or `instead` where a flag of the row is set; the value alone where there are no masks. */
export function choose(mask: number | null, flag: string, value: string, instead: string): string {
  return mask === null ? value : `select(${value}, ${instead}, ${flag})`;
}

/**
 * Products of one slice of a loop: some tenths of a second of one workgroup on a slow GPU, so that no watchdog takes
 * it for hung.
 */
const slice = 2 ** 31;
/** Positions of one slice, for what a position costs beside its products. */
const longest = 1024;

/** How a loop runs through time. */
export interface LoopRun {
  readonly B: number;
  readonly T: number;
  /** From the last position to the first. */
  readonly backwards: boolean;
  /** Elements of the matrices that a position is multiplied with. */
  readonly weights: number;
  /** The sizes of the text, by its order. */
  readonly sizes: readonly number[];
}

/** Passes and scratch memory of a call as they come together. */
export class LoopPlan {
  readonly #passes: GpuPass[] = [];
  readonly #scratch: number[] = [];
  readonly #operands: number;

  constructor(call: { readonly inputs: readonly GpuView[]; readonly outputs: readonly GpuView[] }) {
    this.#operands = call.inputs.length + call.outputs.length;
  }

  /** A block of scratch memory of so many 32-bit numbers; answers with its operand. */
  block(numbers: number): number {
    return this.#operands + this.#scratch.push(4 * numbers) - 1;
  }

  pass(s: GpuShader, params: readonly number[], workgroups: readonly [number, number, number]): void {
    this.#passes.push({ shader: s, params, workgroups });
  }

  /** valid and resets, [B, T] each, as bits of one number: 1 padding, 2 cleared. Null when both are absent. */
  masks(masks: { readonly valid?: number; readonly resets?: number }, positions: number): number | null {
    const { valid = -1, resets = -1 } = masks;
    if (valid === -1 && resets === -1) return null;
    const out = this.block(positions);
    this.pass(maskShader([valid, resets, out].join(' ')), [positions], grid(positions, 256));
    return out;
  }

  /** A matrix [rows, columns] turned into [columns, rows], in a block of its own, or in `to` from number `first` on. */
  transposed(
    matrix: number,
    [rows, columns]: readonly number[],
    to: number = this.block(rows * columns),
    first: number = 0,
  ): number {
    const n = rows * columns;
    this.pass(transposeShader([matrix, to].join(' ')), [n, rows, columns, first], grid(n, 256));
    return to;
  }

  /** All slices of a loop, one after the other. */
  loop(s: GpuShader, { rows }: Tile, run: LoopRun): void {
    const { B, T, backwards, weights, sizes } = run;
    const groups = B / rows;
    const most = Math.max(1, Math.min(longest, Math.floor(slice / (rows * weights))));
    for (let done = 0; done < T; done += most) {
      const from = backwards ? T - 1 - done : done;
      const own = [
        T,
        backwards ? 0xffff_ffff : 1,
        from,
        Math.min(most, T - done),
        done === 0 ? 1 : 0,
        groups,
      ];
      this.pass(s, [...own, ...sizes], grid(groups));
    }
  }

  done(): GpuPlan {
    return { passes: this.#passes, scratch: this.#scratch };
  }
}

/** A variant that loops over time: what each sequence keeps in workgroup memory, and the passes. */
export function loopVariant<A>(loop: {
  kept(inputs: readonly GpuView[], attrs: A): number;
  plan(plan: LoopPlan, call: GpuCall<A>, tileFor: (B: number, units: readonly number[]) => Tile): void;
}): GpuVariant<A> {
  const needs = ({ inputs, outputs, attrs }: GpuCall<A>): Pick<TileNeeds, 'views' | 'kept'> => ({
    kept: loop.kept(inputs, attrs),
    views: [...inputs, ...outputs],
  });
  return {
    name: 'loop',
    supports: (call, limits) => fits(needs(call), limits),
    plan(call, limits) {
      const plan = new LoopPlan(call);
      loop.plan(plan, call, (B, units) => tileOf({ B, units, ...needs(call) }, limits));
      return plan.done();
    },
  };
}

const maskShader = /* @__PURE__ */ memo((key) => {
  const [valid, resets, out] = key.split(' ').map(Number);
  return shader({
    name: 'recurrence/masks',
    operands: [
      ...(valid < 0 ? [] : [reads('valid', 'bool', valid)]),
      ...(resets < 0 ? [] : [reads('resets', 'bool', resets)]),
      writes('mask', 'u32', out),
    ],
    params: { n: 'u32' },
    workgroup: 256,
    main: `
if (linear >= p.n) { return; }
let hold = ${valid < 0 ? '0u' : 'select(1u, 0u, valid(linear))'};
set_mask(linear, hold | ${resets < 0 ? '0u' : 'select(0u, 2u, resets(linear))'});`,
  });
});

/** One element of the result per invocation. */
const transposeShader = /* @__PURE__ */ memo((key) => {
  const [matrix, out] = key.split(' ').map(Number);
  return shader({
    name: 'recurrence/transpose',
    operands: [reads('x', 'f32', matrix), writes('y', 'f32', out)],
    params: { n: 'u32', rows: 'u32', columns: 'u32', at: 'u32' },
    workgroup: 256,
    main: `
if (linear >= p.n) { return; }
set_y(p.at + linear, x((linear % p.rows) * p.columns + linear / p.rows));`,
  });
});

/** Reads and writes of a tile's width. */
export function lanesOf({ width }: Tile): {
  readonly reads: (name: string, operand: number) => Operand;
  readonly writes: (name: string, operand: number) => Operand;
} {
  const type = width === 4 ? 'f32x4' : 'f32';
  return {
    reads: (name, operand) => reads(name, type, operand),
    writes: (name, operand) => writes(name, type, operand),
  };
}

/**
 * Shows the state that a position starts from: the one after the position before, `first` at the beginning, 0 where it
 * is cleared. Then all may read it.
 */
export function stateText(
  tile: Tile,
  mask: number | null,
  { first, states, width }: { readonly first: string; readonly states: string; readonly width: string },
): string {
  return `${forUnits(
    width,
    `${forRows(tile, (b) => `let h${b} = ${stateOf(mask, b, first, states, width)};`)}
put(q, ${rowsOf(tile, (b) => `h${b}`)});`,
  )}
workgroupBarrier();`;
}

/** The same for one row and a state that only its own lane needs. */
export function stateOf(
  mask: number | null,
  b: number,
  first: string,
  states: string,
  width: string,
): string {
  const value = `select(${states}((at${b} - p.onward) * ${width} + q), ${first}(row${b} * ${width} + q), opening)`;
  return choose(mask, `cleared${b}`, value, 'V()');
}

/** The gradient by the state after a position, so far as it comes from later ones; kept in `carry` between them. */
export function carried(b: number, carry: string, width: string): string {
  return `select(${carry}(row${b} * ${width} + q), V(), opening)`;
}
