import type { Instruction, Slot } from './program.js';

/** How far back an instruction may join others: what it makes lives longer by as much. */
const reach = 8;

/** Bytes of results that may live as long as it takes. */
const small = 4096;

/** Most parts of instructions that run side by side. */
const most = 6;

/** A part of an instruction that runs as a whole. */
export interface Part {
  readonly instruction: Instruction;
  readonly number: number;
}

/** What a device says of instructions that it runs in parts. */
export interface Parts {
  /** For each part of an instruction, in order, the outputs that are complete behind it. */
  parts(instruction: Instruction, slots: readonly Slot[]): readonly (readonly number[])[];
  /** True when parts that do not need each other can run at once. */
  together(group: readonly Part[], slots: readonly Slot[]): boolean;
}

/**
 * The waves in which the parts of each instruction run, so that as few waves as possible are needed: a part joins the
 * latest wave behind all that it needs whose members it can run with, or the earliest when its results are small, so
 * that those who need them find them. All parts wait for all operands.
 */
export function schedule(
  instructions: readonly Instruction[],
  slots: readonly Slot[],
  { parts, together }: Parts,
): number[][] {
  const waves: Part[][] = [];
  const madeIn = new Map<number, number>();
  return instructions.map((instruction) => {
    const far = instruction.outputs.every(({ slot }) => slots[slot].bytes <= small);
    let after = instruction.inputs.reduce((n, { slot }) => Math.max(n, madeIn.get(slot) ?? -1), -1);
    return parts(instruction, slots).map((complete, number) => {
      const part = { instruction, number };
      const first = far ? after : Math.max(after, waves.length - 1 - reach);
      const fits = (wave: readonly Part[], w: number): boolean =>
        w > first && wave.length < most && together([...wave, part], slots);
      let to = far ? waves.findIndex(fits) : waves.findLastIndex(fits);
      if (to === -1) to = waves.length;
      (waves[to] ??= []).push(part);
      for (const o of complete) madeIn.set(instruction.outputs[o].slot, to);
      return (after = to);
    });
  });
}
