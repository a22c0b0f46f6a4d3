import type { GpuCall, GpuPlan, GpuShader, GpuVariant } from '@seq/tensor/engine';
import { cumsumOp, linearRecurrenceOp, sizeOf } from '@seq/tensor/engine';
import { memo, reads, writes } from '../wgsl/index.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { linear, sums } from './scan/algebra.js';
import { planColumns } from './scan/columns.js';
import type { Scan, ScanShape } from './scan/problem.js';
import { reachOf, reachParams, reachText } from './scan/problem.js';
import { planTiles, suitsTiles, tileShader } from './scan/tiles.js';

const algebraOf = ({ kind, type }: Pick<ScanShape, 'kind' | 'type'>) =>
  kind === 'linear' ? linear : sums(type);

const tiles = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as ScanShape;
  const { kind, type, inputs } = s;
  const out = writes('o', type, inputs);
  const recurs = kind === 'linear';
  // What would be multiplied by the factor of a first step is nothing, unless there is a state before it.
  const begin = s.shifted || !s.initial ? 'if (t == 0u) { return 0.0; }' : '';
  const factor = `fn factor(column: u32, t: u32) -> f32 {
  ${begin}
  return a(a_at(column) + p.a_first + ${s.shifted ? '(t - 1u)' : 't'} * p.a_t);
}`;
  return tileShader({
    ...s,
    name: recurs ? 'linearRecurrence' : 'cumsum',
    algebra: algebraOf(s),
    params: { nought: 'u32', ...reachParams(s.ranks) },
    declare: reachText(s.ranks) + (recurs && s.phase !== 'carries' ? `\n${factor}` : ''),
    column: `let xx = x_at(column) + p.x_first;
  let oo = o_at(column) + p.o_first;`,
    load: recurs ? 'vec2<f32>(factor(column, t), x(xx + t * p.x_t))' : 'x(xx + t * p.x_t)',
    store: `set_o(oo + t * p.o_t, ${recurs ? 'v.y' : 'v'});`,
    initial: recurs
      ? s.initial && !s.shifted
        ? 'vec2<f32>(1.0, initial(h_at(column)))'
        : linear.nothing
      : algebraOf(s).nothing,
    operands: [
      ...(recurs ? [reads('a', 'f32', 0), reads('x', 'f32', 1)] : [reads('x', type, 0)]),
      ...(s.phase === 'sums' ? [] : [out]),
    ],
    before: recurs && s.initial && !s.shifted ? [reads('initial', 'f32', 2)] : [],
    scratch: inputs + 1,
  });
});

function tilesPlan(scan: Scan): GpuPlan {
  const { kind, out, inputs, exclusive, shifted, initial, alias } = scan;
  if (sizeOf(out.shape) === 0) return { passes: [] };
  const reach = reachOf(scan);
  const shape = {
    ...{ kind, exclusive, shifted, inputs, alias, ranks: reach.ranks },
    type: out.dtype as ScanShape['type'],
    initial: initial !== null,
  };
  return planTiles(algebraOf(shape), reach, (phase) => tiles(JSON.stringify({ ...shape, phase })), [
    0,
    ...reach.values,
  ]);
}

/** Tiles where the axis lies close, columns elsewhere. */
function variants<A>(scanOf: (call: GpuCall<A>) => Scan): GpuVariant<A>[] {
  const innerOf = ({ axis, out }: Scan): number => sizeOf(out.shape.slice(axis + 1));
  return [
    {
      name: 'tiles',
      supports(call, limits) {
        const scan = scanOf(call);
        return suitsTiles(scan.out.shape[scan.axis], innerOf(scan), limits);
      },
      plan: (call) => tilesPlan(scanOf(call)),
    },
    {
      name: 'columns',
      supports: () => true,
      plan: (call, limits) => planColumns(scanOf(call), limits),
    },
  ];
}

export const scansKernels = (): Entry[] => [
  entry(cumsumOp, {
    variants: variants(({ inputs: [x], outputs: [out], attrs, alias }) => ({
      ...{ kind: 'sum', ...attrs, shifted: false, x, a: null, initial: null, out, inputs: 1, alias },
    })),
  }),
  entry(linearRecurrenceOp, {
    strided: true,
    inplace: [[0, 1]],
    variants: variants(({ inputs, outputs: [out], attrs, alias }) => {
      const [a, x, initial = null] = inputs;
      return { kind: 'linear', ...attrs, exclusive: false, x, a, initial, out, inputs: inputs.length, alias };
    }),
  }),
];
