import type { Law } from '../types.js';
import { agreement } from './agreement.js';
import { batch } from './batch.js';
import { causality } from './causality.js';
import { cost, form } from './cost.js';
import { definition } from './definition.js';
import { device } from './device.js';
import { gradient } from './gradient.js';
import { init } from './init.js';
import { learn } from './learn.js';
import { movedState, noLeak, recycledMemory } from './memory.js';
import { options } from './options.js';
import { spec } from './spec.js';
import { split } from './split.js';

/** The laws by key; each is a function of a mixer and what `lawContext` gives. */
export const laws: {
  readonly agreement: Law;
  readonly split: Law;
  readonly causality: Law;
  readonly batch: Law;
  readonly definition: Law;
  readonly gradient: Law;
  readonly device: Law;
  readonly recycledMemory: Law;
  readonly noLeak: Law;
  readonly movedState: Law;
  readonly init: Law;
  readonly cost: Law;
  readonly form: Law;
  readonly spec: Law;
  readonly options: Law;
  readonly learn: Law;
} = {
  agreement,
  split,
  causality,
  batch,
  definition,
  gradient,
  device,
  recycledMemory,
  noLeak,
  movedState,
  init,
  cost,
  form,
  spec,
  options,
  learn,
};

/** Key of a law. */
export type LawName = keyof typeof laws;

/** All keys, in the order in which they are judged. */
export const lawNames: readonly LawName[] = Object.keys(laws) as LawName[];

/** A key as tests and messages show it: `recycled memory` for `recycledMemory`. */
export function lawTitle(name: LawName): string {
  return name.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
}
