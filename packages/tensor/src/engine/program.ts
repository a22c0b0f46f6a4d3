import { copyOp } from '../ops/shape.js';
import type { Aval, DType } from './dtype.js';
import { bytesPerElement, sizeOf } from './dtype.js';
import type { Fusion } from './fuse.js';
import { fuse } from './fuse.js';
import type { Layout } from './layout.js';
import { denseLayout, isContiguous } from './layout.js';
import type { Op, OpCost } from './op.js';
import type { Pack, Wish } from './pack.js';
import { packHomes } from './pack.js';
import type { Part, Parts } from './schedule.js';
import { schedule } from './schedule.js';
import { simplify } from './simplify.js';
import type { Graph } from './trace.js';
import { turnProducts } from './turn.js';
import type { Node, Storage, Value } from './value.js';

/** Where a slot's memory comes from when a program runs. */
export type Home =
  /** Bytes of one of the program's blocks. */
  | { readonly kind: 'arena'; block: number; offset: number }
  /** Memory of an argument, given at each run. */
  | { readonly kind: 'input'; readonly index: number }
  /** Memory of a result, given at each run. */
  | { readonly kind: 'output'; readonly index: number };

/** One block of memory of a program. */
export interface Slot {
  readonly aval: Aval;
  readonly length: number;
  readonly bytes: number;
  home: Home;
  /** First and last wave that touches it; −1 and the number of waves reach outside. */
  first: number;
  last: number;
}

/** An operand of an instruction. */
export interface Arg {
  readonly slot: number;
  readonly layout: Layout;
}

/** One kernel to run. */
export interface Instruction {
  readonly op: Op;
  readonly attrs: unknown;
  readonly inputs: readonly Arg[];
  readonly outputs: readonly Arg[];
  /** Slots of scratch memory. */
  readonly scratch: readonly number[];
  readonly node: Node | null;
  /** When its parts run, one behind the other; parts with the same number run side by side. */
  readonly waves: readonly number[];
}

/**
 * A graph made ready to run again and again: instructions in order, memory assigned.
 *
 * Outputs are dense, distinct and written by the program. A donated input may share its memory with an output.
 */
export interface Program {
  readonly inputs: readonly Aval[];
  readonly outputs: readonly Aval[];
  readonly slots: readonly Slot[];
  readonly instructions: readonly Instruction[];
  /** Bytes of each block of temporaries; `arenaBytes` is their sum. */
  readonly blocks: readonly number[];
  readonly arenaBytes: number;
  /** For each output the input whose memory it takes over, or −1. */
  readonly donated: readonly number[];
  /** For each input the first wave that writes into its memory; Infinity when none does. */
  readonly overwrittenAt: readonly number[];
  /** Donated inputs that lie side by side, and so do the outputs that take over their memory. */
  readonly packs: readonly Pack[];
  readonly inputBytes: number;
  /** Bytes of outputs that need memory of their own. */
  readonly outputBytes: number;
  /** Inputs, outputs and arena together: what is in use while the program runs. */
  readonly peakBytes: number;
}

/** What planning must know of a device. */
export interface Planning {
  /** Memory that so many elements take. */
  bytesOf(dtype: DType, length: number): number;
  /** True when the kernels of an op honour strides. */
  strided(op: Op): boolean;
  /** Pairs [output, input] that may share memory. */
  inplace(op: Op): readonly (readonly [output: number, input: number])[];
  /** Bytes of each block of scratch memory that the kernels want. */
  scratch(op: Op, inputs: readonly Operand[], outputs: readonly Aval[], attrs: unknown): readonly number[];
  /** How chains of element-by-element ops become one; absent where they do not. */
  readonly fusion?: Fusion;
  /** Most bytes of one block; absent where there is no such limit. */
  readonly blockLimit?: number;
  /** True when temporaries that live at once must lie in blocks of their own; otherwise one block holds all. */
  readonly separate: boolean;
  /** Lists of inputs of an op that should lie in one block each; absent where that does not matter. */
  packs?(op: Op): readonly (readonly number[])[];
  /** How instructions that do not need each other run at once; absent where nothing can. */
  readonly beside?: Parts;
  /** What a run of a program submits, loops counted once per step; absent where each kernel is one dispatch. */
  dispatches?(program: Program): number;
}

/** An operand as planning sees it. */
export interface Operand extends Layout {
  readonly dtype: DType;
}

/** Slots are aligned so that any element type and any device's binding offset fits. */
const alignment = 256;
const align = (n: number): number => Math.ceil(n / alignment) * alignment;

const dense = (v: Value): boolean =>
  isContiguous(v) && v.offset === 0 && sizeOf(v.shape) === v.storage.length;

