import { attention } from '@seq/attention';
import type { AttentionOptions } from '@seq/attention';
import { flashAttention } from '@seq/flash';
import type { CausalMixer } from '@seq/nn';
import { conformance } from '@seq/testing';

/** The mixer over flash attention: all laws hold as they do over the composite. */
const flash = (options: AttentionOptions): CausalMixer<never, never> =>
  attention({ ...options, core: flashAttention }) as unknown as CausalMixer<never, never>;

conformance(flash, {
  name: 'attention over flash attention',
  small: { dModel: 8, numHeads: 4, numKvHeads: 2 },
  learn: { dModel: 16, numHeads: 4, numKvHeads: 2 },
});

conformance(flash, {
  name: 'attention over flash attention, in a window with all there is',
  small: { dModel: 8, numHeads: 2, numKvHeads: 1, windowSize: 4, alibi: true, softcap: 3, sinks: true },
  learn: { dModel: 16, numHeads: 2, windowSize: 6, alibi: true, softcap: 20, sinks: true, rope: true },
});
