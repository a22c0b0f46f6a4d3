import { attention } from '@seq/attention';
import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelParams, LanguageModelState } from '@seq/lm';
import {
  cloneTree,
  compile,
  disposeTree,
  key,
  tensor,
  treeEntries,
  treeFromEntries,
  treeLeaves,
} from '@seq/tensor';
import type { Device, Tensor, Tree } from '@seq/tensor';
import { adam, trainStep } from '@seq/train';
import type { Prepared } from './contender.js';
import type { Item } from './items.js';
import { parts } from './transformer.js';
import type { Size } from './transformer.js';

const modelOf = ({ layers, width, heads, vocab }: Size): LanguageModel => {
  const mixer = attention({ dModel: width, numHeads: heads, rope: false, bias: false });
  return languageModel({
    vocabSize: vocab,
    dModel: width,
    norm: 'layer',
    mixers: Array.from({ length: layers }, () => mixer),
    feedForward: { hidden: 4 * width, activation: 'silu', bias: false },
  });
};

/** The model and its parameters, by name from the inputs. */
function made({ inputs }: Item, size: Size, device: Device): [LanguageModel, LanguageModelParams] {
  const lm = modelOf(size);
  const { parameters } = parts(inputs, size);
  const fresh = lm.init(key(1, { device }), { device });
  const values = new Map(
    treeEntries(fresh).map(([name]) => {
      const { data, shape } = parameters.get(name)!;
      return [name, tensor(data, { shape, device })];
    }),
  );
  return [lm, treeFromEntries(fresh, values)];
}

const ready = (tree: Tree): Promise<unknown> => Promise.all(treeLeaves(tree).map((t) => t.realize()));

/** Loss, gradients and Adam in one plan, parameters updated in place. Read: the loss and the gradients of the first step. */
export async function trainingStep(item: Item, device: Device): Promise<Prepared> {
  const size = item.size!;
  const { tokens } = parts(item.inputs, size);
  const batch = tensor(tokens, { shape: [size.batch, size.length + 1], device });
  const optimizer = adam({ lr: 1e-3 });
  const [lm, start] = made(item, size, device);
  const step = trainStep(lm, optimizer, { clip: false });
  let params = start;
  let state = optimizer.init(params);
  await ready([params, batch]);
  const once = async (): Promise<Tensor> => {
    const [p, s, metrics] = step(params, state, batch);
    [params, state] = [p, s];
    metrics.gradNorm.dispose();
    metrics.lr.dispose();
    await metrics.loss.realize();
    return metrics.loss;
  };
  return {
    run: async () => (await once()).dispose(),
    async read() {
      params = made(item, size, device)[1];
      state = optimizer.init(params);
      const loss = await once();
      // The first running mean of Adam is a tenth of the gradient.
      const grads = new Map(treeEntries(state['m']));
      const values = [...parts(item.inputs, size).parameters.keys()].map((name) => grads.get(name)!.data());
      const means = (await Promise.all(values)) as Float32Array[];
      return joined([Float32Array.of(await loss.item()), ...means.map((m) => m.map((v) => 10 * v))]);
    },
    dispose() {
      disposeTree([params, state, batch]);
      step.dispose();
    },
  };
}

/** One token behind a cache that it fills; the cache is written in place. Read: the logits. */
export async function decodeStep(item: Item, device: Device): Promise<Prepared> {
  const size = item.size!;
  const [lm, params] = made(item, size, device);
  const { tokens, caches } = parts(item.inputs, size);
  const id = tensor(tokens, { device });
  const position = tensor(Int32Array.of(size.length - 1), { device });
  const first = tensor(Int32Array.of(0), { device });
  const place = (x: Item['inputs'][number]): Tensor => tensor(x.data, { shape: x.shape, device });
  let past = caches.map(([k, v]) => ({ k: place(k), v: place(v) }));
  const step = compile(
    (
      p: LanguageModelParams,
      token: Tensor,
      at: Tensor,
      from: Tensor,
      cache: typeof past,
    ): [Tensor, typeof past] => {
      const state = cache.map((c) => ({
        ...c,
        ...cloneTree({ position: at, first: from }),
      })) as LanguageModelState;
      const [logits, next] = lm.step(p, token, state);
      return [logits, (next as unknown as typeof past).map(({ k, v }) => ({ k, v }))];
    },
    { donate: [4] },
  );
  await ready([params, id, position, first, past]);
  const once = async (): Promise<Tensor> => {
    const [logits, next] = step(params, id, position, first, past);
    past = next;
    await logits.realize();
    return logits;
  };
  return {
    run: async () => (await once()).dispose(),
    read: async () => (await once()).data() as Promise<Float32Array>,
    dispose() {
      disposeTree([params, id, position, first, past]);
      step.dispose();
    },
  };
}

/** Arrays one behind the other. */
export function joined(list: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(list.reduce((n, a) => n + a.length, 0));
  let at = 0;
  for (const a of list) {
    out.set(a, at);
    at += a.length;
  }
  return out;
}
