import type { Entry } from './entry.js';

export const matmulKernels = (): Entry[] => [];
