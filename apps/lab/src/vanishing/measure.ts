import { disposeTree, foldIn, key, normal, split } from '@seq/tensor';
import { trajectory } from './jacobian.js';
import { spectralNorm } from './linear-algebra.js';
import type { Subject } from './subjects.js';
import { weightsOf } from './theory.js';
import type { DecayResult, VanishingSettings } from './types.js';

/** A point of a curve; the logarithm of 0 is null. */
type Point = number | null;

/**
 * Follows the gradients of a model back over all distances, in f64: fresh weights from `init`, inputs from N(0, 1).
 *
 * As many positions as the largest distance come before the first Jacobian, so that the state is in its usual range.
 */
export async function measureDecay(
  subject: Subject,
  { seed, distance, hidden, draws }: VanishingSettings,
): Promise<DecayResult> {
  const mixer = subject.mixer(hidden);
  const curves: Point[][] = [];
  const [theories, kept]: number[][] = [[], []];
  for (let draw = 0; draw < draws; draw++) {
    const [forWeights, forInputs] = split(foldIn(key(seed), draw));
    const params: unknown = mixer.init(forWeights, { dtype: 'f64' });
    const x = normal(forInputs, [1, 2 * distance, hidden], { dtype: 'f64' });
    const run = await trajectory(mixer, params, x, distance);
    const weights = await weightsOf(params);
    curves.push(run.jacobians.map((j) => finite(Math.log(spectralNorm(j)))));
    theories.push(subject.theory(weights, run));
    if (subject.kept) kept.push(subject.kept(weights, run));
    disposeTree([params, x, forWeights, forInputs]);
  }
  const fitFrom = Math.ceil(distance / 4);
  const logNorm = curves[0].map((_, i) => {
    const points = curves.map((curve) => curve[i]);
    return points.includes(null) ? null : mean(points as number[]);
  });
  const slopes = curves.map((curve) => slopeOf(curve, fitFrom));
  return {
    name: subject.name,
    title: subject.title,
    logNorm,
    fitFrom,
    slope: slopeOf(logNorm, fitFrom),
    spread: slopes.includes(null) ? null : deviation(slopes as number[]),
    theory: mean(theories),
    kept: subject.kept ? mean(kept) : null,
    formula: subject.formula,
  };
}

/** Slope of the least-squares line through the points from distance `from` on; `curve[0]` is distance 1. */
export function slopeOf(curve: readonly Point[], from: number): number | null {
  const points = curve.flatMap((y, i) => (y === null || i + 1 < from ? [] : [{ x: i + 1, y }]));
  if (points.length < 2) return null;
  const [x0, y0] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
  return mean(points.map(({ x, y }) => (x - x0) * (y - y0))) / mean(points.map(({ x }) => (x - x0) ** 2));
}

function finite(x: number): Point {
  return Number.isFinite(x) ? x : null;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const m = mean(values);
  return Math.sqrt(mean(values.map((x) => (x - m) ** 2)));
}