/**
 * Assigns memory to a graph by liveness.
 *
 * @param donate  which inputs may be overwritten once nothing reads them any more
 * @param takers  only the first so many outputs may take over the memory of an input
 */
export function planProgram(
  recorded: Graph,
  donate: readonly boolean[] = [],
  takers: number = Infinity,
): Program {
  const graph = turnProducts(simplify(recorded));
  const { planning } = graph.device;
  const slots: Slot[] = [];
  const emitted: Instruction[] = [];
  const slotOf = new Map<Storage, number>();
  const newSlot = (aval: Aval, home: Home, bytes?: number): number => {
    const length = sizeOf(aval.shape);
    bytes ??= planning.bytesOf(aval.dtype, length);
    slots.push({ aval, length, bytes, home, first: Infinity, last: 0 });
    return slots.length - 1;
  };
  const arena = (): Home => ({ kind: 'arena', block: 0, offset: 0 });

  graph.inputs.forEach((v, index) => {
    const s = newSlot({ shape: v.shape, dtype: v.dtype }, { kind: 'input', index });
    slotOf.set(v.storage, s);
  });

  const copies = new Map<Value, number>();
  const emit = (
    op: Op,
    attrs: unknown,
    inputs: Arg[],
    outs: readonly Aval[],
    node: Node | null,
  ): number[] => {
    const operands = inputs.map(({ slot, layout }) => ({
      shape: layout.shape,
      strides: layout.strides,
      offset: layout.offset,
      dtype: slots[slot].aval.dtype,
    }));
    const scratch = planning
      .scratch(op, operands, outs, attrs)
      .map((bytes) => newSlot({ shape: [Math.ceil(bytes / 8)], dtype: 'f64' }, arena(), bytes));
    const outputs = outs.map((a) => newSlot({ shape: a.shape, dtype: a.dtype }, arena()));
    emitted.push({
      op,
      attrs,
      inputs,
      outputs: outputs.map((s, i) => ({ slot: s, layout: denseLayout(outs[i].shape) })),
      scratch,
      node,
      waves: [emitted.length],
    });
    return outputs;
  };
  const argOf = (v: Value): Arg => ({ slot: slotOf.get(v.storage)!, layout: v });
  const copyOf = (v: Value): number => {
    let s = copies.get(v);
    if (s === undefined) {
      s = emit(copyOp, null, [argOf(v)], [v], null)[0]!;
      copies.set(v, s);
    }
    return s;
  };

  const nodes = planning.fusion === undefined ? graph.nodes : fuse(graph, planning.fusion);
  for (const node of nodes) {
    if (node.isView) continue;
    const inputs = node.inputs.map((v): Arg =>
      planning.strided(node.op) || isContiguous(v)
        ? argOf(v)
        : { slot: copyOf(v), layout: denseLayout(v.shape) },
    );
    const outs = emit(node.op, node.attrs, inputs, node.outputs, node);
    node.outputs.forEach((v, i) => slotOf.set(v.storage, outs[i]));
  }

  // Outputs are dense and distinct, and none is an input itself.
  const taken = new Set<number>();
  const outputSlots = graph.outputs.map((v) => {
    let s = slotOf.get(v.storage)!;
    if (!dense(v) || slots[s].home.kind === 'input' || taken.has(s)) {
      s = emit(copyOp, null, [argOf(v)], [v], null)[0]!;
    }
    taken.add(s);
    return s;
  });
  const waves = planning.beside && schedule(emitted, slots, planning.beside);
  const instructions = emitted
    .map((i, k): Instruction => ({ ...i, waves: waves?.[k] ?? i.waves }))
    .sort((a, b) => a.waves[0] - b.waves[0]);
  liveness(slots, instructions);
  const end = Math.max(0, ...instructions.map((i) => lastWave(i) + 1));
  outputSlots.forEach((s, index) => {
    slots[s].home = { kind: 'output', index };
    slots[s].last = end;
  });

  const donated = shareMemory(planning, slots, instructions, outputSlots, donate, takers);
  const wishes = instructions.flatMap((by): Wish[] =>
    (planning.packs?.(by.op) ?? []).map((list) => ({ by, slots: list.map((n) => by.inputs[n].slot) })),
  );
  // Of a loop's body nobody brings the inputs together.
  const movable = new Set(takers === Infinity ? donated : []);
  // Sizes of blocks are rounded up by an eighth at most.
  const classes = packHomes(
    slots,
    instructions,
    wishes,
    movable,
    (planning.blockLimit ?? Infinity) * (7 / 8),
  );
  const packs = classes.flatMap((homes) => packOf(planning, slots, homes));
  const blocks = planning.separate ? placeBlocks(planning, slots, classes) : [placeArena(slots)];
  const arenaBytes = blocks.reduce((n, b) => n + b, 0);
  const bytesOf = (list: readonly number[]): number => list.reduce((n, s) => n + slots[s].bytes, 0);
  const packed = new Set(packs.flatMap((p) => p.inputs));
  const apart = bytesOf(graph.inputs.map((_, i) => i).filter((i) => !packed.has(i)));
  const inputBytes = packs.reduce((n, p) => n + p.bytes, apart);
  const outputBytes = bytesOf(outputSlots.filter((_, i) => donated[i] === -1));
  return {
    inputs: graph.inputs.map((v) => ({ shape: v.shape, dtype: v.dtype })),
    outputs: graph.outputs.map((v) => ({ shape: v.shape, dtype: v.dtype })),
    slots,
    instructions,
    blocks,
    arenaBytes,
    donated,
    overwrittenAt: overwrites(graph.inputs.length, slots, instructions),
    packs,
    inputBytes,
    outputBytes,
    peakBytes: inputBytes + outputBytes + arenaBytes,
  };
}

