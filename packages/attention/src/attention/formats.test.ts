import { key, normal, treeEntries, uniform } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expect, test } from 'vitest';
import { attention, attentionFromTorch } from './index.js';

const options = { dModel: 8, numHeads: 4, numKvHeads: 2 } as const;
const mixer = attention(options);
const params = mixer.init(key(0));
const qkv = {
  weight: params.qkv.weight,
  bias: uniform(key(5), params.qkv.bias!.shape),
};
const out = { weight: params.out.weight, bias: uniform(key(6), [8]) };
const rows = [0, 8, 12, 16]; // q, k, v

function files(): Record<string, Record<string, Tensor>> {
  const apart = (names: readonly string[]): Record<string, Tensor> =>
    Object.fromEntries(
      names.flatMap((name, n) => {
        const cut = (x: Tensor): Tensor => x.slice(0, rows[n], rows[n + 1]);
        const [weight, bias] = n < 3 ? [cut(qkv.weight), cut(qkv.bias)] : [out.weight, out.bias];
        return [
          [`l.${name}.weight`, weight],
          [`l.${name}.bias`, bias],
        ];
      }),
    );
  return {
    PyTorch: {
      'l.in_proj_weight': qkv.weight,
      'l.in_proj_bias': qkv.bias,
      'l.out_proj.weight': out.weight,
      'l.out_proj.bias': out.bias,
    },
    'Hugging Face': apart(['q_proj', 'k_proj', 'v_proj', 'o_proj']),
    Meta: apart(['wq', 'wk', 'wv', 'wo']),
  };
}

test.each(Object.keys(files()))('weights by the names of %s', async (name) => {
  const loaded = attentionFromTorch(files()[name], 'l.');
  expect(treeEntries(loaded).map(([path]) => path)).toEqual(treeEntries({ qkv, out }).map(([path]) => path));
  const x = normal(key(1), [2, 5, 8]);
  const difference = mixer.forward(loaded, x).sub(mixer.forward({ qkv, out }, x)).abs().max();
  expect(await difference.item()).toBe(0);
});

test('layers without biases have none', () => {
  const named = Object.fromEntries(
    Object.entries(files()['Meta']).filter(([name]) => name.endsWith('weight')),
  );
  expect(treeEntries(attentionFromTorch(named, 'l.')).map(([path]) => path)).toHaveLength(2);
});

test('a file that lacks something is refused', () => {
  expect(() => attentionFromTorch(files()['Meta'])).toThrow(
    /attentionFromTorch: in_proj_weight, q_proj.weight or wq.weight must be there, got none/,
  );
  const { 'l.wv.bias': _, ...some } = files()['Meta'];
  expect(() => attentionFromTorch(some, 'l.')).toThrow(/l.wq, wk, wv must all have a bias or none, got 2/);
  const { 'l.wo.weight': __, ...others } = files()['Meta'];
  expect(() => attentionFromTorch(others, 'l.')).toThrow(/l.wo.weight is missing/);
});
