import { vjp, zerosLike } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { toHost } from '@seq/testing/golden';
import type { GoldenCase, HostArray } from '@seq/testing/golden';
import { Unsupported, inputsOf, isFloatArray, isInput, optionsOf, place } from './adapter.js';
import type { Adapter, On } from './adapter.js';

/**
 * Computes a case: its `out.*`, `state.*`, and `grad.*` of Σ out.y · in.G.y over the outputs in its loss.
 *
 * @throws Unsupported when the adapter does not know an option or an input of the case
 */
export async function evaluate(
  golden: GoldenCase,
  adapter: Adapter,
  on: On,
): Promise<Map<string, HostArray>> {
  const options = optionsOf(golden);
  const computation = adapter(options, golden);
  const forgotten = options.unread();
  if (forgotten.length > 0)
    throw new Unsupported(
      forgotten
        .map((name) => `option ${name}=${JSON.stringify(golden.options[name])} is not known`)
        .join('; '),
    );

  const tensors = new Map<string, Tensor>();
  for (const [name, host] of golden.tensors) if (isInput(name)) tensors.set(name, place(host, on));
  // An input has a gradient exactly when the case stores one.
  const moving = [...tensors.keys()].filter(
    (name) => golden.tensors.has(`grad.${name}`) && isFloatArray(golden.tensors.get(name)!),
  );
  const unread = new Set(tensors.keys());
  const track = (left: string[]): void => {
    for (const name of unread) if (!left.includes(name)) unread.delete(name);
  };
  const outputs = (leaves: readonly Tensor[]): Record<string, Tensor> => {
    const all = new Map(tensors);
    for (const [i, name] of moving.entries()) all.set(name, leaves[i]);
    const { inputs, unread: left } = inputsOf(golden, all);
    const result = computation.outputs(inputs);
    track(left());
    return result;
  };

  const computed = new Map<string, HostArray>();
  const start = moving.map((name) => tensors.get(name)!);
  if (golden.loss.length > 0 && moving.length > 0) {
    const like = outputs(start);
    for (const name of golden.loss)
      if (!like[name]) throw new Unsupported(`the adapter does not compute out.${name}`);
    const cotangents = Object.fromEntries(
      Object.entries(like).map(([name, y]) => [
        name,
        golden.loss.includes(name) ? place(golden.tensors.get(`in.G.${name}`)!, on) : zerosLike(y),
      ]),
    );
    const [values, grads] = vjp((...leaves: Tensor[]) => outputs(leaves), start, cotangents);
    for (const [name, y] of Object.entries(values)) computed.set(`out.${name}`, await toHost(y));
    for (const [i, name] of moving.entries()) computed.set(`grad.${name}`, await toHost(grads[i]));
  } else {
    for (const [name, y] of Object.entries(outputs(start))) computed.set(`out.${name}`, await toHost(y));
  }
  if (computation.states && [...golden.tensors.keys()].some((name) => name.startsWith('state.'))) {
    const { inputs, unread: left } = inputsOf(golden, tensors);
    for (const [name, s] of Object.entries(computation.states(inputs)))
      computed.set(`state.${name}`, await toHost(s));
    track(left());
  }
  if (unread.size > 0) throw new Unsupported(`${[...unread].join(', ')} is not known`);
  return computed;
}
