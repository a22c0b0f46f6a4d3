import { expect, test } from 'vitest';
import { judge } from '../conformance.js';
import { LawError } from '../errors.js';
import { lawTitle } from '../laws/all.js';
import type { LawName } from '../laws/all.js';
import type { ConformanceOptions, MixerFactory } from '../types.js';

/** A bug planted in a copy of a mixer, and the laws that have to catch it. */
export type Planted<Bug extends string> = Readonly<Record<Bug, readonly LawName[]>>;

/** One test per bug: every law named for it is broken, by a message of that law. */
export function catches<O extends object, Bug extends string>(
  build: (options: O, bug: Bug) => ReturnType<MixerFactory<O>>,
  planted: Planted<Bug>,
  optionsFor: (bug: Bug) => ConformanceOptions<O>,
): void {
  for (const [bug, laws] of Object.entries(planted) as [Bug, readonly LawName[]][])
    test(`${laws.map(lawTitle).join(' and ')}: ${bug}`, async () => {
      const verdicts = await judge((options: O) => build(options, bug), optionsFor(bug), laws);
      for (const { law, error } of verdicts) {
        expect(error, `law ${lawTitle(law)} let "${bug}" pass`).toBeInstanceOf(LawError);
        expect((error as LawError).law).toBe(lawTitle(law));
        // oxlint-disable-next-line no-console -- which law caught a bug, and how, is what this shows.
        console.log(`"${bug}" is caught: ${error!.message}`);
      }
    }, 60_000);
}
