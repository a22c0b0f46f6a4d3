import type { TypedArray } from '../engine/dtype.js';
import { typedView } from '../engine/dtype.js';
import type { CpuCall, CpuView } from '../engine/op.js';
import type { Arg, Instruction, Program } from '../engine/program.js';
import type { KernelContext } from './kernel.js';
import { runKernel } from './kernel.js';
import { poison } from './memory.js';

interface Step {
  readonly instruction: Instruction;
  readonly call: CpuCall<unknown>;
}

/** Operands that live in one argument or result of the program. */
interface External {
  readonly views: { readonly view: CpuView; readonly offset: number }[];
}

const noScratch = new Float64Array(0);

/**
 * A program with its arena laid into real memory: every operand of every kernel is prepared, and a run only
 * points those of arguments and results at their memory.
 */
export class BoundProgram {
  readonly program: Program;
  /** The instruction that runs, or ran last. */
  at = 0;
  readonly #steps: Step[];
  readonly #inputs: External[];
  readonly #outputs: External[];
  readonly #arena: { memory: ArrayBufferLike; byteOffset: number };
  readonly #context: KernelContext;

  /** The memory must stay: make another when the heap has grown. `byteOffset` must be a multiple of 8. */
  constructor(program: Program, memory: ArrayBufferLike, byteOffset: number, context: KernelContext) {
    this.program = program;
    this.#arena = { memory, byteOffset };
    this.#context = context;
    const external = (): External => ({ views: [] });
    this.#inputs = program.inputs.map(external);
    this.#outputs = program.outputs.map(external);
    const view = (arg: Arg): CpuView => {
      const slot = program.slots[arg.slot];
      const { shape, strides, offset } = arg.layout;
      if (slot.home.kind === 'arena') {
        const data = typedView(slot.aval.dtype, memory, byteOffset + slot.home.offset, slot.length);
        return { data, offset, shape, strides };
      }
      const v: CpuView = { data: noScratch, offset, shape, strides };
      const list = slot.home.kind === 'input' ? this.#inputs : this.#outputs;
      list[slot.home.index].views.push({ view: v, offset });
      return v;
    };
    this.#steps = program.instructions.map((instruction) => {
      const [s] = instruction.scratch;
      const scratch = s === undefined ? null : program.slots[s];
      return {
        instruction,
        call: {
          inputs: instruction.inputs.map(view),
          outputs: instruction.outputs.map(view),
          attrs: instruction.attrs,
          scratch:
            scratch?.home.kind === 'arena'
              ? new Float64Array(memory, byteOffset + scratch.home.offset, scratch.length)
              : noScratch,
          memo: {},
          context,
        },
      };
    });
  }

  /** Points an argument at elements from `offset` of an array. */
  setInput(index: number, data: TypedArray, offset: number): void {
    point(this.#inputs[index], data, offset);
  }

  /** Points a result at elements from `offset` of an array. */
  setOutput(index: number, data: TypedArray, offset: number): void {
    point(this.#outputs[index], data, offset);
  }

  /** Says where the second operand of an instruction lies packed; 0 for nowhere. */
  setPacked(instruction: number, address: number): void {
    this.#steps[instruction].call.packed = address;
  }

  run(): void {
    const context = this.#context;
    if (context.poison && this.program.arenaBytes > 0) {
      poison(this.#arena.memory, this.#arena.byteOffset, this.program.arenaBytes);
    }
    const avals = this.program.slots;
    this.at = 0;
    for (const { instruction, call } of this.#steps) {
      if (context.checkNumerics) {
        runKernel(
          instruction.op,
          call,
          instruction.outputs.map((a) => avals[a.slot].aval),
          instruction.node,
          context,
        );
      } else runKernel(instruction.op, call, [], instruction.node, context);
      this.at++;
    }
  }

  /** What the operands were prepared for. */
  get memory(): ArrayBufferLike {
    return this.#arena.memory;
  }

  get kernels(): number {
    return this.#steps.length;
  }
}

function point(external: External, data: TypedArray, offset: number): void {
  for (const e of external.views) {
    e.view.data = data;
    e.view.offset = offset + e.offset;
  }
}
