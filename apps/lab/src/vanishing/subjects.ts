import { elman, gru, lstm } from '@seq/rnn';
import type { RecurrentMixer } from './jacobian.js';
import { elmanTheory, gruTheory, irnnTheory, logKept, lstmTheory } from './theory.js';
import type { Theory } from './theory.js';

/** A model whose gradients are followed, and what theory says of them. */
export interface Subject {
  readonly name: string;
  readonly title: string;
  /** With H units, inputs of the same width. */
  mixer(H: number): RecurrentMixer;
  readonly theory: Theory;
  /** The formula of the theory, for people. */
  readonly formula: string;
  /** Mean log of the gate that keeps the state. */
  readonly kept?: Theory;
}

const plain = 'log ρ(W) + ½ log mean f′²';
const gated = 'log λ: what the gate keeps and what comes back through W';

/** The models of the plot, in the order of its legend; all with the weights that `init` draws. */
export const subjects: readonly Subject[] = [
  {
    name: 'elman-tanh',
    title: 'Elman, tanh',
    mixer: (H) => elman({ dModel: H }),
    theory: elmanTheory((h) => 1 - h * h),
    formula: plain,
  },
  {
    name: 'elman-sigmoid',
    title: 'Elman, sigmoid',
    mixer: (H) => elman({ dModel: H, nonlinearity: 'sigmoid' }),
    theory: elmanTheory((h) => h * (1 - h)),
    formula: plain,
  },
  {
    name: 'elman-relu',
    title: 'Elman, relu',
    mixer: (H) => elman({ dModel: H, nonlinearity: 'relu' }),
    theory: elmanTheory((h) => (h > 0 ? 1 : 0)),
    formula: plain,
  },
  {
    name: 'elman-identity',
    title: 'Elman, identity (linear)',
    mixer: (H) => elman({ dModel: H, nonlinearity: 'identity' }),
    theory: elmanTheory(() => 1),
    formula: 'log ρ(W)',
  },
  {
    name: 'irnn',
    title: 'Elman, relu, W = I (IRNN)',
    mixer: (H) => elman({ dModel: H, nonlinearity: 'relu', identityInit: true }),
    theory: irnnTheory,
    formula: '0 while a unit stays active',
  },
  {
    name: 'gru',
    title: 'GRU',
    mixer: (H) => gru({ dModel: H }),
    theory: gruTheory,
    formula: gated,
    kept: logKept,
  },
  ...[0, 1, 3].map((forgetBias): Subject => ({
    name: `lstm-${forgetBias}`,
    title: `LSTM, forget bias ${forgetBias}`,
    mixer: (H) => lstm({ dModel: H, forgetBias }),
    theory: lstmTheory,
    formula: gated,
    kept: logKept,
  })),
  {
    name: 'lstm-norm',
    title: 'LSTM, layer-normalised',
    mixer: (H) => lstm({ dModel: H, layerNorm: true }),
    theory: lstmTheory,
    formula: `${gated} / its spread`,
    kept: logKept,
  },
];