/** What runs in each wave. */
export function wavesOf(instructions: readonly Instruction[]): Part[][] {
  const waves: Part[][] = [];
  for (const instruction of instructions)
    instruction.waves.forEach((w, number) => (waves[w] ??= []).push({ instruction, number }));
  return waves;
}

const lastWave = ({ waves }: Instruction): number => waves[waves.length - 1];

/** Notes the first and last wave that touches each slot; inputs are there before. */
function liveness(slots: readonly Slot[], instructions: readonly Instruction[]): void {
  for (const i of instructions) {
    for (const s of [...[...i.inputs, ...i.outputs].map((a) => a.slot), ...i.scratch]) {
      slots[s].first = Math.min(slots[s].first, i.waves[0]);
      slots[s].last = Math.max(slots[s].last, lastWave(i));
    }
  }
  for (const s of slots) if (s.home.kind === 'input') s.first = -1;
}

/**
 * Lets results take over the memory of operands that die with the instruction, where the op allows it.
 *
 * Memory of a donated input passes along such chains until an output claims it.
 */
function shareMemory(
  planning: Planning,
  slots: Slot[],
  instructions: readonly Instruction[],
  outputSlots: readonly number[],
  donate: readonly boolean[],
  takers: number,
): number[] {
  const donated = outputSlots.map(() => -1);
  const claimed = new Set<number>();
  const overlap = (a: Instruction, b: Instruction): boolean =>
    a !== b && a.waves[0] <= lastWave(b) && b.waves[0] <= lastWave(a);
  instructions.forEach((instruction) => {
    const { op, inputs, outputs } = instruction;
    const at = lastWave(instruction);
    const others = instructions.filter((i) => overlap(i, instruction));
    const done = new Set<number>();
    for (const [o, i] of planning.inplace(op)) {
      const arg = inputs[i];
      const out = slots[outputs[o]?.slot ?? -1];
      if (arg === undefined || out === undefined || done.has(o)) continue;
      const x = slots[arg.slot];
      const home = x.home;
      const fits =
        x.last === at &&
        x.length === out.length &&
        bytesPerElement(x.aval.dtype) === bytesPerElement(out.aval.dtype) &&
        sizeOf(arg.layout.shape) === x.length &&
        isContiguous(arg.layout) &&
        inputs.filter((a) => slots[a.slot].home === home).length === 1 &&
        !outputs.some((p) => slots[p.slot].home === home) &&
        !others.some((i) => [...i.inputs, ...i.outputs].some((a) => slots[a.slot].home === home));
      if (!fits || home.kind === 'output') continue;
      if (home.kind === 'input' && (!donate[home.index] || claimed.has(home.index))) continue;
      if (out.home.kind === 'output') {
        if (home.kind !== 'input' || out.home.index >= takers) continue;
        donated[out.home.index] = home.index;
        claimed.add(home.index);
      }
      // Sharing the home object makes both move together when the arena is laid out.
      out.home = home;
      done.add(o);
    }
  });
  return donated;
}

/** When the memory of each input is first written; temporaries may take it over as well as outputs. */
function overwrites(inputs: number, slots: readonly Slot[], instructions: readonly Instruction[]): number[] {
  const first = new Array<number>(inputs).fill(Infinity);
  instructions.forEach(({ outputs, waves }) => {
    for (const { slot } of outputs) {
      const { home } = slots[slot];
      if (home.kind === 'input') first[home.index] = Math.min(first[home.index], waves[0]);
    }
  });
  return first;
}

/** Temporaries that share memory, with the instructions between which it is in use. */
interface Group {
  readonly home: Home & { kind: 'arena' };
  /** Of the largest, as a block and without what a block has more. */
  bytes: number;
  used: number;
  first: number;
  last: number;
}

