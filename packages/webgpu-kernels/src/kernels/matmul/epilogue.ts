import type { FusedAttrs, GpuCall } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import type { Element } from '../../wgsl/index.js';
import { reads, writes } from '../../wgsl/index.js';
import type { Lane } from '../map/lane.js';
import { constantsOf, laneKey, laneText } from '../map/lane.js';
import { broadcastStrides, collapse } from '../map/layout.js';
import type { Epilogue } from './text.js';

/** The product behind which a chain runs: factors first, then what else the chain reads. */
export function productOf(call: GpuCall<FusedAttrs>): GpuCall<unknown> {
  const { head } = call.attrs;
  const [y, ...rest] = call.outputs;
  return { ...call, attrs: head!.attrs, outputs: [{ ...y, shape: head!.shape }, ...rest] };
}

/**
 * The chain of a call as an epilogue of its product. Element i of the product is element i of all results; operands
 * that broadcast or have other strides find their place by dividing i.
 */
export function epilogueOf({ inputs, outputs, attrs, alias }: GpuCall<FusedAttrs>): Epilogue {
  const { head, steps, results } = attrs;
  const { shape } = outputs[0];
  const first = head!.inputs;
  const others = inputs.slice(first);
  const nest = collapse(
    shape,
    others.map((v) => broadcastStrides(v, shape)),
  );
  const { sizes } = nest;
  const linear = others.map((_, k) => {
    let dense = 1;
    return sizes.every((d, i) => {
      const at = sizes.length - 1 - i;
      const fits = nest.strides[k][at] === dense;
      dense *= sizes[at];
      return fits || d === 0;
    });
  });
  const lane: Lane = {
    given: [
      ...others.map(({ dtype }, k) => ({ id: first + k, dtype })),
      { id: inputs.length, dtype: outputs[0].dtype },
    ],
    steps: steps.slice(1),
    first: inputs.length + 1,
    results: outputs.map(({ dtype }, i) => ({ id: results[i], dtype })),
    prefix: 'e_k',
  };

  const params: [name: string, value: number][] = [['e_n', head!.shape[head!.shape.length - 1]]];
  sizes.slice(1).forEach((d, i) => params.push([`e_d${i + 1}`, d]));
  others.forEach((_, k) => {
    if (!linear[k]) nest.strides[k].forEach((s, i) => params.push([`e_s${k}_${i}`, s >>> 0]));
  });
  params.push(...constantsOf(lane));

  const walk = linear.every(Boolean)
    ? []
    : [
        'var rest = i;',
        ...sizes
          .map((_, i) => sizes.length - 1 - i)
          .map((i) => (i === 0 ? 'let c0 = rest;' : `let c${i} = rest % p.e_d${i}; rest /= p.e_d${i};`)),
      ];
  const place = (k: number): string =>
    linear[k] ? 'i' : ['0u', ...sizes.map((_, i) => `c${i} * p.e_s${k}_${i}`)].join(' + ');
  const many = outputs.length > 1;
  const arguments_ = [...others.map((_, k) => `x${k}(${place(k)})`), 'v'].join(', ');
  return {
    key: `${first} ${inputs.length} ${others.map((v, k) => `${v.dtype}${linear[k]}`).join()} ${sizes.length} ${laneKey(lane)} ${alias.join()}`,
    operands: [
      ...others.map((v, k) => reads(`x${k}`, v.dtype as Element, first + k)),
      ...outputs.slice(1).map((v, i) => writes(`r${i + 1}`, v.dtype as Element, inputs.length + 1 + i)),
    ],
    params: Object.fromEntries(params.map(([name]) => [name, 'u32' as const])),
    values: params.map(([, value]) => value),
    declare: `${laneText(lane)}
fn finish(v: f32, batch: u32, row: u32, column: u32) -> f32 {
let i = batch * p.size + row * p.e_n + column;
${walk.join('\n')}
let done = lane(${arguments_});
${outputs
  .slice(1)
  .map((_, i) => `set_r${i + 1}(i, done.r${i + 1});`)
  .join('\n')}
return ${many ? 'done.r0' : 'done'};
}`,
    alias,
    inPlace: alias.some((a) => a !== -1) || sizeOf(shape) === 0,
  };
}
