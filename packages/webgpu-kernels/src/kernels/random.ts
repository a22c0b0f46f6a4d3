import type { Entry } from './entry.js';

export const randomKernels = (): Entry[] => [];
