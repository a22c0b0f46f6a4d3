/** One pass of a transform: m butterflies of `radix` legs in each of `s` columns. */
export interface FftStage {
  readonly radix: number;
  readonly m: number;
  readonly s: number;
  /** Where its factors begin: for each leg k ≥ 1 the real parts of e^(−2πi p k / (radix · m)), p < m, then the imaginary ones. */
  readonly factors: number;
}

/** How a transform of one length goes: its passes in order, and the factors of all. */
export interface FftPlan {
  readonly n: number;
  readonly stages: readonly FftStage[];
  readonly factors: Float64Array;
  readonly factors32: Float32Array;
}

/** Radices with kernels. Fours come first: from the second pass on columns then lie four and more side by side. */
const radices = [4, 3, 5, 2];

/** True for the lengths that have passes: products of 2, 3 and 5. */
export function isSmooth(n: number): boolean {
  if (n < 1) return false;
  let rest = n;
  for (const r of [2, 3, 5]) while (rest % r === 0) rest /= r;
  return rest === 1;
}

/** The smallest even length ≥ n whose half is 1, 3 or 5 times a power of two: what the kernels are fastest with. */
export function paddedLength(n: number): number {
  const half = Math.max(1, Math.ceil(n / 2));
  const candidates = [1, 3, 5].map((odd) => odd * 2 ** Math.max(0, Math.ceil(Math.log2(half / odd))));
  return 2 * Math.min(...candidates);
}

const kept: Map<number, FftPlan> = /* @__PURE__ */ new Map();
const keptPlans = 16;

/** The plan of a smooth length; those of the last lengths are kept. */
export function fftPlan(n: number): FftPlan {
  const known = kept.get(n);
  if (known !== undefined) return known;
  const stages: FftStage[] = [];
  const factors: number[] = [];
  let rest = n;
  for (const radix of radices) {
    for (; rest % radix === 0; rest /= radix) {
      const m = rest / radix;
      stages.push({ radix, m, s: n / rest, factors: factors.length });
      for (let k = 1; k < radix; k++) {
        for (let p = 0; p < m; p++) factors.push(Math.cos((2 * Math.PI * p * k) / rest));
        for (let p = 0; p < m; p++) factors.push(-Math.sin((2 * Math.PI * p * k) / rest));
      }
    }
  }
  const plan = { n, stages, factors: Float64Array.from(factors), factors32: Float32Array.from(factors) };
  if (kept.size >= keptPlans) kept.delete(kept.keys().next().value!);
  kept.set(n, plan);
  return plan;
}
