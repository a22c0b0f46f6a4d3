export { linearAttend, linearAttendAll } from './op.js';
export type { LinearAttendAllOptions, LinearAttendOptions } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export {
  eluPlusOne,
  expFeatures,
  favorKeys,
  favorQueries,
  fourierFeatures,
  orthogonalDraw,
  performerFeatures,
  polynomialFeatures,
  reluFeatures,
  taylorFeatures,
} from './feature-maps.js';
export { linearAttention } from './mixer.js';
export type { LinearAttentionOptions, LinearAttentionParams } from './mixer.js';
export type { HeadOptions, MatrixState } from '../internal/matrix-mixer.js';
