import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { cpu, loadTensors, reshape, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { linear } from '@seq/nn';
import { hostRandom, toTensor } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import {
  elmanCell,
  elmanCellFromTorch,
  elmanFromKeras,
  elmanFromOnnx,
  elmanFromTorch,
  elmanStack,
} from './elman/index.js';
import { gruCell, gruCellFromTorch, gruFromKeras, gruFromOnnx, gruFromTorch, gruStack } from './gru/index.js';
import {
  lstmCell,
  lstmCellFromTorch,
  lstmFromKeras,
  lstmFromOnnx,
  lstmFromTorch,
  lstmStack,
} from './lstm/index.js';
import type { OnnxLstmWeights } from './lstm/index.js';

const f64 = { device: cpu(), dtype: 'f64' } as const;

async function close(got: Tensor, want: ArrayLike<number>, digits: number): Promise<void> {
  const data = await got.data();
  expect(data.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) expect(data[i]).toBeCloseTo(want[i], digits);
}

/** Fetched data: the folder that SEQ_SHARED names, or `shared` beside the checkout. */
const shared = process.env['SEQ_SHARED']
  ? pathToFileURL(`${process.env['SEQ_SHARED']}/`)
  : new URL('../../../../shared/', import.meta.url);

/** A file there, and what to say in the title of a test that needs it. */
function fetched(path: string): { file: URL; missing: boolean; note: string } {
  const file = new URL(path, shared);
  const missing = !existsSync(file);
  return { file, missing, note: missing ? ` (skipped: no ${path} in SEQ_SHARED or ../shared)` : '' };
}

interface OnnxArray {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface OnnxCase {
  readonly test: string;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly inputs: readonly OnnxArray[];
  readonly outputs: readonly OnnxArray[];
}

type RunOnnx = (
  x: Tensor,
  weights: OnnxLstmWeights,
  initial: Record<string, Tensor>,
  resetAfter: boolean,
) => readonly [y: Tensor, hN: Tensor];

const onnx: Readonly<Record<'RNN' | 'GRU' | 'LSTM', RunOnnx>> = {
  RNN: (x, weights, initial) => elmanStack(x, [elmanFromOnnx(weights)], { batchFirst: false, ...initial }),
  GRU: (x, weights, initial, resetAfter) =>
    gruStack(x, [gruFromOnnx(weights)], { batchFirst: false, resetAfter, ...initial }),
  LSTM(x, weights, initial) {
    const [y, { hN }] = lstmStack(x, [lstmFromOnnx(weights)], { batchFirst: false, ...initial });
    return [y, hN];
  },
};

describe.each(['RNN', 'GRU', 'LSTM'] as const)('ONNX backend tests of %s', (op) => {
  const { file, missing, note } = fetched(`data/ops/onnx/${op}.json`);
  test.skipIf(missing)(`every case${note}`, async () => {
    const cases = JSON.parse(readFileSync(file, 'utf8')) as OnnxCase[];
    expect(cases).toHaveLength(4);
    for (const { test: name, attrs, inputs, outputs } of cases) {
      const { hidden_size: H, layout = 0, linear_before_reset: after = 0, ...unknown } = attrs;
      expect(unknown, name).toEqual({});
      const given = Object.fromEntries(
        inputs.map((a): [string, Tensor] => {
          const values = a.dtype === 'int32' ? Int32Array.from(a.data) : Float32Array.from(a.data);
          return [a.name, tensor(values, { shape: [...a.shape] })];
        }),
      );
      const { X, W, R, B, P, sequence_lens: lengths, initial_h: h0, initial_c: c0 } = given;
      // Batch first there also puts the batch of states and outputs before the directions.
      const x = layout === 1 ? X.swapAxes(0, 1) : X;
      const initial = { ...(lengths && { lengths }), ...(h0 && { h0 }), ...(c0 && { c0 }) };
      const run = (weights: OnnxLstmWeights): readonly [Tensor, Tensor] =>
        onnx[op](x, weights, initial, after === 1);
      const [y, hN] = run({ W, R, ...(B && { B }), ...(P && { P }) });
      expect(hN.shape.at(-1)).toBe(H);
      const [T, N, units] = y.shape;
      expect(outputs.length).toBeGreaterThan(0);
      for (const want of outputs) {
        const all = layout === 1 ? reshape(y.swapAxes(0, 1), [N, T, 1, units]) : reshape(y, [T, 1, N, units]);
        const last = layout === 1 ? hN.swapAxes(0, 1) : hN;
        const ours = want.name === 'Y' ? all : last;
        expect(ours.shape, name).toEqual(want.shape);
        await close(ours, want.data, 5);
      }
    }
  });
});

describe.each(['gru', 'lstm'] as const)('RTNeural: a stack of %s layers trained in PyTorch', (kind) => {
  const { file, missing, note } = fetched(`data/ops/rtneural/${kind}_stack.safetensors`);
  test.skipIf(missing)(`1000 steps${note}`, async () => {
    const named = loadTensors(readFileSync(file), { device: cpu() });
    const get = (name: string): Tensor => {
      const found = named.get(name);
      if (!found) throw new Error(`${name} is missing`);
      return found;
    };
    const run = (x: Tensor, prefix: string): Tensor =>
      kind === 'gru'
        ? gruStack(x, gruFromTorch(named, prefix))[0]
        : lstmStack(x, lstmFromTorch(named, prefix))[0];
    const hidden = run(run(reshape(get('x'), [1, 1000, 1]), `${kind}.`), `${kind}2.`);
    const y = linear(hidden, { weight: get('dense.weight'), bias: get('dense.bias') });
    await close(y, await get('y').data(), 6);
  });
});

describe('Keras', () => {
  const [T, I, H] = [4, 2, 3];
  const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
  const place = (list: readonly HostArray[]): Tensor[] => list.map((h) => toTensor(h, f64));

  function draw(gates: number, biasShape: readonly number[]): HostArray[] {
    const random = hostRandom(31);
    return [
      random.normal([I, gates * H]),
      random.normal([H, gates * H]),
      random.normal([...biasShape], { std: 0.5 }),
    ];
  }

  /** Column `j` of v · W, row-major with `columns` columns. */
  const product = (v: ArrayLike<number>, { data, shape }: HostArray, j: number): number =>
    Array.from(v).reduce((s, value, i) => s + value * data[i * shape[1] + j], 0);

  /** A layer as Keras' documentation has it: `cell(kernel, recurrent)` gives one unit from columns of both products. */
  function over(x: HostArray, step: (x: ArrayLike<number>, h: number[]) => number[]): number[] {
    let h = new Array<number>(H).fill(0);
    return Array.from({ length: T }, (_, t) => (h = step(x.data.subarray(t * I, (t + 1) * I), h))).flat();
  }

  const x = hostRandom(30).normal([1, T, I]);

  test.each([true, false])('GRU, reset_after = %s: columns z, r, h', async (resetAfter) => {
    const weights = draw(3, resetAfter ? [2, 3 * H] : [3 * H]);
    const [kernel, recurrent, bias] = weights;
    const want = over(x, (now, h) => {
      const input = (j: number): number => product(now, kernel, j) + bias.data[j];
      const inner = (v: number[], j: number): number =>
        product(v, recurrent, j) + (resetAfter ? bias.data[3 * H + j] : 0);
      const r = h.map((_, j) => sigmoid(input(H + j) + inner(h, H + j)));
      const seen = h.map((v, j) => r[j] * v);
      return h.map((old, j) => {
        const z = sigmoid(input(j) + inner(h, j));
        const k = 2 * H + j;
        const n = Math.tanh(input(k) + (resetAfter ? r[j] * inner(h, k) : inner(seen, k)));
        return z * old + (1 - z) * n;
      });
    });
    const layer = gruFromKeras(place(weights), { resetAfter });
    await close(gruStack(toTensor(x, f64), [layer], { resetAfter })[0], want, 12);
    expect(() => gruFromKeras(place(weights), { resetAfter: !resetAfter })).toThrow(
      'gruFromKeras: kernel, recurrent kernel, bias must be [I, 3H], [H, 3H] and',
    );
  });

  test('LSTM: columns i, f, c, o', async () => {
    const weights = draw(4, [4 * H]);
    const [kernel, recurrent, bias] = weights;
    let c = new Array<number>(H).fill(0);
    const want = over(x, (now, h) => {
      const a = (j: number): number => product(now, kernel, j) + product(h, recurrent, j) + bias.data[j];
      c = c.map((old, j) => sigmoid(a(H + j)) * old + sigmoid(a(j)) * Math.tanh(a(2 * H + j)));
      return c.map((v, j) => sigmoid(a(3 * H + j)) * Math.tanh(v));
    });
    await close(lstmStack(toTensor(x, f64), [lstmFromKeras(place(weights))])[0], want, 12);
  });

  test('SimpleRNN, in both directions', async () => {
    const ahead = draw(1, [H]);
    const back = ahead.map(({ data, shape }) => ({ data: data.map((v) => -v), shape }));
    const run = (input: HostArray, [kernel, recurrent, bias]: HostArray[]): number[] =>
      over(input, (now, h) =>
        h.map((_, j) => Math.tanh(product(now, kernel, j) + product(h, recurrent, j) + bias.data[j])),
      );
    const rows = (list: number[]): number[][] =>
      Array.from({ length: T }, (_, t) => list.slice(t * H, (t + 1) * H));
    const flipped = Float64Array.from(
      Array.from({ length: T }, (_, t) => [...x.data.subarray((T - 1 - t) * I, (T - t) * I)]).flat(),
    );
    const reverse = rows(run({ data: flipped, shape: x.shape }, back)).toReversed();
    const want = rows(run(x, ahead)).flatMap((row, t) => [...row, ...reverse[t]]);
    const layer = elmanFromKeras(place([...ahead, ...back]));
    await close(elmanStack(toTensor(x, f64), [layer])[0], want, 12);
  });

  test('without biases, and lists of another length', () => {
    const [kernel, recurrent] = place(draw(4, [4 * H]));
    expect(Object.keys(lstmFromKeras([kernel, recurrent]).forward)).toEqual(['weightIh', 'weightHh']);
    expect(() => lstmFromKeras([kernel])).toThrow(
      'lstmFromKeras: weights must be kernel, recurrent kernel and maybe bias, for one or two directions, got 1 tensors.',
    );
  });
});

test('ONNX: both directions; weights that do not fit are refused', async () => {
  const [H, I] = [3, 2];
  const random = hostRandom(32);
  const node = {
    W: toTensor(random.normal([2, 4 * H, I]), f64),
    R: toTensor(random.normal([2, 4 * H, H]), f64),
    B: toTensor(random.normal([2, 8 * H]), f64),
  };
  const { forward, reverse } = lstmFromOnnx(node);
  expect(reverse?.weightHh.shape).toEqual([4 * H, H]);
  const output = node.W.at(0).slice(0, H, 2 * H); // o stands second there, last here
  await close(forward.weightIh.slice(0, 3 * H, 4 * H), await output.data(), 12);
  const P = toTensor(random.normal([2, 3 * H]), f64);
  const seeing = lstmFromOnnx({ ...node, P });
  await close(
    seeing.reverse!.peepholes!.slice(0, H, 2 * H),
    await P.at(1)
      .slice(0, 2 * H)
      .data(),
    12,
  ); // i, o, f there
  expect(() => lstmFromOnnx({ ...node, P: P.at(0) })).toThrow(
    'lstmFromOnnx: P must be [D, 3H] = [2, 9], got [9].',
  );
  expect(() => gruFromOnnx(node)).toThrow(
    'gruFromOnnx: W, R, B must be [D, 3H, I], [D, 3H, H] and [D, 6H] with D = 1 or 2, got [2, 12, 2], [2, 12, 3], [2, 24].',
  );
});

test('PyTorch: a cell by itself has the names of layer 0 without their number', async () => {
  const [H, I] = [3, 2];
  const random = hostRandom(33);
  const x = toTensor(random.normal([2, I]), f64);
  const named = (gates: number): Record<string, Tensor> => ({
    'decoder.weight_ih': toTensor(random.normal([gates * H, I]), f64),
    'decoder.weight_hh': toTensor(random.normal([gates * H, H]), f64),
    'decoder.bias_ih': toTensor(random.normal([gates * H]), f64),
    'decoder.bias_hh': toTensor(random.normal([gates * H]), f64),
    'head.weight': x,
  });
  const numbered = (cell: Record<string, Tensor>): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(cell).map(([name, value]) => [`${name}_l0`, value]));
  const zero = toTensor(random.normal([2, H]), f64).mul(0);
  const only = (stack: readonly [Tensor, unknown]): Tensor => stack[0].squeeze(1);
  const sequence = x.expandDims(1);

  const [one, three, four] = [1, 3, 4].map(named);
  const h = elmanCell(x, zero, elmanCellFromTorch(one, 'decoder.'));
  const elman = only(elmanStack(sequence, elmanFromTorch(numbered(one), 'decoder.')));
  await close(h, await elman.data(), 12);
  const g = gruCell(x, zero, gruCellFromTorch(three, 'decoder.'));
  await close(g, await only(gruStack(sequence, gruFromTorch(numbered(three), 'decoder.'))).data(), 12);
  const l = lstmCell(x, { h: zero, c: zero }, lstmCellFromTorch(new Map(Object.entries(four)), 'decoder.'));
  await close(l.h, await only(lstmStack(sequence, lstmFromTorch(numbered(four), 'decoder.'))).data(), 12);
  expect(() => lstmCellFromTorch(four)).toThrow(
    'lstmCellFromTorch: weight_ih is missing. Give both matrices,',
  );
});
