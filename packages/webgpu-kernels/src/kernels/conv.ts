import { conv1dInputGradOp, conv1dOp, conv1dWeightGradOp } from '@seq/tensor/engine';
import type { GpuCall, GpuKernels, GpuLimits, GpuPlan } from '@seq/tensor/engine';
import type { Channels, ConvAttrs } from './conv/text.js';
import { slidePass, suits, weightItems, weightPass } from './conv/text.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { sumPass } from './matmul/sum.js';

const empty = (shape: readonly number[]): boolean => shape.includes(0);

/** Variants by how channels are taken, best first. */
function byChannels(
  plan: (channels: Channels, call: GpuCall<ConvAttrs>, limits: GpuLimits) => GpuPlan,
): GpuKernels<ConvAttrs> {
  const all: Channels[] = ['depthwise', 'four', 'one'];
  return {
    variants: all.map((channels) => ({
      name: channels,
      supports: (call) => suits(channels, call),
      plan: (call, limits) => (empty(call.outputs[0].shape) ? { passes: [] } : plan(channels, call, limits)),
    })),
  };
}

/** Parts of the rows that are summed apart: enough to keep a device busy, each long enough to be worth a pass. */
function partsOf(rows: number, items: number, { software }: GpuLimits): number {
  const longest = 2 ** 12;
  const least = software ? 512 : 64;
  const wanted = Math.ceil((software ? 1024 : 32_768) / items);
  return Math.max(1, Math.ceil(rows / longest), Math.min(wanted, Math.floor(rows / least)));
}

function planWeight(
  channels: Channels,
  { inputs, outputs, attrs }: GpuCall<ConvAttrs>,
  limits: GpuLimits,
): GpuPlan {
  const B = inputs[0].shape[0];
  const rows = B * attrs.outLength;
  const parts = partsOf(rows, weightItems(channels, attrs), limits);
  if (parts === 1) return { passes: [weightPass(channels, attrs, B, 1, rows, 2)] };
  const chunk = Math.ceil(rows / parts);
  const slices = Math.ceil(rows / chunk);
  const n = outputs[0].shape.reduce((a, b) => a * b, 1);
  return {
    passes: [
      weightPass(channels, attrs, B, slices, chunk, 3),
      sumPass({ n, slices, size: n, columns: attrs.outChannels }, 3, 2),
    ],
    scratch: [4 * slices * n],
  };
}

export const convKernels = (): Entry[] => [
  entry(
    conv1dOp,
    byChannels((channels, { inputs: [x], attrs }) => ({
      passes: [slidePass('forward', channels, attrs, x.shape[0])],
    })),
  ),
  entry(
    conv1dInputGradOp,
    byChannels((channels, { inputs: [dy], attrs }) => ({
      passes: [slidePass('backward', channels, attrs, dy.shape[0])],
    })),
  ),
  entry(conv1dWeightGradOp, byChannels(planWeight)),
];
