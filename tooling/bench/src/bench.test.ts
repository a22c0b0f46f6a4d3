import { createCpu } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { line, main } from './cli.js';
import type { Contender } from './contender.js';
import { numbers } from './input.js';
import { items, reverseAxes, swapLast } from './items.js';
import type { Item, Operation } from './items.js';
import { difference, measure, median } from './measure.js';
import { memoriesCommand, memoryLine } from './memories-command.js';
import { model } from './onnx.js';
import { page } from './page.js';
import { seq } from './seq.js';

const quick = { warmUp: 0, turns: 3, turn: 0 };

/** A contender that answers with given values after a given time. */
function fake(name: string, comparable: boolean, ms: number, values: readonly number[]): Contender {
  return {
    name,
    comparable,
    prepare: async () => ({
      run: () => new Promise((done) => setTimeout(done, ms)),
      read: async () => Float32Array.from(values),
      dispose: () => {},
    }),
  };
}

const item: Item = { name: 'thing', operation: 'matmul', inputs: [], bar: 0.5 };

describe('measuring', () => {
  test('median and difference', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
    expect(difference(Float32Array.of(1, -4), Float32Array.of(1, -3))).toBe(0.25);
    expect(difference(Float32Array.of(1, NaN, 2), Float32Array.of(1, 1, 2))).toBe(Infinity);
    expect(difference(Float32Array.of(1), Float32Array.of(1, 2))).toBe(Infinity);
  });

  test('the ratio is to the best WebAssembly peer; native code stands beside', async () => {
    const field = [fake('seq', true, 20, [1]), fake('slow', true, 60, [1]), fake('native', false, 1, [1])];
    const row = await measure(item, field, field[0], 'cpu', quick);
    expect(Object.keys(row.peers)).toEqual(['slow', 'native']);
    expect(row.ratio).toBe(row.ours / row.peers['slow']);
    expect(row.ratio).toBeGreaterThan(0.2);
    expect(row.ratio).toBeLessThan(0.6);
    expect(line({ ...row, ratio: 0.49 })).toMatch(/ratio 0\.49 \(bar 0\.5\) ok/);
    expect(line({ ...row, ratio: 0.51 })).toMatch(/ABOVE/);
  });

  test('a peer with other values is not timed, and Seq with other values is an error', async () => {
    const field = [
      fake('seq', true, 1, [1, 2]),
      fake('wrong', true, 0, [1, 2.1]),
      fake('right', true, 1, [1, 2]),
    ];
    const row = await measure(item, field, field[0], 'cpu', quick);
    expect(Object.keys(row.peers)).toEqual(['right']);
    expect(row.excluded?.['wrong']).toMatch(/wrong values/);
    await expect(measure(item, field, field[1], 'cpu', quick)).rejects.toThrow(/thing: seq: wrong values/);
  });
});

test('memories are timed beside flash attention, and one that is not faster is above the bar', async () => {
  const lines: string[] = [];
  const rows = await memoriesCommand('cpu', { T: 70, turns: 1 }, (text) => void lines.push(text));
  expect(rows.map(({ memory }) => memory)).toEqual([
    'linear attention',
    'simple GLA',
    'GLA',
    'gated delta rule',
  ]);
  for (const { ours, flash } of rows) expect(Math.min(ours, flash)).toBeGreaterThan(0);
  expect(new Set(rows.map(({ flash }) => flash)).size).toBe(1);
  expect(lines[0]).toBe(memoryLine(rows[0]));
  expect(memoryLine({ ...rows[0], ours: 2, flash: 4 })).toMatch(
    /2\.00 ms, flash 4\.00 ms, ratio 0\.50 .* ok$/,
  );
  expect(memoryLine({ ...rows[0], ours: 4, flash: 4 })).toMatch(/ratio 1\.00 .* ABOVE$/);
});

