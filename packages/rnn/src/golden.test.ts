import { readdirSync } from 'node:fs';
import { cpu, mul, sum, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { compareGolden, readGolden, toHost, toTensor } from '@seq/testing';
import type { GoldenCase } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { elmanFromTorch, elmanStack } from './elman/index.js';
import { gruFromTorch, gruStack } from './gru/index.js';
import { lstmFromTorch, lstmStack } from './lstm/index.js';

const data = new URL('../../../tooling/golden/data/', import.meta.url);

type Named = Record<string, Tensor>;

/** Runs a case of PyTorch's RNN, GRU or LSTM: names of inputs and parameters in, names of outputs out. */
type Run = (inputs: Named, params: Named, options: GoldenCase['options']) => Named;

const runs: Record<'rnn' | 'gru' | 'lstm', Run> = {
  rnn(inputs, params, { batch_first, nonlinearity }) {
    const [y, hN] = elmanStack(inputs['x'], elmanFromTorch(params), {
      nonlinearity: nonlinearity === 'relu' ? 'relu' : 'tanh',
      batchFirst: batch_first === true,
      ...(inputs['h0'] && { h0: inputs['h0'] }),
    });
    return { y, h_n: hN };
  },
  gru(inputs, params, { batch_first }) {
    const [y, hN] = gruStack(inputs['x'], gruFromTorch(params), {
      batchFirst: batch_first === true,
      ...(inputs['h0'] && { h0: inputs['h0'] }),
    });
    return { y, h_n: hN };
  },
  lstm(inputs, params, { batch_first }) {
    const [y, { hN, cN }] = lstmStack(inputs['x'], lstmFromTorch(params), {
      batchFirst: batch_first === true,
      ...(inputs['h0'] && { h0: inputs['h0'] }),
      ...(inputs['c0'] && { c0: inputs['c0'] }),
    });
    return { y, h_n: hN, c_n: cN };
  },
};

/** Tensors of a case whose names begin with `prefix`, without it. */
function tensors(golden: GoldenCase, prefix: string, dtype: 'f32' | 'f64'): Named {
  const named = [...golden.tensors].filter(([name]) => name.startsWith(prefix) && !name.startsWith('in.G.'));
  return Object.fromEntries(
    named.map(([name, host]) => [name.slice(prefix.length), toTensor(host, { device: cpu(), dtype })]),
  );
}

for (const family of ['rnn', 'gru', 'lstm'] as const) {
  describe(`golden ${family}`, () => {
    const files = readdirSync(new URL(`${family}/`, data));
    test('cases are there', () => expect(files.length).toBeGreaterThanOrEqual(6));
    for (const dtype of ['f64', 'f32'] as const) {
      test.each(files)(`%s in ${dtype}`, async (file) => {
        const golden = await readGolden(new URL(`${family}/${file}`, data));
        const parts = { in: tensors(golden, 'in.', dtype), param: tensors(golden, 'param.', dtype) };
        const [[, outputs], grads] = valueAndGrad((p: typeof parts): [Tensor, Named] => {
          const out = runs[family](p.in, p.param, golden.options);
          const terms = golden.loss.map((name) => {
            const cotangent = golden.tensors.get(`in.G.${name}`);
            if (!cotangent) throw new Error(`no cotangent of ${name}`);
            return sum(mul(out[name], toTensor(cotangent, { device: cpu(), dtype })));
          });
          return [terms.reduce((a, b) => a.add(b)), out];
        }, parts);

        const got: [string, Tensor][] = [
          ...Object.entries(outputs).map(([n, t]): [string, Tensor] => [`out.${n}`, t]),
          ...Object.entries(grads.in).map(([n, t]): [string, Tensor] => [`grad.in.${n}`, t]),
          ...Object.entries(grads.param).map(([n, t]): [string, Tensor] => [`grad.param.${n}`, t]),
        ];
        const wanted = [...golden.tensors.keys()].filter(
          (n) => n.startsWith('out.') || n.startsWith('grad.'),
        );
        expect(got.map(([n]) => n).sort()).toEqual(wanted.sort());
        for (const [name, value] of got) {
          const verdict = compareGolden(golden, name, await toHost(value), dtype);
          expect(verdict.reason ?? 'passed', name).toBe('passed');
        }
      });
    }
  });
}
