import { attention } from '@seq/attention';
import type { CausalMixer } from '@seq/nn';
import { lru, mamba, mamba2, s4d, s5 } from '@seq/ssm';
import type { Tree } from '@seq/tensor';

/** A mechanism on the tasks. */
export interface Subject {
  readonly name: string;
  readonly title: string;
  /** Whether what it keeps depends on the input. */
  readonly selects: boolean;
  mixer(dModel: number): CausalMixer<Tree, Tree>;
}

const subject = (
  name: string,
  title: string,
  selects: boolean,
  mixer: (dModel: number) => unknown,
): Subject => ({ name, title, selects, mixer: mixer as Subject['mixer'] });

/** From fixed filters to states that choose, and attention, which keeps everything. */
export const subjects: readonly Subject[] = [
  subject('s4d', 'S4D', false, (C) => s4d({ dModel: C })),
  subject('s5', 'S5', false, (C) => s5({ dModel: C })),
  // The ring of eigenvalues that its authors take where memory must be long.
  subject('lru', 'LRU', false, (C) => lru({ dModel: C, rMin: 0.9, rMax: 0.999, maxPhase: Math.PI / 10 })),
  subject('mamba', 'Mamba', true, (C) => mamba({ dModel: C })),
  subject('mamba2', 'Mamba-2', true, (C) => mamba2({ dModel: C, stateDim: 32, headDim: C / 2 })),
  subject('attention', 'Attention', true, (C) => attention({ dModel: C, numHeads: 4, rope: true })),
];
