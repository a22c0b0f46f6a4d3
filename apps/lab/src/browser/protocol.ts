import type { DeviceName } from '../device.js';

// What the page asks its worker for, and what it hears. The page computes nothing; the worker touches no element.

/** A model that can be chosen. */
export interface Choice {
  readonly name: string;
  readonly title: string;
  /** Steps of its recipe. */
  readonly steps: number;
}

/** What to train. */
export interface TrainRequest {
  readonly model: string;
  readonly device: DeviceName;
  readonly steps: number;
  readonly seed: number;
  /** What the sample begins with. */
  readonly prompt: string;
  /** Address of the text. */
  readonly text: string;
}

/** What the device has done and holds. */
export interface Usage {
  /** Dispatches on WebGPU, kernels on the CPU: all since the training began. */
  readonly work: number;
  /** The same of the last step alone, without what measured or wrote. */
  readonly stepWork: number;
  readonly bytes: number;
  readonly peakBytes: number;
}

/** What a training tells on the way. */
export type TrainEvent =
  | {
      readonly type: 'device';
      readonly device: DeviceName;
      readonly title: string;
      /** What the reader should know about it, or null. */
      readonly notice: string | null;
    }
  | { readonly type: 'phase'; readonly phase: 'text' | 'device' | 'compile' | 'write' }
  | {
      readonly type: 'started';
      readonly parameters: number;
      readonly floors: readonly { readonly name: string; readonly nats: number }[];
    }
  | {
      readonly type: 'progress';
      readonly step: number;
      readonly loss: number;
      readonly charactersPerSecond: number;
      readonly secondsLeft: number;
      readonly usage: Usage;
    }
  /** A point of the curve: the mean training loss since the point before. */
  | { readonly type: 'point'; readonly step: number; readonly loss: number }
  | { readonly type: 'validated'; readonly step: number; readonly nats: number }
  | { readonly type: 'written'; readonly text: string };

/** How a training ended. */
export interface Trained {
  readonly step: number;
  /** Of the last step; NaN when none was done. */
  readonly loss: number;
  readonly seconds: number;
  readonly stopped: boolean;
  readonly usage: Usage;
}
