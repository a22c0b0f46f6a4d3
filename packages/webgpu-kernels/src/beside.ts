import type { GpuCall, GpuLimits, GpuPass, GpuPlan, Instruction, Parts, Slot } from '@seq/tensor/engine';
import { denseLayout, scanOp } from '@seq/tensor/engine';
import type { Chooser } from './choose.js';
import { viewOf } from './choose.js';
import type { Member } from './wgsl/join.js';
import { bindingsOf, commonWorkgroup, workgroupBytes } from './wgsl/join.js';

/** Where each operand of an instruction lies; equal for equal places. */
export function placesOf({ inputs, outputs, scratch }: Instruction): string[] {
  return [
    ...[...inputs, ...outputs].map(({ slot, layout }) => `${slot}+${layout.offset}`),
    ...scratch.map((slot) => `${slot}+0`),
  ];
}

/** A call as planning knows it, before memory is assigned. */
export function callOf({ inputs, outputs, attrs }: Instruction, slots: readonly Slot[]): GpuCall<unknown> {
  return {
    inputs: inputs.map(({ slot, layout }) => viewOf(slots[slot].aval.dtype, layout)),
    outputs: outputs.map(({ slot, layout }) => viewOf(slots[slot].aval.dtype, denseLayout(layout.shape))),
    attrs,
    alias: inputs.map(() => -1),
  };
}

/** Passes as what is to be joined; operands are numbered through, those of the first call first. */
export function membersOf(
  list: readonly { readonly pass: GpuPass | undefined; readonly places: readonly string[] }[],
): Member[] {
  let base = 0;
  return list.flatMap(({ pass, places }) => {
    const first = base;
    base += places.length;
    if (pass === undefined) return [];
    const { bindings } = pass.shader;
    return [
      {
        pass,
        places: bindings.map((b) => places[b.operand]),
        operands: bindings.map((b) => first + b.operand),
      },
    ];
  });
}

/** True when a device can run passes as one: enough bindings and workgroup memory, one size of workgroup. */
export function canJoin(
  members: readonly Member[],
  { storageBuffers, workgroupBytes: most }: GpuLimits,
): boolean {
  const parts = members.map(({ pass: { shader } }) => shader.parts);
  if (!parts.every((p) => p !== undefined) || commonWorkgroup(members) === null) return false;
  const bytes = parts.reduce((n, p) => n + workgroupBytes(p), 0);
  return bytes <= most && bindingsOf(members) <= storageBuffers;
}

/** For each pass the outputs that are complete behind it. */
function completed({ passes }: GpuPlan, { inputs, outputs }: Instruction): number[][] {
  const writes = ({ shader }: GpuPass, o: number): boolean =>
    shader.bindings.some((b) => b.access === 'write' && b.operand === inputs.length + o);
  const last = outputs.map((_, o) =>
    Math.max(
      0,
      passes.findLastIndex((p) => writes(p, o)),
    ),
  );
  return passes.map((_, k) => last.flatMap((l, o) => (l === k ? [o] : [])));
}

/** Says which passes of instructions can share dispatches. */
export class Beside implements Parts {
  readonly #chooser: Chooser;
  readonly #limits: GpuLimits;
  readonly #plans = new WeakMap<Instruction, GpuPlan>();

  constructor(chooser: Chooser, limits: GpuLimits) {
    this.#chooser = chooser;
    this.#limits = limits;
  }

  /** The plan of an instruction that may run in parts; null for one that stays whole. */
  #planOf(i: Instruction, slots: readonly Slot[]): GpuPlan | null {
    // What wants its operands in few buffers is alone with them.
    if (i.op === scanOp || this.#chooser.kernelsOf(i.op)?.packs !== undefined) return null;
    let plan = this.#plans.get(i);
    if (plan === undefined) {
      plan = this.#chooser.choose(i.op, callOf(i, slots)).plan;
      this.#plans.set(i, plan);
    }
    const whole = plan.passes.length === 0 || (plan.data ?? []).length > 0;
    return whole || plan.passes.some(({ shader }) => !shader.parts) ? null : plan;
  }

  readonly parts: Parts['parts'] = (instruction, slots) => {
    const plan = this.#planOf(instruction, slots);
    return plan === null ? [instruction.outputs.map((_, o) => o)] : completed(plan, instruction);
  };

  readonly together: Parts['together'] = (group, slots) => {
    const list = group.map(({ instruction, number }) => {
      const plan = this.#planOf(instruction, slots);
      return plan && { pass: plan.passes[number], places: placesOf(instruction) };
    });
    if (!list.every((p) => p !== null)) return false;
    return canJoin(membersOf(list), this.#limits);
  };
}
