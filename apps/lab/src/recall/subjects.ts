import { attention } from '@seq/attention';
import { cnn } from '@seq/conv';
import { deltaRule, linearAttention } from '@seq/linear-attn';
import { languageModel } from '@seq/lm';
import type { LanguageModel } from '@seq/lm';
import type { Mixer } from '@seq/nn';
import { vocabSize } from './task.js';

/** Width of all models, wider than any memory here. */
const dModel = 64;

/** A model whose memory is measured. */
export interface Subject {
  readonly name: string;
  readonly title: string;
  readonly mechanism: string;
  readonly size: number | null;
  readonly lm: LanguageModel;
}

/**
 * Two layers: a convolution over two tokens, so that a value knows its key, and the memory. Everything but the memory is
 * the same in all models, and nothing else reaches further than one token.
 */
function model(memory: Mixer): LanguageModel {
  const pair = cnn({ dModel, convWidth: 2, dilations: [1] });
  return languageModel({ vocabSize, dModel, mixers: [pair, memory], feedForward: false });
}

/** Memories of each size, then attention; in the order of the plot's legend. */
export function subjects(sizes: readonly number[]): readonly Subject[] {
  const memories = [
    { mechanism: 'deltaRule', title: 'delta rule', mixer: deltaRule },
    { mechanism: 'linearAttention', title: 'linear attention', mixer: linearAttention },
  ].flatMap(({ mechanism, title, mixer }) =>
    sizes.map((d): Subject => {
      const memory = mixer({ dModel, numHeads: 1, keyDim: d, valueDim: d, convWidth: 0 });
      return {
        name: `${mechanism}-${d}`,
        title: `${title}, d = ${d}`,
        mechanism,
        size: d,
        lm: model(memory),
      };
    }),
  );
  const exact = model(attention({ dModel, numHeads: 1 }));
  return [
    ...memories,
    { name: 'attention', title: 'attention', mechanism: 'attention', size: null, lm: exact },
  ];
}
