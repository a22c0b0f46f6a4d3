export * from './golden/index.js';
export { conformance, judge } from './conformance.js';
export type { Verdict } from './conformance.js';
export { borderOf, defaultTolerances, lawContext, shortName } from './context.js';
export { growsLinearly, takesLinearTime } from './growth.js';
export { LawError } from './errors.js';
export { lawNames, lawTitle, laws } from './laws/all.js';
export type { LawName } from './laws/all.js';
export { slopes } from './differences.js';
export type { HostFunction, Slope } from './differences.js';
export { conditional, draw, entropy, symbols } from './source.js';
export type {
  ConformanceOptions,
  Core,
  Law,
  LawContext,
  MixerFactory,
  Named,
  NaiveMixer,
  Tolerances,
} from './types.js';
