import { sizeOf } from '@seq/tensor';
import type { Executable, Pack, Program, Value } from '@seq/tensor/engine';
import { newValue } from '@seq/tensor/engine';
import type { WebGPUDevice } from './device.js';
import { LoadedProgram } from './loaded.js';
import type { GpuBlock, Place } from './memory.js';
import { GpuPart, placeOf, tensorBytes } from './memory.js';
import type { Runner } from './runner.js';

/** A program with memory of its own for temporaries; arguments are read where they lie. */
export class GpuExecutable implements Executable {
  readonly program: Program;
  readonly failedAt = -1;
  readonly #device: WebGPUDevice;
  readonly #loaded: LoadedProgram;
  /** Inputs that the program writes into and that belong to no pack. */
  readonly #alone: readonly number[];
  #blocks: GpuBlock[] | null = null;

  constructor(device: WebGPUDevice, runner: Runner, program: Program) {
    this.#device = device;
    this.program = program;
    const packed = new Set(program.packs.flatMap((p) => p.inputs));
    this.#alone = program.donated.filter((i) => i !== -1 && !packed.has(i));
    this.#loaded = new LoadedProgram(
      runner,
      program,
      program.inputs.map(() => 4),
    );
  }

  run(inputs: readonly Value[]): Value[] {
    const { program } = this;
    const device = this.#device;
    const from = device.sequence;
    const blocks = this.#own();
    const borrowed: GpuBlock[] = [];
    for (const pack of program.packs) gather(device, pack, inputs);
    for (const i of this.#alone) separate(device, inputs[i]);
    const places = inputs.map((v): Place => {
      if (v.offset % 4 === 0) return placeOf(v);
      const block = device.densify(v);
      borrowed.push(block);
      return { block, offset: 0 };
    });
    const outputs = program.outputs.map((aval, i): Place => {
      const taken = program.donated[i];
      if (taken !== -1) return places[taken];
      return { block: device.allocate(aval.dtype, sizeOf(aval.shape)), offset: 0 };
    });
    this.#loaded.record({ blocks, inputs: places, outputs });
    for (const block of borrowed) device.free(block);
    const values = program.outputs.map((aval, i) => {
      const value = newValue(device, aval, null);
      const taken = program.donated[i];
      value.storage.buffer = taken === -1 ? outputs[i].block : inputs[taken].storage.buffer;
      if (taken !== -1) inputs[taken].storage.buffer = null;
      return value;
    });
    device.ran(values, from);
    return values;
  }

  /** The blocks of the temporaries. */
  #own(): readonly GpuBlock[] {
    return (this.#blocks ??= this.program.blocks.map((bytes) => this.#device.allocateBytes(bytes)));
  }

  async reserve(): Promise<void> {
    const device = this.#device;
    this.#own();
    // Results, and inputs that are brought together, get their memory when it runs: the pool holds it until then.
    const { outputs, donated, packs } = this.program;
    const later = [
      ...outputs.flatMap(({ dtype, shape }, i) =>
        donated[i] === -1 ? [device.allocate(dtype, sizeOf(shape))] : [],
      ),
      ...packs.map(({ bytes }) => device.allocateBytes(bytes)),
    ];
    for (const block of later) device.free(block);
    try {
      await device.granted();
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  #release(): void {
    for (const block of this.#blocks ?? []) this.#device.free(block);
    this.#blocks = null;
  }

  dispose(): void {
    this.#release();
    this.#loaded.dispose();
  }
}

/** Brings the inputs of a pack side by side into one block of their own, unless they lie there already. */
function gather(device: WebGPUDevice, { inputs, offsets, bytes }: Pack, values: readonly Value[]): void {
  const buffers = inputs.map((i) => values[i].storage.buffer);
  const [first] = buffers;
  const inPlace = buffers.every(
    (b, k) =>
      b instanceof GpuPart && first instanceof GpuPart && b.block === first.block && b.start === offsets[k],
  );
  if (inPlace && (first as GpuPart).block.parts === inputs.length) return;
  const block = device.allocateBytes(bytes);
  inputs.forEach((i, k) => {
    const { dtype, length } = values[i].storage;
    device.move(values[i], block, new GpuPart(block, offsets[k], tensorBytes(dtype, length)), offsets[k]);
  });
}

/**
 * Gives a value memory of its own when it lies beside others, as another program has put it there: what writes into it
 * may read these, and a dispatch cannot do both to one buffer.
 */
function separate(device: WebGPUDevice, value: Value): void {
  const { buffer, dtype, length } = value.storage;
  if (!(buffer instanceof GpuPart) || buffer.block.parts === 1) return;
  const block = device.allocate(dtype, length);
  device.move(value, block, block, 0);
}
