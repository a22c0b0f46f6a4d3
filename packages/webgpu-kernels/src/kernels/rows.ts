import type { Entry } from './entry.js';

export const rowsKernels = (): Entry[] => [];
