export { languageModel, languageModelFromSpec } from './model.js';
export { repetitionPenalty, sample } from './sample.js';
export type { FeedForwardOptions, LanguageModelOptions, ResolvedOptions } from './options.js';
export type { GenerateOptions, ScoredToken } from './generate.js';
export type { SampleOptions } from './sample.js';
export type {
  BlockParams,
  LanguageModel,
  LanguageModelParams,
  LanguageModelSpec,
  LanguageModelState,
  LossOptions,
  PrefillOptions,
} from './types.js';
