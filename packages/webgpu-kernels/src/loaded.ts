import type { Arg, Home, Instruction, LoopAttrs, Node, Op, Part, Program } from '@seq/tensor/engine';
import { copyOp, denseLayout, scanOp, sizeOf, wavesOf } from '@seq/tensor/engine';
import type { GpuCall } from '@seq/tensor/engine';
import { placesOf } from './beside.js';
import { alignment, viewOf } from './choose.js';
import type { PreparedPass, Runner } from './runner.js';
import type { GpuBlock, Place } from './memory.js';
import { gpuBytes, tensorBytes } from './memory.js';

/** Memory of a carried value, made for so many bytes. */
interface Carry extends Place {
  readonly bytes: number;
}

/** Where the memory of a program's slots is in one run. */
export interface Frame {
  readonly blocks: readonly GpuBlock[];
  readonly inputs: readonly Place[];
  readonly outputs: readonly Place[];
}

/** An operand of a step, as the program knows it. */
interface Reference {
  readonly kind: 'block' | 'input' | 'output' | 'data';
  readonly index: number;
  readonly offset: number;
}

interface Passes {
  readonly kind: 'passes';
  readonly passes: readonly PreparedPass[];
  readonly operands: readonly Reference[];
  readonly node: Node | null;
}

interface Loop {
  readonly kind: 'loop';
  readonly attrs: LoopAttrs;
  readonly body: LoadedProgram;
  readonly operands: readonly Reference[];
  readonly inputs: number;
  /** Copies a carry from the first operand to the second. */
  readonly copies: readonly (readonly PreparedPass[])[];
  readonly node: Node | null;
}

/** Blocks of scratch memory of a loop: those of its body, each carry once, and once more where it cannot be overwritten. */
export function loopBlocks({ program, carries }: LoopAttrs): number[] {
  const bytes = [...program.blocks];
  for (let i = 0; i < carries; i++) {
    const { dtype, shape } = program.inputs[i];
    const one = tensorBytes(dtype, sizeOf(shape));
    bytes.push(one);
    if (program.donated[i] === -1) bytes.push(one);
  }
  return bytes;
}

/**
 * A program whose kernels are chosen and whose uniform blocks are written, but for the memory it runs in.
 *
 * @param aligned  for each input a number that divides the element where it may begin
 */
export class LoadedProgram {
  readonly program: Program;
  readonly #runner: Runner;
  readonly #steps: readonly (Passes | Loop)[];
  readonly #data: GpuBlock[] = [];

