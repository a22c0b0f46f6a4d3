import type { GpuCall, GpuLimits, GpuPlan, Instruction, Slot } from '@seq/tensor/engine';
import { denseLayout, scanOp } from '@seq/tensor/engine';
import type { Chooser } from './choose.js';
import { viewOf } from './choose.js';
import type { Member } from './wgsl/join.js';
import { bindingsOf, workgroupBytes } from './wgsl/join.js';

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

/** The passes number k of some plans, as what is to be joined. */
export function membersAt(
  list: readonly { readonly plan: GpuPlan; readonly places: readonly string[] }[],
  k: number,
): Member[] {
  let base = 0;
  return list.flatMap(({ plan, places }) => {
    const pass = plan.passes[k];
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

/** Says whether instructions can share dispatches: workgroups of one size, enough bindings and workgroup memory. */
export class Beside {
  readonly #chooser: Chooser;
  readonly #limits: GpuLimits;
  readonly #plans = new WeakMap<Instruction, GpuPlan>();

  constructor(chooser: Chooser, limits: GpuLimits) {
    this.#chooser = chooser;
    this.#limits = limits;
  }

  #planOf(i: Instruction, slots: readonly Slot[]): GpuPlan {
    let plan = this.#plans.get(i);
    if (plan === undefined) {
      plan = this.#chooser.choose(i.op, callOf(i, slots)).plan;
      this.#plans.set(i, plan);
    }
    return plan;
  }

  together(group: readonly Instruction[], slots: readonly Slot[]): boolean {
    if (group.some((i) => i.op === scanOp)) return false;
    const list = group.map((i) => ({ plan: this.#planOf(i, slots), places: placesOf(i) }));
    if (list.some(({ plan }) => plan.passes.length === 0 || (plan.data ?? []).length > 0)) return false;
    const count = Math.max(...list.map(({ plan }) => plan.passes.length));
    for (let k = 0; k < count; k++) {
      const members = membersAt(list, k);
      const parts = members.map(({ pass: { shader } }) => (shader.reports ? undefined : shader.parts));
      const size = parts[0]?.workgroup.join();
      let bytes = 0;
      for (const p of parts) {
        if (p === undefined || p.workgroup.join() !== size) return false;
        bytes += workgroupBytes(p);
      }
      if (bytes > this.#limits.workgroupBytes) return false;
      if (members.length > 1 && bindingsOf(members) > this.#limits.storageBuffers) return false;
    }
    return true;
  }
}
