import type { DeviceName } from './device.js';
import type { ExitCode } from './errors.js';
import type { Floors } from './ngram.js';
import type { Recipe } from './recipes.js';
import type { TextSource } from './text.js';

/** How a sample is drawn; the same for every model of a run. */
export interface SampleSettings {
  readonly prompt: string;
  readonly characters: number;
  readonly temperature: number;
}

/** Everything that decides a run; `run.json` holds it, and with it a run can be resumed or repeated. */
export interface RunSettings {
  readonly version: 1;
  readonly text: TextSource;
  readonly sha256: string;
  readonly seed: number;
  readonly recipes: readonly Recipe[];
  readonly sample: SampleSettings;
  /** Share of the text, at its end, that is for validation. */
  readonly validationShare: number;
  /** What computes; runs from before there was a choice have none and are the CPU's. */
  readonly device?: DeviceName;
  /** ISO time at which the run was first started. */
  readonly created: string;
  /** The command line of a new run with these settings. */
  readonly repeat: string;
}

/** What a worker is asked to do: one model of a run. */
export interface TrainingJob extends Omit<RunSettings, 'recipes'> {
  readonly recipe: Recipe;
  /** Folder of the run. */
  readonly out: string;
  /** Go on from `<out>/<name>.safetensors` where it exists. */
  readonly resume: boolean;
}

/** A point of the training curve. */
export interface CurvePoint {
  /** Training steps done. */
  readonly step: number;
  /** Mean training loss in nats per character since the point before. */
  readonly loss: number;
  /** Nats per character on the first part of the validation split, where it was measured. */
  readonly validation?: number;
}

/** What a model costs, read off compiled plans (parameters and state are counted). */
export interface Costs {
  /** Trainable numbers. */
  readonly params: number;
  /** Peak bytes of the training plan: parameters, optimiser, activations, gradients. */
  readonly trainBytes: number;
  /** Floating point operations of one training step. */
  readonly trainFlops: number;
  /** Of these, in matrix products. */
  readonly trainMatmulFlops: number;
  /** Floats of the state that one sequence carries while it generates (a cache: when it is full). */
  readonly stateFloats: number;
  /** Floating point operations for one generated character of one sequence. */
  readonly stepFlops: number;
}

/** A model at the end of its training. */
export interface ModelResult {
  readonly name: string;
  readonly costs: Costs;
  readonly curve: readonly CurvePoint[];
  readonly steps: number;
  /** Training characters read, with repetition. */
  readonly characters: number;
  /** Nats per character over the whole validation split. */
  readonly validation: number;
  readonly sample: string;
  /** Wall clock of training, of validation and of the sample. */
  readonly seconds: { readonly train: number; readonly validation: number; readonly sample: number };
  /** Largest resident memory of the process in bytes, Node included. */
  readonly processBytes: number;
  /** File name inside the run's folder. */
  readonly checkpoint: string;
}

/** What a worker tells while it works. */
export type TrainingEvent =
  | {
      readonly type: 'started';
      readonly step: number;
      readonly steps: number;
      readonly costs: Costs;
      /** What computes, where it is not the CPU. */
      readonly adapter?: string;
    }
  | {
      readonly type: 'progress';
      readonly step: number;
      readonly loss: number;
      readonly charactersPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly type: 'validated'; readonly step: number; readonly validation: number }
  | { readonly type: 'phase'; readonly phase: 'validation' | 'sample' }
  | { readonly type: 'saved'; readonly step: number };

/** Messages of a worker process to its parent. */
export type WorkerMessage =
  | { readonly type: 'event'; readonly event: TrainingEvent }
  | { readonly type: 'done'; readonly result: ModelResult }
  | { readonly type: 'stopped' }
  | {
      readonly type: 'failed';
      readonly message: string;
      readonly exitCode: ExitCode;
      readonly stack?: string;
    };

/** Messages of the parent to a worker process. */
export type ParentMessage = { readonly type: 'train'; readonly job: TrainingJob } | { readonly type: 'stop' };

/** What is known of the text of a run. */
export interface TextSummary {
  readonly title: string;
  readonly characters: number;
  readonly trainCharacters: number;
  readonly validationCharacters: number;
  /** Symbols of the vocabulary, UNKNOWN included. */
  readonly vocabSize: number;
  /** Validation characters that training never saw. */
  readonly unknown: number;
}

/** `results.json`: all that the table and the report show. */
export interface RunResults {
  readonly version: 1;
  readonly settings: RunSettings;
  readonly text: TextSummary;
  readonly floors: Floors;
  readonly models: readonly ModelResult[];
  /** Models of the run that have no result, and why. */
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  /** Wall clock of the whole run, all sittings together. */
  readonly seconds: number;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly platform: string;
    /** What computed in the last sitting, where it was not the CPU. */
    readonly adapter?: string;
  };
}
