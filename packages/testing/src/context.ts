import type { Mixer } from '@seq/nn';
import { testDevices } from './devices.js';
import type { LawContext, Tolerances } from './types.js';

/** Tolerances where a mechanism names none. */
export const defaultTolerances: Tolerances = {
  f32: 1e-4,
  f64: 1e-9,
  causality: 0,
  gradient: 1e-6,
  gradientF32: 1e-3,
  learn: 0.05,
};

/** The last part of a kind: `gru` of `seq/gru`. */
export function shortName(mixer: Mixer): string {
  return mixer.spec.kind.split('/').at(-1)!;
}

/** Receptive fields beyond this are not walked through. */
const longestReach = 64;

/**
 * The distance at which a mechanism hands something over: its chunk, else its window, else its kernel; its
 * receptive field where that is longer.
 *
 * Read off `spec.options` (`chunkSize`, `windowSize`, `convWidth`) and `reach`, so that no mechanism can
 * forget it.
 */
export function borderOf(mixer: Mixer): LawContext['border'] {
  const options = (mixer.spec.options ?? {}) as Record<string, unknown>;
  let border: LawContext['border'] = null;
  for (const name of ['chunkSize', 'windowSize', 'convWidth']) {
    const size = options[name];
    if (!border && typeof size === 'number' && size > 1) border = { size, name };
  }
  const reach = mixer.reach ?? 0;
  return reach > (border?.size ?? 1) && reach <= longestReach ? { size: reach, name: 'reach' } : border;
}

/** Lengths 0, 1, 2 and those one below, on and above the first and second border. */
function defaultLengths(border: LawContext['border']): number[] {
  const size = border?.size ?? 4;
  const lengths = [0, 1, 2, 3, size - 1, size, size + 1, 2 * size, 2 * size + 1, 3 * size - 1];
  return [...new Set(lengths)].sort((a, b) => a - b);
}

/** Fills in what a caller of a single law leaves out. */
export function lawContext(
  mixer: Mixer,
  o: Partial<Omit<LawContext, 'tolerances'>> & { tolerances?: Partial<Tolerances> } = {},
): LawContext {
  const border = o.border === undefined ? borderOf(mixer) : o.border;
  const on = o.on ?? testDevices()[0];
  const device = o.device ?? on.device;
  if (!device)
    throw new Error(`lawContext: the device must be there, got ${on.kind}: ${on.reason}. Choose another.`);
  const lengths = [...new Set([...defaultLengths(border), ...(o.lengths ?? [])])];
  return {
    ...o,
    name: o.name ?? shortName(mixer),
    on,
    device,
    border,
    lengths,
    tolerances: { ...defaultTolerances, ...o.tolerances },
  };
}
