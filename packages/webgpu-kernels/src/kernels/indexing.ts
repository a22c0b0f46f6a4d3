import type { Entry } from './entry.js';

export const indexingKernels = (): Entry[] => [];
