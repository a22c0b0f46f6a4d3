import { alibiSlopes as slopes } from '@seq/attention';
import type { Adapter } from '../adapter.js';

/** get_slopes of ALiBi for n heads. */
export const alibiSlopes: Adapter = (options) => {
  const n = options.number('n', NaN);
  return { outputs: () => ({ slopes: slopes(n, { dtype: 'f64' }) }) };
};
