import type { Home, Instruction, Slot } from './program.js';

/** Inputs that a program takes over and keeps side by side in one block, from run to run. */
export interface Pack {
  readonly inputs: readonly number[];
  /** Where each begins, in bytes. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

/** Lists of slots that want to lie in one buffer, and the instruction that wants it. */
export interface Wish {
  readonly by: Instruction;
  readonly slots: readonly number[];
}

/** When the memory of a home is touched; true where it is written. */
type Touches = ReadonlyMap<Home, ReadonlyMap<number, boolean>>;

function touchesOf(
  slots: readonly Slot[],
  instructions: readonly Instruction[],
  but: ReadonlySet<Instruction>,
): Touches {
  const touches = new Map<Home, Map<number, boolean>>();
  const note = (slot: number, { waves }: Instruction, writes: boolean): void => {
    const { home } = slots[slot];
    const own = touches.get(home) ?? new Map<number, boolean>();
    for (const w of waves) own.set(w, writes || own.get(w) === true);
    touches.set(home, own);
  };
  for (const i of instructions) {
    if (but.has(i)) continue;
    for (const { slot } of i.inputs) note(slot, i, false);
    for (const { slot } of i.outputs) note(slot, i, true);
    for (const slot of i.scratch) note(slot, i, true);
  }
  return touches;
}

/** True when some wave writes one and touches the other, which a device that binds whole buffers forbids. */
function clash(touches: Touches, a: Home, b: Home): boolean {
  const [of, to] = [touches.get(a), touches.get(b)];
  if (of === undefined || to === undefined) return false;
  return [...of].some(([wave, writes]) => to.has(wave) && (writes || to.get(wave)!));
}

/**
 * Memory that shall lie side by side: for each wish as few classes as possible, none with two that clash.
 *
 * @param donated  inputs whose memory outputs take over; others are not the program's to move
 * @param most     bytes of one class
 */
export function packHomes(
  slots: readonly Slot[],
  instructions: readonly Instruction[],
  wishes: readonly Wish[],
  donated: ReadonlySet<number>,
  most: number,
): Home[][] {
  const touches = touchesOf(slots, instructions, new Set(wishes.map((w) => w.by)));
  const classes: Home[][] = [];
  const bytesOf = new Map<Home[], number>();
  const packed = new Set<Home>();
  for (const wish of wishes) {
    const own: Home[][] = [];
    for (const s of wish.slots) {
      const { home, aval } = slots[s];
      if (packed.has(home) || home.kind === 'output' || aval.dtype !== 'f32') continue;
      if (home.kind === 'input' && !donated.has(home.index)) continue;
      const { bytes } = slots[s];
      const fits = own.find(
        (c) =>
          c[0].kind === home.kind &&
          bytesOf.get(c)! + bytes <= most &&
          c.every((h) => !clash(touches, h, home)),
      );
      const chosen = fits ?? [];
      if (fits === undefined) own.push(chosen);
      chosen.push(home);
      bytesOf.set(chosen, (bytesOf.get(chosen) ?? 0) + bytes);
      packed.add(home);
    }
    classes.push(...own.filter((c) => c.length > 1));
  }
  return classes;
}
