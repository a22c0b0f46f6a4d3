import { readdirSync } from 'node:fs';
import { and, arange, cpu, expandDims, le, mul, sum, tensor, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { compareGolden, readGolden, toHost, toTensor } from '@seq/testing';
import type { GoldenCase } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { attend, attendWithLse } from './op.js';

const data = new URL('../../../../tooling/golden/data/', import.meta.url);
const place = { device: cpu(), dtype: 'f64' } as const;

type Named = Record<string, Tensor>;

function tensors(golden: GoldenCase, prefix: string): Named {
  const named = [...golden.tensors].filter(([name]) => name.startsWith(prefix) && !name.startsWith('in.G.'));
  return Object.fromEntries(named.map(([name, host]) => [name.slice(prefix.length), toTensor(host, place)]));
}

/** Loss of a case and the outputs it was made from. */
function lossOf(golden: GoldenCase, outputs: Named): [Tensor, Named] {
  const terms = golden.loss.map((name) => {
    const cotangent = golden.tensors.get(`in.G.${name}`);
    if (!cotangent) throw new Error(`no cotangent of ${name}`);
    return sum(mul(outputs[name], toTensor(cotangent, place)));
  });
  return [terms.reduce((a, b) => a.add(b)), outputs];
}

async function compare(golden: GoldenCase, got: Named, names: readonly string[]): Promise<void> {
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) {
    const verdict = compareGolden(golden, name, got[name] && (await toHost(got[name])), 'f64');
    expect(verdict.reason ?? 'passed', name).toBe('passed');
  }
}

/** [T, S] bool: key j lies in [p − left, p + right] of p = i + S − T; −1 = unlimited. */
function windowMask([left, right]: readonly [number, number], T: number, S: number): Tensor | undefined {
  if (left < 0 && right < 0) return undefined;
  const o = { dtype: 'i32', device: place.device } as const;
  const ahead = arange(0, S, 1, o).sub(expandDims(arange(S - T, S, 1, o), 1));
  const far = S + T;
  return and(le(ahead, right < 0 ? far : right), le(ahead.mul(-1), left < 0 ? far : left));
}

/** Runs a case of the reference `attention_ref`, whose options are masks and biases of `attend`. */
function run(golden: GoldenCase, i: Named): Named {
  const o = golden.options as { causal: boolean; window_size: [number, number]; softcap: number };
  const [T, S] = [i['q'].shape[1], i['k'].shape[1]];
  const o32 = { dtype: 'f64', device: place.device } as const;
  const keys = i['key_padding_mask'] && i['key_padding_mask'].reshape([-1, 1, 1, S]);
  const masks = [keys, windowMask(o.window_size, T, S)].filter((m) => m !== undefined);
  const distance = arange(0, S, 1, o32)
    .sub(expandDims(arange(S - T, S, 1, o32), 1))
    .abs();
  const alibi = i['alibi_slopes'] && i['alibi_slopes'].reshape([-1, 1, 1]).mul(distance).neg();
  const bias = i['attn_bias'] ?? alibi;
  const options = {
    causal: o.causal,
    ...(masks.length > 0 && { mask: masks.reduce((a, b) => and(a, b)) }),
    ...(bias && { bias }),
    ...(o.softcap > 0 && { softcap: o.softcap }),
  };
  const [y, lse] = attendWithLse(i['q'], i['k'], i['v'], options);
  // The reference zeroes the rows of padded queries after the fact.
  const queries = i['query_padding_mask'] && i['query_padding_mask'].reshape([-1, T, 1, 1]).cast('f64');
  return { o: queries ? y.mul(queries) : y, lse };
}

describe('golden attention', () => {
  const files = readdirSync(new URL('attention/', data));
  test('cases are there', () => expect(files.length).toBeGreaterThanOrEqual(14));
  test.each(files)('%s', async (file) => {
    const golden = await readGolden(new URL(`attention/${file}`, data));
    const [[, outputs], grads] = valueAndGrad(
      (i: Named) => lossOf(golden, run(golden, i)),
      tensors(golden, 'in.'),
    );
    const got: Named = {};
    for (const [n, t] of Object.entries(outputs)) got[`out.${n}`] = t;
    for (const [n, t] of Object.entries(grads)) got[`grad.in.${n}`] = t;
    // out.attn, the probabilities, is no output of `attend`; it is what v = identity would give.
    const names = [...golden.tensors.keys()].filter(
      (n) => n.startsWith('grad.') || n === 'out.o' || n === 'out.lse',
    );
    await compare(golden, got, names);
  });
});

test('attend is the first result of attendWithLse', async () => {
  const q = tensor([[[[1, 2]], [[3, 1]]]], { dtype: 'f64' });
  const [o] = attendWithLse(q, q, q, { causal: true });
  expect(await attend(q, q, q, { causal: true }).data()).toEqual(await o.data());
});
