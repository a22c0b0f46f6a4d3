export { leaveOneOutBandwidth, leaveOneOutError, nadarayaWatson, smoothingScores } from './op.js';
export type { SmoothingKernel, SmoothingOptions } from './op.js';
