import type { Aval } from '../engine/dtype.js';
import { bytesPerElement, sizeOf, typedView } from '../engine/dtype.js';
import type { TypedArray } from '../engine/dtype.js';
import type { CpuCall, CpuView } from '../engine/op.js';
import type { Program } from '../engine/program.js';
import { BoundProgram } from './bound.js';
import type { KernelContext } from './kernel.js';

/** What the CPU needs to know of a loop: its body and how many of the operands are carried and sliced. */
export interface LoopAttrs {
  readonly program: Program;
  readonly carries: number;
  readonly slices: number;
  readonly length: number;
  readonly reverse: boolean;
}

const roundUp = (n: number): number => Math.ceil(n / 8) * 8;
const bytesOf = (a: Aval): number => roundUp(sizeOf(a.shape) * bytesPerElement(a.dtype));

/** Memory of the loop: the body's arena, each carry once, and once more where the body cannot overwrite it. */
export function loopScratch({ program, carries }: LoopAttrs): number {
  let bytes = program.arenaBytes;
  for (let i = 0; i < carries; i++) {
    bytes += bytesOf(program.inputs[i]);
    if (program.donated[i] === -1) bytes += bytesOf(program.outputs[i]);
  }
  return bytes;
}

interface Prepared {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly bound: BoundProgram;
  readonly current: TypedArray[];
  /** Memory for outputs that take over no input's, by output index. */
  readonly spare: (TypedArray | null)[];
}

function prepare(call: CpuCall<LoopAttrs>): Prepared {
  const { program, carries } = call.attrs;
  const { buffer, byteOffset } = call.scratch;
  const memo = call.memo as { value?: Prepared };
  if (memo.value?.buffer === buffer && memo.value.byteOffset === byteOffset) return memo.value;
  let at = byteOffset + program.arenaBytes;
  const block = (a: Aval): TypedArray => {
    const view = typedView(a.dtype, buffer, at, sizeOf(a.shape));
    at += bytesOf(a);
    return view;
  };
  const current: TypedArray[] = [];
  const spare: (TypedArray | null)[] = [];
  for (let i = 0; i < carries; i++) {
    current.push(block(program.inputs[i]));
    spare.push(program.donated[i] === -1 ? block(program.outputs[i]) : null);
  }
  const bound = new BoundProgram(program, buffer, byteOffset, call.context as KernelContext);
  return (memo.value = { buffer, byteOffset, bound, current, spare });
}

/** Runs the body once per slice, in constant memory beside its operands and results. */
export function runLoop(call: CpuCall<LoopAttrs>): void {
  const { inputs, outputs, attrs } = call;
  const { program, carries, slices, length, reverse } = attrs;
  const { bound, current, spare } = prepare(call);
  for (let i = 0; i < carries; i++) {
    const v = inputs[i];
    current[i].set(v.data.subarray(v.offset, v.offset + current[i].length));
  }
  for (let i = carries + slices; i < inputs.length; i++) {
    bound.setInput(i, inputs[i].data, inputs[i].offset);
  }
  const sizes = (list: readonly CpuView[], from: number, to: number): number[] =>
    list.slice(from, to).map((v) => sizeOf(v.shape.slice(1)));
  const xSize = sizes(inputs, carries, carries + slices);
  const ySize = sizes(outputs, carries, outputs.length);

  for (let step = 0; step < length; step++) {
    const t = reverse ? length - 1 - step : step;
    for (let i = 0; i < carries; i++) {
      bound.setInput(i, current[i], 0);
      if (spare[i] !== null) bound.setOutput(i, spare[i]!, 0);
      else bound.setOutput(i, current[program.donated[i]], 0);
    }
    for (let i = 0; i < slices; i++) {
      const x = inputs[carries + i];
      bound.setInput(carries + i, x.data, x.offset + t * xSize[i]);
    }
    for (let i = 0; i < ySize.length; i++) {
      const y = outputs[carries + i];
      bound.setOutput(carries + i, y.data, y.offset + t * ySize[i]);
    }
    bound.run();
    advance(program, carries, current, spare);
  }
  for (let i = 0; i < carries; i++) outputs[i].data.set(current[i], outputs[i].offset);
}

/** Makes the carries just written the current ones and collects the memory of those no longer needed. */
function advance(
  program: Program,
  carries: number,
  current: TypedArray[],
  spare: (TypedArray | null)[],
): void {
  const old = current.slice();
  const used = new Set<TypedArray>();
  for (let i = 0; i < carries; i++) {
    const from = program.donated[i];
    current[i] = from === -1 ? spare[i]! : old[from];
    used.add(current[i]);
  }
  const free = old.filter((b) => !used.has(b));
  for (let i = 0; i < carries; i++) {
    if (spare[i] === null) continue;
    const k = free.findIndex(
      (b) => b.length === current[i].length && b.constructor === current[i].constructor,
    );
    spare[i] = free.splice(k, 1)[0]!;
  }
}
