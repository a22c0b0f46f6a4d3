import type { Instruction, Slot } from './program.js';

/** How far back an instruction may join others: what it makes lives longer by as much. */
const reach = 8;

/** Most instructions that run side by side. */
const most = 6;

/**
 * Instructions put together that do not need each other and that the device can run side by side. An instruction
 * joins the latest such group behind all that it needs.
 */
export function schedule(
  instructions: readonly Instruction[],
  slots: readonly Slot[],
  together: (group: readonly Instruction[], slots: readonly Slot[]) => boolean,
): Instruction[][] {
  const groups: Instruction[][] = [];
  const madeIn = new Map<number, number>();
  for (const i of instructions) {
    const after = i.inputs.reduce((n, { slot }) => Math.max(n, madeIn.get(slot) ?? -1), -1);
    let to = groups.length;
    for (let g = groups.length - 1; g > Math.max(after, groups.length - 1 - reach); g--) {
      const group = groups[g];
      if (group.length < most && together([...group, i], slots)) {
        to = g;
        break;
      }
    }
    (groups[to] ??= []).push(i);
    for (const { slot } of i.outputs) madeIn.set(slot, to);
  }
  return groups;
}
