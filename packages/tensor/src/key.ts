import { tensor } from './creation.js';
import type { Device } from './device.js';
import { OptionError } from './engine/errors.js';
import type { Key } from './ops/keys.js';

/**
 * The key of a seed.
 *
 * @param seed  an integer between −2⁵³ and 2⁵³
 */
export function key(seed: number, { device }: { device?: Device } = {}): Key {
  if (!Number.isSafeInteger(seed))
    throw new OptionError(`key: the seed must be a safe integer, got ${seed}.`);
  return tensor(Uint32Array.of(Math.floor(seed / 2 ** 32) >>> 0, seed >>> 0), { device });
}