  constructor(runner: Runner, program: Program, aligned: readonly number[]) {
    this.#runner = runner;
    this.program = program;
    this.#steps = wavesOf(program.instructions).map((list) => {
      const [{ instruction }] = list;
      if (list.length > 1 || instruction.waves.length > 1) return this.#together(list, aligned);
      return instruction.op === scanOp
        ? this.#loop(instruction, aligned)
        : this.#passes(instruction, aligned);
    });
  }

  #reference = ({ slot, layout }: Arg): Reference => {
    const { home, aval } = this.program.slots[slot];
    if (home.kind !== 'arena') return { kind: home.kind, index: home.index, offset: layout.offset };
    return { kind: 'block', index: home.block, offset: layout.offset + home.offset / gpuBytes(aval.dtype) };
  };

  /** Equal for homes in one buffer. */
  #buffer(home: Home): string {
    if (home.kind === 'arena') return `block ${home.block}`;
    const pack =
      home.kind === 'input' ? this.program.packs.findIndex((p) => p.inputs.includes(home.index)) : -1;
    return pack === -1 ? `${home.kind} ${home.index}` : `pack ${pack}`;
  }

  #alignment({ slot, layout }: Arg, aligned: readonly number[]): number {
    const { home } = this.program.slots[slot];
    const own = alignment(layout.offset);
    return home.kind === 'input' ? Math.min(own, aligned[home.index]) : own;
  }

  #call(instruction: Instruction, aligned: readonly number[]): GpuCall<unknown> {
    const { slots } = this.program;
    const view = (a: Arg): ReturnType<typeof viewOf> =>
      viewOf(slots[a.slot].aval.dtype, a.layout, this.#alignment(a, aligned));
    const homes: Home[] = instruction.outputs.map((a) => slots[a.slot].home);
    const buffers = [...instruction.inputs, ...instruction.outputs].map((a) =>
      this.#buffer(slots[a.slot].home),
    );
    return {
      buffers: buffers.map((b) => buffers.indexOf(b)),
      inputs: instruction.inputs.map(view),
      outputs: instruction.outputs.map(view),
      attrs: instruction.attrs,
      alias: instruction.inputs.map((a) => homes.indexOf(slots[a.slot].home)),
    };
  }

  #passes(instruction: Instruction, aligned: readonly number[]): Passes {
    const { op, node, inputs, outputs, scratch } = instruction;
    const call = this.#call(instruction, aligned);
    const { passes, data } = this.#runner.prepare(op, call);
    const constants = data.map((d): Reference => {
      this.#data.push(d);
      return { kind: 'data', index: this.#data.length - 1, offset: 0 };
    });
    return {
      kind: 'passes',
      passes,
      operands: [...this.#operands(inputs, outputs, scratch), ...constants],
      node,
    };
  }

  #together(list: readonly Part[], aligned: readonly number[]): Passes {
    const parts = list.map(({ instruction, number }) => ({
      op: instruction.op,
      call: this.#call(instruction, aligned),
      places: placesOf(instruction),
      node: instruction.node,
      number,
      of: instruction.waves.length,
    }));
    return {
      kind: 'passes',
      passes: this.#runner.prepareTogether(parts),
      operands: list.flatMap(({ instruction: i }) => this.#operands(i.inputs, i.outputs, i.scratch)),
      node: list[0].instruction.node,
    };
  }

  #operands(inputs: readonly Arg[], outputs: readonly Arg[], scratch: readonly number[]): Reference[] {
    return [
      ...[...inputs, ...outputs].map(this.#reference),
      ...scratch.map((slot) => this.#reference({ slot, layout: { shape: [], strides: [], offset: 0 } })),
    ];
  }

  #loop(instruction: Instruction, aligned: readonly number[]): Loop {
    const { inputs, outputs, scratch, node } = instruction;
    const attrs = instruction.attrs as LoopAttrs;
    const { program, carries, slices } = attrs;
    const bodyAligned = inputs.map((a, i) => {
      if (i < carries) return 64;
      const own = this.#alignment(a, aligned);
      return i < carries + slices ? Math.min(own, alignment(sizeOf(program.inputs[i].shape))) : own;
    });
    const copies = program.inputs.slice(0, carries).map(({ dtype, shape }, i) => {
      const layout = denseLayout([sizeOf(shape)]);
      const view = viewOf(dtype, layout, Math.min(64, this.#alignment(inputs[i], aligned)));
      return this.#runner.prepare(copyOp as Op, { inputs: [view], outputs: [view], attrs: null, alias: [-1] })
        .passes;
    });
    return {
      kind: 'loop',
      attrs,
      body: new LoadedProgram(this.#runner, program, bodyAligned),
      operands: this.#operands(inputs, outputs, scratch),
      inputs: inputs.length,
      copies,
      node,
    };
  }

  /** Records the program's dispatches on the memory of a frame. */
  record(frame: Frame): void {
    const place = ({ kind, index, offset }: Reference): Place => {
      if (kind === 'block') return { block: frame.blocks[index], offset };
      if (kind === 'data') return { block: this.#data[index], offset };
      const base = kind === 'input' ? frame.inputs[index] : frame.outputs[index];
      return { block: base.block, offset: base.offset + offset };
    };
    for (const step of this.#steps) {
      const places = step.operands.map(place);
      if (step.kind === 'loop') this.#recordLoop(step, places);
      else for (const pass of step.passes) this.#runner.record(pass, places, step.node);
    }
  }

  #recordLoop({ attrs, body, inputs, copies, node }: Loop, places: readonly Place[]): void {
    const { program, carries, slices, length, reverse } = attrs;
    let next = places.length - loopBlocks(attrs).length;
    const blocks = program.blocks.map(() => places[next++].block);
    const current: Carry[] = [];
    const spare: (Carry | null)[] = [];
    for (let i = 0; i < carries; i++) {
      const { dtype, shape } = program.inputs[i];
      const bytes = tensorBytes(dtype, sizeOf(shape));
      current.push({ ...places[next++], bytes });
      spare.push(program.donated[i] === -1 ? { ...places[next++], bytes } : null);
    }
    const copy = (i: number, from: Place, to: Place): void => {
      for (const pass of copies[i]) this.#runner.record(pass, [from, to], node);
    };
    for (let i = 0; i < carries; i++) copy(i, places[i], current[i]);
    const results = places.slice(inputs, inputs + program.outputs.length);
    const sizes = (list: readonly { readonly shape: readonly number[] }[]): number[] =>
      list.map((a) => sizeOf(a.shape));
    const xSizes = sizes(program.inputs.slice(carries, carries + slices));
    const ySizes = sizes(program.outputs.slice(carries));

    for (let step = 0; step < length; step++) {
      const t = reverse ? length - 1 - step : step;
      const at = (p: Place, size: number): Place => ({ block: p.block, offset: p.offset + t * size });
      body.record({
        blocks,
        inputs: [
          ...current,
          ...xSizes.map((size, i) => at(places[carries + i], size)),
          ...places.slice(carries + slices, inputs),
        ],
        outputs: [
          ...current.map((_, i) => spare[i] ?? current[program.donated[i]]),
          ...ySizes.map((size, i) => at(results[carries + i], size)),
        ],
      });
      advance(program, carries, current, spare);
    }
    for (let i = 0; i < carries; i++) copy(i, current[i], results[i]);
  }

  dispose(): void {
    for (const block of this.#data) this.#runner.release(block);
    this.#data.length = 0;
    for (const step of this.#steps) if (step.kind === 'loop') step.body.dispose();
  }
}

/** Makes the carries just written the current ones and collects the memory of those no longer needed. */
function advance(program: Program, carries: number, current: Carry[], spare: (Carry | null)[]): void {
  const old = current.slice();
  const used = new Set<Carry>();
  for (let i = 0; i < carries; i++) {
    const from = program.donated[i];
    current[i] = from === -1 ? spare[i]! : old[from];
    used.add(current[i]);
  }
  const free = old.filter((p) => !used.has(p));
  for (let i = 0; i < carries; i++) {
    if (spare[i] === null) continue;
    const k = free.findIndex((p) => p.bytes === current[i].bytes);
    spare[i] = free.splice(k, 1)[0]!;
  }
}