/** The groups of temporaries, largest first. */
function groupsOf(slots: readonly Slot[]): Group[] {
  const groups = new Map<Home, Group>();
  for (const s of slots) {
    if (s.home.kind !== 'arena') continue;
    const g = groups.get(s.home);
    const used = Math.min(s.bytes, s.length * bytesPerElement(s.aval.dtype));
    if (g === undefined) {
      groups.set(s.home, { home: s.home, bytes: align(s.bytes), used, first: s.first, last: s.last });
    } else {
      g.used = Math.max(g.used, used);
      g.first = Math.min(g.first, s.first);
      g.last = Math.max(g.last, s.last);
      g.bytes = Math.max(g.bytes, align(s.bytes));
    }
  }
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
}

/** Where so many bytes begin when each stands behind the one before, and what all take. */
function sideBySide(planning: Planning, sizes: readonly number[]): { offsets: number[]; bytes: number } {
  let end = 0;
  const offsets = sizes.map((bytes) => {
    const at = end;
    end += align(bytes);
    return at;
  });
  return { offsets, bytes: planning.bytesOf('f32', end / 4) };
}

/** Inputs side by side; nothing for temporaries. */
function packOf(planning: Planning, slots: readonly Slot[], homes: readonly Home[]): Pack[] {
  const inputs = homes.flatMap((h) => (h.kind === 'input' ? [h.index] : []));
  if (inputs.length === 0) return [];
  const sizes = inputs.map((i) => slots[i].length * bytesPerElement(slots[i].aval.dtype));
  return [{ inputs, ...sideBySide(planning, sizes) }];
}

/**
 * Gives each group, largest first, the smallest block that is free during its life; groups of one class lie side by
 * side in it. Returns the blocks' sizes.
 */
function placeBlocks(
  planning: Planning,
  slots: readonly Slot[],
  classes: readonly (readonly Home[])[],
): number[] {
  const apart = groupsOf(slots);
  const inClass = new Set<Home>(classes.flat());
  const members = [
    ...apart.filter((g) => !inClass.has(g.home)).map((g) => [g]),
    ...classes.map((homes) => apart.filter((g) => homes.includes(g.home))).filter((m) => m.length > 0),
  ];
  const all = members.map((own) => ({
    ...(own.length === 1
      ? { offsets: [0], bytes: own[0].bytes }
      : sideBySide(
          planning,
          own.map((g) => g.used),
        )),
    own,
    first: Math.min(...own.map((g) => g.first)),
    last: Math.max(...own.map((g) => g.last)),
  }));
  const blocks: { bytes: number; lives: typeof all }[] = [];
  for (const g of all.sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    let block = blocks.findLastIndex((b) => b.lives.every((o) => o.last < g.first || o.first > g.last));
    if (block === -1) block = blocks.push({ bytes: g.bytes, lives: [] }) - 1;
    blocks[block].lives.push(g);
    g.own.forEach(({ home }, i) => {
      home.block = block;
      home.offset = g.offsets[i];
    });
  }
  return blocks.map((b) => b.bytes);
}

/** Lays out one block: largest first, each at the lowest offset free during its life. Returns its size. */
function placeArena(slots: readonly Slot[]): number {
  const placed: { offset: number; bytes: number; first: number; last: number }[] = [];
  let total = 0;
  for (const g of groupsOf(slots)) {
    let offset = 0;
    for (const p of placed) {
      // `placed` is kept sorted by offset, so the first gap that is wide enough is the lowest one.
      if (p.last < g.first || p.first > g.last) continue;
      if (p.offset >= offset + g.bytes) break;
      offset = Math.max(offset, p.offset + p.bytes);
    }
    g.home.offset = offset;
    total = Math.max(total, offset + g.bytes);
    const block = { offset, bytes: g.bytes, first: g.first, last: g.last };
    let i = placed.length;
    while (i > 0 && placed[i - 1].offset > offset) i--;
    placed.splice(i, 0, block);
  }
  return total;
}

/** Counted work of one instruction. */
export function costOf(instruction: Instruction, slots: readonly Slot[]): OpCost {
  const { op, inputs, outputs, attrs } = instruction;
  const avals = (args: readonly Arg[]): Aval[] =>
    args.map((a) => ({ shape: a.layout.shape, dtype: slots[a.slot].aval.dtype }));
  return op.cost?.(avals(inputs), avals(outputs), attrs) ?? { flops: 0 };
}

/** A program bound to a device. */
export interface Executable {
  readonly program: Program;
  /** Runs on argument values (dense, realised) and returns results; donated inputs are overwritten. */
  run(inputs: readonly Value[]): Value[];
  /** Takes the memory that a run needs, and waits until it is granted; absent where a run takes it at once. */
  reserve?(): Promise<void>;
  /** The instruction at which the last run failed; −1 when it did not. */
  readonly failedAt: number;
  dispose(): void;
}
