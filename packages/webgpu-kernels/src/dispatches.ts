import type { Program } from '@seq/tensor/engine';
import type { Chooser } from './choose.js';
import { LoadedProgram } from './loaded.js';
import { GpuBlock } from './memory.js';
import type { Pipeline } from './pipelines.js';
import { Runner } from './runner.js';

/** Dispatches that a run of a program submits: it is recorded as for a run, with nothing to run on. */
export function dispatchesOf(program: Program, chooser: Chooser, checkNumerics: boolean): number {
  let count = 0;
  const block = new GpuBlock(0, {} as GPUBuffer, 0);
  const host = {
    ...{ checkNumerics, step: null, counters: { kernels: 0 } },
    allocateBytes: () => block,
    write() {},
    free() {},
  };
  const pipelines = { get: (shader: Pipeline['shader']) => ({ shader, blockBytes: 1024 }) as Pipeline };
  const queue = {
    sequence: 0,
    record() {
      count++;
    },
  };
  const runner = new Runner(host, chooser, pipelines, queue);
  const places = (list: readonly unknown[]) => list.map(() => ({ block, offset: 0 }));
  new LoadedProgram(
    runner,
    program,
    program.inputs.map(() => 4),
  ).record({
    blocks: program.blocks.map(() => block),
    inputs: places(program.inputs),
    outputs: places(program.outputs),
  });
  return count;
}
