import { compile, disposeTree, explain, key, normal, treeLeaves, valueAndGrad, zeros } from '@seq/tensor';
import type { Plan, Tensor, Tree } from '@seq/tensor';
import type { CausalMixer, Mixer } from '@seq/nn';
import { expect, test } from 'vitest';
import { shortName } from './context.js';

const lengths = [1024, 65_536] as const;
const [few, many] = lengths;

/** The exponent of T that a value at each of the two lengths shows. */
function exponent([short, long]: readonly number[]): number {
  return Math.log(long / short) / Math.log(many / few);
}

/** Loss and gradients by all parameters of a sequence from a state, with the state behind it. */
const gradients =
  (mixer: CausalMixer<Tree, Tree>) =>
  (p: Tree, x: Tensor, s: Tree): readonly [readonly [Tensor, Tree], Tree] =>
    valueAndGrad((q: Tree): [Tensor, Tree] => {
      const [y, last] = mixer.prefill(q, x, s);
      return [y.sum(), last];
    }, p) as readonly [readonly [Tensor, Tree], Tree];

/**
 * Two tests of a mixer with a state of fixed size: FLOPs and bytes of training grow as T from 1,024 to 65,536 positions
 * (an exponent of 1.00 ± 0.02) while the kernels stay as many; a step and its state are the same after any number of
 * positions.
 */
export function growsLinearly(mixer: Mixer): void {
  const name = shortName(mixer);
  const m = mixer as unknown as CausalMixer<Tree, Tree>;
  const C = m.spec.dModel;

  test(`${name}: work and memory of training are in proportion to T from 1k to 64k`, () => {
    const plans = lengths.map((T): Plan =>
      explain(gradients(m), m.init(key(0)), zeros([1, T, C]), m.initState(1)),
    );
    expect(Math.abs(exponent(plans.map(({ flops }) => flops)) - 1)).toBeLessThan(0.02);
    expect(Math.abs(exponent(plans.map(({ peakBytes }) => peakBytes)) - 1)).toBeLessThan(0.02);
    expect(new Set(plans.map((plan) => plan.kernels.length)).size).toBe(1);
  });

  test(`${name}: a step costs the same after any number of positions`, () => {
    const [early, late] = lengths.map((past) => m.cost({ B: 1, T: 1, form: 'step', past }));
    expect(late).toEqual(early);
    const sizes = (state: Tree): unknown[] => treeLeaves(state).map(({ shape }) => shape);
    const state = m.initState(1);
    const [, next] = m.step(m.init(key(0)), zeros([1, C]), state);
    expect(sizes(next)).toEqual(sizes(state));
  });
}

/**
 * A test that the time of training grows with T to the 1.15 at most, from 1,024 to 65,536 positions: the median of five
 * rounds, each of which runs as many positions in short sequences as in a long one, one after the other, so that both
 * meet the same machine. It takes a while: for files that end in `.slow.test.ts`.
 */
export function takesLinearTime(mixer: Mixer): void {
  const m = mixer as unknown as CausalMixer<Tree, Tree>;
  const rounds = 5;
  test(`${shortName(mixer)}: the time of training grows with T to the 1.15 at most, from 1k to 64k`, async () => {
    const params = m.init(key(0));
    const state = m.initState(1);
    const [short, long] = lengths.map((T) => normal(key(1), [1, T, m.spec.dModel]));
    const train = compile(gradients(m));
    const run = async (x: Tensor, times: number): Promise<number> => {
      const began = performance.now();
      for (let i = 0; i < times; i++) {
        const all = train(params, x, state);
        await all[0][0].data();
        disposeTree(all);
      }
      return performance.now() - began;
    };
    await run(short, 8);
    await run(long, 1);
    const exponents: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const apart = await run(short, many / few);
      const whole = await run(long, 1);
      exponents.push(1 + Math.log(whole / apart) / Math.log(many / few));
    }
    exponents.sort((a, b) => a - b);
    const [, , median] = exponents;
    expect(median, `exponents ${exponents.map((s) => s.toFixed(3)).join(', ')}`).toBeLessThan(1.15);
  }, 300_000);
}
