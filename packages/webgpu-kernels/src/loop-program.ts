import { sizeOf } from '@seq/tensor';
import type { Aval } from '@seq/tensor';
import type { LoopAttrs, Op, Program } from '@seq/tensor/engine';
import { denseLayout, scanOp } from '@seq/tensor/engine';
import { loopBlocks } from './loaded.js';

/** A program that is one loop, its scratch memory being the program's blocks. */
export function loopProgram(attrs: LoopAttrs): Program {
  const { program, carries, slices, length } = attrs;
  const inputs = program.inputs.map(({ shape, dtype }, i) => ({
    dtype,
    shape: i >= carries && i < carries + slices ? [length, ...shape] : shape,
  }));
  const outputs = program.outputs.map(({ shape, dtype }, i) => ({
    dtype,
    shape: i < carries ? shape : [length, ...shape],
  }));
  const blocks = loopBlocks(attrs);
  const slot = (
    aval: Aval,
    home: Program['slots'][number]['home'],
    bytes: number,
  ): Program['slots'][number] => ({
    aval,
    length: sizeOf(aval.shape),
    bytes,
    home,
    first: 0,
    last: 0,
  });
  const slots = [
    ...inputs.map((a, index) => slot(a, { kind: 'input', index }, 0)),
    ...outputs.map((a, index) => slot(a, { kind: 'output', index }, 0)),
    ...blocks.map((bytes, block) =>
      slot({ shape: [], dtype: 'f32' }, { kind: 'arena', block, offset: 0 }, bytes),
    ),
  ];
  const arg = (a: Aval, i: number): { slot: number; layout: ReturnType<typeof denseLayout> } => ({
    slot: i,
    layout: denseLayout(a.shape),
  });
  return {
    inputs,
    outputs,
    slots,
    instructions: [
      {
        op: scanOp as Op,
        attrs,
        inputs: inputs.map(arg),
        outputs: outputs.map((a, i) => arg(a, inputs.length + i)),
        scratch: blocks.map((_, i) => inputs.length + outputs.length + i),
        node: null,
        waves: [0],
      },
    ],
    blocks,
    arenaBytes: 0,
    donated: outputs.map(() => -1),
    overwrittenAt: inputs.map(() => Infinity),
    packs: [],
    inputBytes: 0,
    outputBytes: 0,
    peakBytes: 0,
  };
}
