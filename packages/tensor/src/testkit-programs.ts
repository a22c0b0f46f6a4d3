import * as s from './index.js';
import { numbers } from './testkit.js';

/** A small generator of choices, so that a failing program is named by its seed. */
function chooser(seed: number): { pick<T>(xs: readonly T[]): T; int(n: number): number } {
  let at = 0;
  const draws = numbers(4000, seed).map((v) => (v + 1) / 2);
  const int = (n: number): number => Math.floor(draws[at++] * n);
  return { int, pick: (xs) => xs[int(xs.length)] };
}

type Step = (pool: s.Tensor[]) => s.Tensor;

/** Draws a program over tensors [3, 4]; every step keeps values in a range where nothing overflows. */
function program(seed: number, length: number): { steps: Step[]; outputs: number[] } {
  const { int, pick } = chooser(seed);
  const steps: Step[] = [];
  let size = 3;
  const any = (): number => int(size);
  for (let i = 0; i < length; i++) {
    const [a, b, c] = [any(), any(), any()];
    const k = int(3);
    steps.push(
      pick<Step>([
        (p) => p[a].add(p[b]).tanh(),
        (p) => p[a].mul(p[b]),
        (p) => p[a].sub(p[b].mul(0.5)),
        (p) => p[a].sigmoid(),
        (p) => p[a].sin().add(p[a]).mul(0.5),
        (p) => p[a].softmax(k - 2),
        (p) => p[a].sub(p[a].mean(k % 2, { keepDims: true })),
        (p) => p[a].mul(p[b].slice(0, k, k + 1)),
        (p) => p[a].gt(p[b]).where(p[a], p[c]),
        (p) => p[a].matmul(p[b].transpose()).tanh().matmul(p[c]).mul(0.3),
        (p) => p[a].transpose().reshape([3, 4]),
        (p) => p[a].flip(k % 2),
        (p) => {
          const t = p[a].mul(0.8);
          return t
            .sub(t.flip(k % 2).mul(0.5))
            .add(t.flip(0))
            .tanh();
        },
        (p) => {
          const t = p[b].sigmoid();
          return t.mul(t.flip(k % 2));
        },
        (p) => s.concat([p[a].slice(0, k), p[b].slice(0, 0, k)]),
        (p) => s.cumsum(p[a], k % 2, { reverse: k === 2 }).tanh(),
        (p) => s.gather(p[a], s.tensor([2, k, 0], { dtype: 'i32', device: p[a].device })),
        (p) => s.updateAt(p[a], p[b].slice(0, 0, 1), s.tensor(k, { dtype: 'i32', device: p[a].device })),
        (p) => s.checkpoint((x: s.Tensor) => x.exp().add(p[c]).log1p().mul(0.5), p[a].square()),
        (p) =>
          s.scan(
            (h: s.Tensor, x: s.Tensor): [s.Tensor, s.Tensor] => {
              const n = h.mul(0.5).add(x).mul(p[b].at(k)).tanh();
              return [n, n.add(h)];
            },
            p[c].at(0),
            p[a],
            { reverse: k === 1, checkpoint: k === 2 },
          )[1],
        (p) => s.tril(p[a], k - 1),
        (p) => s.stopGradient(p[a]).mul(p[b]),
      ]),
    );
    size++;
  }
  return { steps, outputs: [size - 1, any(), any(), int(3)] };
}

/** The random program of a seed: from three tensors [3, 4] to four values. */
export function run(seed: number, length: number): (inputs: readonly s.Tensor[]) => s.Tensor[] {
  const { steps, outputs } = program(seed, length);
  return (inputs) => {
    const pool = [...inputs];
    for (const step of steps) pool.push(step(pool));
    return outputs.map((i) => pool[i]);
  };
}

/** Its arguments on a device. */
export const inputsOn = (device: s.Device, seed: number): s.Tensor[] =>
  [0, 1, 2].map((i) => s.tensor(Float32Array.from(numbers(12, seed * 7 + i)), { shape: [3, 4], device }));

/** Loss and gradients, and the values themselves. */
export function everything(
  f: (inputs: readonly s.Tensor[]) => s.Tensor[],
): (inputs: readonly s.Tensor[]) => s.Tensor[] {
  return (inputs) => {
    const [[loss, values], grads] = s.valueAndGrad((xs: readonly s.Tensor[]) => {
      const ys = f(xs);
      return [
        ys
          .map((y, i) =>
            y
              .square()
              .mean()
              .mul(i + 1),
          )
          .reduce((a, b) => a.add(b)),
        ys,
      ] as const;
    }, inputs);
    return [loss, ...values, ...grads];
  };
}
