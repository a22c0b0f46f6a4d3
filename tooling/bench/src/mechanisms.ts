import { attention } from '@seq/attention';
import { bigram, cnn, ff, tcn, wavenet } from '@seq/conv';
import { flashAttention } from '@seq/flash';
import {
  deltaRule,
  gatedDeltaRule,
  gla,
  hgrn2,
  linearAttention,
  retnet,
  rwkv7,
  simpleGla,
} from '@seq/linear-attn';
import type { Mixer } from '@seq/nn';
import { elman, ema, gru, lstm } from '@seq/rnn';
import { lru, mamba, mamba2, s4d, s5 } from '@seq/ssm';

const heads = { numHeads: 2, keyDim: 8, valueDim: 8 };

/** Every mechanism that a language model can be made of, by its name, small; of a given width. */
export const mechanisms: Readonly<Record<string, (dModel: number) => Mixer>> = {
  attention: (dModel) => attention({ dModel, numHeads: 2, rope: true }),
  'attention, flash core': (dModel) => attention({ dModel, numHeads: 2, rope: true, core: flashAttention }),
  'attention, a window': (dModel) => attention({ dModel, numHeads: 2, rope: true, windowSize: 6 }),
  bigram: (dModel) => bigram({ dModel }),
  cnn: (dModel) => cnn({ dModel, convWidth: 3, dilations: [1, 2] }),
  ff: (dModel) => ff({ dModel }),
  tcn: (dModel) => tcn({ dModel, hidden: 16, convWidth: 3, dilations: [1, 2] }),
  wavenet: (dModel) => wavenet({ dModel, convWidth: 3, dilations: [1, 2], residualChannels: 16 }),
  'delta-rule': (dModel) => deltaRule({ dModel, ...heads }),
  'gated-delta-rule': (dModel) => gatedDeltaRule({ dModel, ...heads }),
  gla: (dModel) => gla({ dModel, ...heads }),
  hgrn2: (dModel) => hgrn2({ dModel, ...heads }),
  'linear-attention': (dModel) => linearAttention({ dModel, ...heads }),
  retnet: (dModel) => retnet({ dModel, ...heads }),
  rwkv7: (dModel) => rwkv7({ dModel, headDim: 8 }),
  'simple-gla': (dModel) => simpleGla({ dModel, ...heads }),
  elman: (dModel) => elman({ dModel }),
  ema: (dModel) => ema({ dModel }),
  gru: (dModel) => gru({ dModel }),
  lstm: (dModel) => lstm({ dModel }),
  lru: (dModel) => lru({ dModel, stateDim: 8 }),
  mamba: (dModel) => mamba({ dModel, stateDim: 8 }),
  mamba2: (dModel) => mamba2({ dModel, stateDim: 8, headDim: 8 }),
  s4d: (dModel) => s4d({ dModel, stateDim: 8 }),
  s5: (dModel) => s5({ dModel, stateDim: 8 }),
};
