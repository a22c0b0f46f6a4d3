export { bigramLogProbs, countBigrams } from './counts.js';
export { bigram } from './mixer.js';
export type { BigramOptions, BigramParams, BigramState } from './mixer.js';
export { bigramTable } from './op.js';
