import { hostRandom } from './host.js';
import type { HostArray, HostRandom } from './host.js';

/** A scalar function of host arrays. */
export type HostFunction = (inputs: readonly HostArray[]) => number | Promise<number>;

/** One check of a gradient along a direction. */
export interface Slope {
  /** Index of the input that moves. */
  readonly input: number;
  /** Flat position of the element that moves alone, or -1 for a random direction over all of them. */
  readonly element: number;
  /** By central differences. */
  readonly measured: number;
  /** By the gradient. */
  readonly claimed: number;
}

/** Distance of the sample points. */
const h = 2e-4;

/**
 * Slopes of f by fourth-order central differences beside those its gradients claim.
 *
 *   D = (8 (f(+h) − f(−h)) − (f(+2h) − f(−2h))) / 12h
 *
 * Each input is moved along two random directions of ±1 over all its elements (an error in any element
 * shows there) and along single elements: all of a small input, eight of a large one.
 */
export async function slopes(
  f: HostFunction,
  inputs: readonly HostArray[],
  gradients: readonly (HostArray | null)[],
): Promise<Slope[]> {
  const random = hostRandom(600);
  const found: Slope[] = [];
  for (const [input, host] of inputs.entries()) {
    const gradient = gradients[input];
    if (!gradient || host.data.length === 0) continue;
    for (const [element, direction] of directions(host.data.length, random)) {
      const moved = (distance: number): readonly HostArray[] =>
        inputs.map((x, i) =>
          i === input ? { ...x, data: x.data.map((v, j) => v + distance * direction[j]) } : x,
        );
      const near = (await f(moved(h))) - (await f(moved(-h)));
      const far = (await f(moved(2 * h))) - (await f(moved(-2 * h)));
      const claimed = gradient.data.reduce((sum, g, i) => sum + g * direction[i], 0);
      found.push({ input, element, measured: (8 * near - far) / (12 * h), claimed });
    }
  }
  return found;
}

function directions(n: number, random: HostRandom): [number, Float64Array][] {
  const all: [number, Float64Array][] = [0, 1].map(() => [
    -1,
    Float64Array.from({ length: n }, () => (random.next() < 0.5 ? -1 : 1)),
  ]);
  if (n === 1) all.pop();
  const singles =
    n <= 8
      ? Array.from({ length: n }, (_, i) => i)
      : Array.from({ length: 8 }, () => Math.floor(random.next() * n));
  for (const i of n === 1 ? [] : new Set(singles)) {
    const unit = new Float64Array(n);
    unit[i] = 1;
    all.push([i, unit]);
  }
  return all;
}
