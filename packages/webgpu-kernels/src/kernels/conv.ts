import type { Entry } from './entry.js';

export const convKernels = (): Entry[] => [];
