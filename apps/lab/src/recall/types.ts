/** Everything that decides what `recall` trains. */
export interface RecallSettings {
  readonly seed: number;
  /** Training steps of each model. */
  readonly steps: number;
  /** Numbers of pairs N that are trained in turn, and tested. */
  readonly pairs: readonly number[];
  /** Sizes d of the memories, whose state is d × d. */
  readonly sizes: readonly number[];
  /** Sequences of the test for each number of pairs. */
  readonly tested: number;
  /** The command line of a new run with these settings. */
  readonly repeat: string;
}

/** What one model remembers. */
export interface RecallResult {
  readonly name: string;
  readonly title: string;
  /** The mechanism, which all sizes of it share. */
  readonly mechanism: string;
  /** d, null for attention, which keeps everything. */
  readonly size: number | null;
  /** Floats that are carried from token to token behind the longest sequence. */
  readonly stateFloats: number;
  readonly params: number;
  /** Share of right answers for each number of pairs of the settings. */
  readonly accuracy: readonly number[];
  /** Training loss, mean over the last tenth of the steps, in nats per answer. */
  readonly loss: number;
  readonly seconds: number;
}

/** `results.json` of `recall`. */
export interface RecallResults {
  readonly version: 1;
  readonly settings: RecallSettings;
  readonly models: readonly RecallResult[];
  /** Accuracy of guessing among the values. */
  readonly chance: number;
  readonly seconds: number;
}