describe('items', () => {
  /** The definition of each operation, in double. */
  const definitions: Partial<Record<Operation, (x: Item['inputs']) => number[]>> = {
    matmul: ([a, b]) => {
      const [m, k, n] = [a.shape[0], a.shape[1], b.shape[1]];
      return Array.from({ length: m * n }, (_, o) => {
        let sum = 0;
        for (let l = 0; l < k; l++) sum += a.data[Math.floor(o / n) * k + l] * b.data[l * n + (o % n)];
        return sum;
      });
    },
    softmax: ([x]) => {
      const n = x.shape[1];
      return [...x.data].map((v, i) => {
        const row = x.data.subarray(i - (i % n), i - (i % n) + n);
        return Math.exp(v) / row.reduce((s, u) => s + Math.exp(u), 0);
      });
    },
    layerNorm: ([x, w, b]) => {
      const n = x.shape[1];
      return [...x.data].map((v, i) => {
        const row = x.data.subarray(i - (i % n), i - (i % n) + n);
        const mean = row.reduce((s, u) => s + u, 0) / n;
        const variance = row.reduce((s, u) => s + (u - mean) ** 2, 0) / n;
        return ((v - mean) / Math.sqrt(variance + 1e-5)) * w.data[i % n] + b.data[i % n];
      });
    },
    cumsum: ([x]) => {
      const n = x.shape[1];
      const y = [...x.data];
      for (let i = n; i < y.length; i++) y[i] += y[i - n];
      return y;
    },
    conv1d: ([x, w]) => {
      const [, T, I] = x.shape;
      const [W, , O] = w.shape;
      return Array.from({ length: T * O }, (_, at) => {
        const [t, o] = [Math.floor(at / O), at % O];
        let sum = 0;
        for (let j = 0; j < W; j++) {
          const u = t + j - (W - 1);
          for (let c = 0; c < I && u >= 0; c++) sum += x.data[u * I + c] * w.data[(j * I + c) * O + o];
        }
        return sum;
      });
    },
  };
  const small: [Operation, number[][]][] = [
    [
      'matmul',
      [
        [5, 7],
        [7, 6],
      ],
    ],
    ['softmax', [[4, 9]]],
    ['layerNorm', [[4, 9], [9], [9]]],
    ['cumsum', [[11, 5]]],
    [
      'conv1d',
      [
        [1, 9, 3],
        [4, 3, 5],
      ],
    ],
  ];
  test.each(small)('%s is what its name says', async (operation, shapes) => {
    const inputs = shapes.map((shape, i) => numbers(shape, i + 1));
    const prepared = await seq(createCpu(), 'seq').prepare({ name: 'small', operation, inputs, bar: 1 });
    const want = Float32Array.from(definitions[operation]!(inputs));
    await prepared!.run();
    expect(difference(want, await prepared!.read())).toBeLessThan(1e-6);
  });

  test('layouts of other libraries', () => {
    const x = { shape: [1, 2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    expect(swapLast(x)).toEqual({ shape: [1, 3, 2], data: Float32Array.of(1, 4, 2, 5, 3, 6) });
    expect(reverseAxes({ shape: [2, 1, 2], data: Float32Array.of(1, 2, 3, 4) })).toEqual({
      shape: [2, 1, 2],
      data: Float32Array.of(1, 3, 2, 4),
    });
  });
});

test('a model of one node in the format of ONNX', () => {
  const bytes = model('CumSum', [[300]], { exclusive: 1 }, { axis: 0 });
  const text = String.fromCharCode(...bytes);
  for (const part of ['CumSum', 'exclusive', 'axis', 'x0', 'y']) expect(text).toContain(part);
  // ir_version 8 first; 300 as a varint of two bytes somewhere.
  expect([...bytes.subarray(0, 2)]).toEqual([8, 8]);
  expect(text).toContain(String.fromCharCode(0x08, 0xac, 0x02));
});

test('the page shows every row, its bar and the verdict', () => {
  const row = { device: 'cpu', run: 'seq, a machine', excluded: { other: 'wrong values' }, bar: 0.5 };
  const text = page([
    {
      ...row,
      item: 'a',
      ours: 1,
      ratio: 0.25,
      peers: { web: 4, 'onnxruntime-node': 2 },
      threads: { one: 1.1, two: 0.5 },
    },
    { ...row, item: 'b', ours: 3, ratio: 0.75, peers: { web: 4 } },
  ]);
  expect(text).toContain('## seq, a machine');
  expect(text).toContain('| a | 1.00 | 4.00 | 0.25 | 0.5 | met | 0.500 | 2.20 | 2.00 | 0.50 |');
  expect(text).toContain('| b | 3.00 | 4.00 | 0.75 | 0.5 | not met |  |  |  |  |');
  expect(text).toContain('- b, other: wrong values');
});

test('wrong arguments are answered with the help', async () => {
  const said: string[] = [];
  const print = (text: string): void => void said.push(text);
  expect(await main(['--peers', '--item', 'nothing'], print)).toBe(2);
  expect(await main(['--peers', '--device', 'abacus'], print)).toBe(2);
  expect(await main(['--help'], print)).toBe(0);
  expect(said[0]).toMatch(/no item nothing/);
  expect(said[1]).toMatch(/device must be cpu or webgpu, got abacus/);
  for (const list of Object.values(items))
    for (const name of Object.keys(list)) expect(said[2]).toContain(name);
});
