export { bind, cloneState, defineMixer, fromSpec } from './mixer.js';
export type {
  BoundCausal,
  BoundNoncausal,
  CausalDefinition,
  CausalMixer,
  Cost,
  CostAt,
  Mixer,
  MixerCommon,
  MixerFactory,
  MixerSpec,
  NoncausalDefinition,
  NoncausalMixer,
  RunOption,
  RunOptions,
  StateOptions,
} from './mixer.js';
export { activate, activationFlops, checkActivation } from './activation.js';
export type { Activation } from './activation.js';
export { layerCases } from './cases.js';
export { dropout } from './dropout.js';
export { embedding, embeddingInit } from './embedding.js';
export type { EmbeddingParams } from './embedding.js';
export {
  feedForward,
  feedForwardInit,
  gatedFeedForward,
  gatedFeedForwardInit,
  gatedHidden,
} from './feed-forward.js';
export type { FeedForwardInitOptions, FeedForwardParams, GatedFeedForwardParams } from './feed-forward.js';
export { rmsNormGated, rmsNormGatedOp } from './gated-norm.js';
export type { RmsNormGatedOptions, RmsNormGatedParams } from './gated-norm.js';
export {
  constantInit,
  fans,
  gain,
  identityInit,
  kaimingNormal,
  kaimingUniform,
  lecunNormal,
  normalInit,
  onesInit,
  orthogonal,
  truncatedNormalInit,
  uniformFan,
  uniformInit,
  xavierNormal,
  xavierUniform,
  zerosInit,
} from './init.js';
export type { GainOptions, InitOptions, Initializer, KaimingOptions } from './init.js';
export { linear, linearInit } from './linear.js';
export type { LinearInitOptions, LinearParams } from './linear.js';
export { layerNorm, layerNormInit, layerNormOp, rmsNorm, rmsNormInit, rmsNormOp } from './norm.js';
export type { LayerNormParams, RmsNormParams } from './norm.js';
export { countParams, decayMask, paramNames } from './params.js';
export type { Mask } from './params.js';
export { residualBlock } from './residual.js';
export type { ResidualOptions } from './residual.js';
export { rope, ropeOp, ropeTable } from './rope.js';
export type { RopeOptions } from './rope.js';
export { shortConv, shortConvInit, shortConvState, shortConvStep } from './short-conv.js';
export type { ShortConvOptions, ShortConvParams } from './short-conv.js';
export { layerFromTorch, tensorNamed } from './torch.js';
export type { NamedTensors } from './torch.js';
