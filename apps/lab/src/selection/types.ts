/** Everything that decides what `selection` trains. */
export interface SelectionSettings {
  readonly seed: number;
  /** Training steps of each model on each task. */
  readonly steps: number;
  /** Width of the models. */
  readonly dModel: number;
  /** Tokens of the main part of a sequence, by task. */
  readonly lengths: { readonly copying: number; readonly induction: number };
  /** How much longer than in training the sequences of the tests are. */
  readonly factors: readonly number[];
  /** Sequences of a test. */
  readonly tested: number;
  /** The command line of a new run with these settings. */
  readonly repeat: string;
}

/** What a model learned of a task. */
export interface SelectionResult {
  readonly task: 'copying' | 'induction';
  readonly name: string;
  readonly title: string;
  /** Whether the input chooses what is kept. */
  readonly selects: boolean;
  readonly params: number;
  /** Floats that are carried from token to token behind the sequences of training. */
  readonly stateFloats: number;
  /** Training steps, share of right answers and loss in nats, both means since the point before. */
  readonly curve: readonly { readonly step: number; readonly accuracy: number; readonly loss: number }[];
  /** Share of right answers for each factor of the settings. */
  readonly accuracy: readonly number[];
  readonly seconds: number;
}

/** `results.json` of `selection`. */
export interface SelectionResults {
  readonly version: 1;
  readonly settings: SelectionSettings;
  readonly results: readonly SelectionResult[];
  /** Accuracy of guessing, by task. */
  readonly chance: { readonly copying: number; readonly induction: number };
  readonly seconds: number;
}
