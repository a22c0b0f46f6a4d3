import type { Entry } from './entry.js';

export const scansKernels = (): Entry[] => [];
