import { cutKernels } from './cut.js';
import { Team, whyAlone } from './team.js';

/** What a device with several threads needs; handed to it, so that programs with one thread carry none of it. */
export interface Sharing {
  readonly Team: typeof Team;
  readonly cutKernels: typeof cutKernels;
  readonly whyAlone: typeof whyAlone;
}

/** Workers, and the kernels cut for them. */
export const sharing: Sharing = { Team, cutKernels, whyAlone };
