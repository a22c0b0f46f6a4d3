import { loadKernels } from '@seq/tensor/engine';
import { beforeAll, describe, test } from 'vitest';
import { LawError } from './errors.js';
import { testDevices } from './devices.js';
import { lawContext, shortName } from './context.js';
import { lawNames, lawTitle, laws } from './laws/all.js';
import type { LawName } from './laws/all.js';
import type { ConformanceOptions, LawContext, MixerFactory, TestDevice } from './types.js';

/** Milliseconds that one law may take. */
const timeout = 120_000;

/** The context of a factory on a device. */
export function contextOf<O extends object>(
  factory: MixerFactory<O>,
  { small, learn, core, naive, tolerances, lengths, name }: ConformanceOptions<O>,
  on: TestDevice,
): LawContext {
  const mixer = factory(small);
  const wide = learn ?? { ...small, dModel: Math.max(16, mixer.spec.dModel) };
  return lawContext(mixer, {
    on,
    factory,
    learner: factory(wide),
    name: name ?? shortName(mixer),
    ...(core ? { core } : {}),
    ...(naive ? { naive } : {}),
    ...(lengths ? { lengths } : {}),
    ...(tolerances ? { tolerances } : {}),
  });
}

/**
 * Judges a mechanism by all laws: one `describe` for it, one `test` for each law and device.
 *
 *     conformance(gru, { small: { dModel: 4 }, core: { inputs, op, naive } });
 *
 * A device that the machine has not, or that the variable SEQ_LAWS (`cpu,webgpu`) leaves out, shows as one skipped
 * test with the reason. Laws that cannot apply by
 * what a mixer declares (`causal: false`, `serial`, `reach`) hold trivially; there is no list of exceptions.
 *
 * @param factory builds the mixer from options
 * @param o       `small`: options of a small instance; `core` or `naive`: the definition; see `ConformanceOptions`
 */
export function conformance<O extends object>(
  factory: MixerFactory<O>,
  o: ConformanceOptions<O> & { readonly devices?: readonly TestDevice[] },
): void {
  const mixer = factory(o.small);
  describe(`conformance(${o.name ?? shortName(mixer)})`, () => {
    for (const on of o.devices ?? testDevices())
      describe(on.kind, () => {
        if (!on.device) {
          test.skip(`no ${on.kind}: ${on.reason ?? 'absent'}`, () => {});
          return;
        }
        if (!isWanted(on.kind)) {
          test.skip(`no ${on.kind}: SEQ_LAWS is ${process.env['SEQ_LAWS']}`, () => {});
          return;
        }
        // This package asked for the device before the mechanism was imported.
        if (on.kind !== 'cpu') beforeAll(loadKernels);
        for (const name of lawNames) {
          if (name === 'definition' && !o.core && !o.naive)
            test.skip('definition: neither core nor naive is given, step defines the mixer', () => {});
          else test(lawTitle(name), () => laws[name](mixer, contextOf(factory, o, on)), timeout);
        }
      });
  });
}

/** False for a device that `SEQ_LAWS`, a list of kinds, leaves out: for runs that judge on one device alone. */
function isWanted(kind: string): boolean {
  const kinds = typeof process === 'object' ? process.env['SEQ_LAWS'] : undefined;
  return kinds === undefined || kinds === '' || kinds.split(',').includes(kind);
}

/** How a mechanism fared under one law. */
export interface Verdict {
  readonly law: LawName;
  /** Why it is broken: a `LawError`, or whatever the mixer itself threw. Absent when the law is kept. */
  readonly error?: Error;
}

/**
 * Judges a mechanism without a test runner.
 *
 * @param only the laws to judge by; default all
 */
export async function judge<O extends object>(
  factory: MixerFactory<O>,
  o: ConformanceOptions<O> & { readonly device?: TestDevice },
  only: readonly LawName[] = lawNames,
): Promise<Verdict[]> {
  const on = o.device ?? testDevices()[0];
  if (on.kind !== 'cpu') await loadKernels();
  const verdicts: Verdict[] = [];
  for (const law of only) {
    try {
      await laws[law](factory(o.small), contextOf(factory, o, on));
      verdicts.push({ law });
    } catch (error) {
      verdicts.push({
        law,
        error: error instanceof Error ? error : new LawError(shortName(factory(o.small)), law, String(error)),
      });
    }
  }
  return verdicts;
}
