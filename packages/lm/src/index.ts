export { languageModel, languageModelFromSpec } from './model.js';
export { sample } from './sample.js';
export type { FeedForwardOptions, LanguageModelOptions, ResolvedOptions } from './options.js';
export type { GenerateOptions } from './generate.js';
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
