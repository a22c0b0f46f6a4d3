import { cpu } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { hostRandom, toTensor } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { lstmFromTensorFlow, lstmStack } from './index.js';

const f64 = { device: cpu(), dtype: 'f64' } as const;
const [T, I, H, P] = [5, 3, 4, 2];
const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));

interface Cell {
  readonly kernel: HostArray;
  readonly bias: HostArray;
  readonly projection?: HostArray;
  readonly diagonals?: readonly HostArray[];
}

/** A cell as TensorFlow's documentation has it: one product of [x, h], split into i, j, f, o. */
function run(rows: readonly number[][], cell: Cell, forgetBias: number): number[][] {
  const { kernel, bias, projection, diagonals } = cell;
  const [wi, wf, wo] = (diagonals ?? []).map((d) => d.data);
  let c = new Array<number>(H).fill(0);
  let h = new Array<number>(projection ? P : H).fill(0);
  return rows.map((x) => {
    const joined = [...x, ...h];
    const z = (unit: number): number =>
      joined.reduce((sum, v, row) => sum + v * kernel.data[row * 4 * H + unit], bias.data[unit]);
    const shown = c.map((old, u) => {
      const f = sigmoid(z(2 * H + u) + forgetBias + (wf ? wf[u] * old : 0));
      c[u] = f * old + sigmoid(z(u) + (wi ? wi[u] * old : 0)) * Math.tanh(z(H + u));
      return sigmoid(z(3 * H + u) + (wo ? wo[u] * c[u] : 0)) * Math.tanh(c[u]);
    });
    h = projection
      ? Array.from({ length: P }, (_, p) =>
          shown.reduce((sum, v, u) => sum + v * projection.data[u * P + p], 0),
        )
      : shown;
    c = [...c];
    return h;
  });
}

const random = hostRandom(40);
const draw = (shape: number[]): HostArray => random.normal(shape, { std: 0.7 });
const place = (host: HostArray): Tensor => toTensor(host, f64);
const x = draw([1, T, I]);
const rows = Array.from({ length: T }, (_, t) => [...x.data.subarray(t * I, (t + 1) * I)]);

async function close(got: Tensor, want: readonly number[]): Promise<void> {
  const data = await got.data();
  expect(data.length).toBe(want.length);
  want.forEach((v, i) => expect(data[i]).toBeCloseTo(v, 12));
}

describe('lstmFromTensorFlow', () => {
  test.each([undefined, 0, 2.5])('two BasicLSTMCells, forget bias %s', async (forgetBias) => {
    const cells = [I, H].map((inputs) => ({ kernel: draw([inputs + H, 4 * H]), bias: draw([4 * H]) }));
    const named = Object.fromEntries(
      cells.flatMap(({ kernel, bias }, l) => [
        [`rnn/multi_rnn_cell/cell_${l}/basic_lstm_cell/bias`, place(bias)],
        [`rnn/multi_rnn_cell/cell_${l}/basic_lstm_cell/kernel`, place(kernel)],
      ]),
    );
    const want = cells.reduce((input, cell) => run(input, cell, forgetBias ?? 1), rows);
    const all = { ...named, softmax_w: place(draw([H, 2])) };
    const options = forgetBias === undefined ? [] : [{ forgetBias }];
    const layers = lstmFromTensorFlow(new Map(Object.entries(all)), 'rnn/multi_rnn_cell/', ...options);
    await close(lstmStack(place(x), layers)[0], want.flat());
  });

  test('one LSTMCell with a projection and peepholes', async () => {
    const cell = {
      kernel: draw([I + P, 4 * H]),
      bias: draw([4 * H]),
      projection: draw([H, P]),
      diagonals: [draw([H]), draw([H]), draw([H])],
    };
    const named = {
      'lstm_cell/kernel': place(cell.kernel),
      'lstm_cell/bias': place(cell.bias),
      'lstm_cell/projection/kernel': place(cell.projection),
      'lstm_cell/w_i_diag': place(cell.diagonals[0]),
      'lstm_cell/w_f_diag': place(cell.diagonals[1]),
      'lstm_cell/w_o_diag': place(cell.diagonals[2]),
    };
    await close(lstmStack(place(x), lstmFromTensorFlow(named))[0], run(rows, cell, 1).flat());
    const { 'lstm_cell/w_o_diag': _, ...two } = named;
    expect(() => lstmFromTensorFlow(two)).toThrow(
      'lstmFromTensorFlow: kernel, bias, projection and the three diagonals must be [I + P, 4H], [4H], [H, P] and [H], got [5, 16], [16], [4, 2], [4], [4] in cell 0.',
    );
  });

  test('what does not belong to a cell, or is not there, is said', () => {
    const kernel = place(draw([I + H, 4 * H]));
    const bias = place(draw([4 * H]));
    const cell = { 'cell_1/basic_lstm_cell/kernel': kernel, 'cell_1/basic_lstm_cell/bias': bias };
    expect(() => lstmFromTensorFlow(cell)).toThrow(
      'lstmFromTensorFlow: cell 0 must have kernel and bias, got none.',
    );
    expect(() => lstmFromTensorFlow(cell, 'rnn/')).toThrow('got no name with the prefix "rnn/"');
    expect(() => lstmFromTensorFlow({ ...cell, 'cell_1/basic_lstm_cell/kernel/Adam': kernel })).toThrow(
      'got cell_1/basic_lstm_cell/kernel/Adam. Leave it out or give the prefix.',
    );
    expect(() =>
      lstmFromTensorFlow({ 'lstm_cell/kernel': kernel, 'basic_lstm_cell/kernel': kernel }),
    ).toThrow('each cell must have one kernel, got another as basic_lstm_cell/kernel.');
    expect(() => lstmFromTensorFlow({ 'lstm_cell/kernel': bias, 'lstm_cell/bias': bias })).toThrow(
      'got [16], [16], none in cell 0',
    );
  });
});
