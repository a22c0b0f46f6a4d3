/** Everything that decides what `vanishing` measures and trains. */
export interface VanishingSettings {
  readonly seed: number;
  /** Largest distance T − t of the Jacobians. */
  readonly distance: number;
  /** Units H of every model, in both parts. */
  readonly hidden: number;
  /** Draws of weights and inputs that curves and slopes are the mean of. */
  readonly draws: number;
  /** Length of the sequences of the adding problem. */
  readonly length: number;
  /** Training steps of each model on the adding problem. */
  readonly steps: number;
  /** The command line of a new run with these settings. */
  readonly repeat: string;
}

/** How far gradients reach in one model. */
export interface DecayResult {
  readonly name: string;
  readonly title: string;
  /** Mean over the draws of log ‖∂h_T/∂h_{T−k}‖, k = 1, 2, …; null where a norm is 0 in f64. */
  readonly logNorm: readonly (number | null)[];
  /** First distance of the fit; the last is that of the settings. */
  readonly fitFrom: number;
  /** Slope of the fitted line in nats per step; null where fewer than two points are left. */
  readonly slope: number | null;
  /** Standard deviation of the slopes of single draws. */
  readonly spread: number | null;
  /** What the theory says in nats per step, mean over the draws; −∞, in JSON null, where nothing is left. */
  readonly theory: number;
  /** Mean log of the gate that keeps the state: the theory without recurrent weights. Null without such a gate. */
  readonly kept: number | null;
  /** The formula of the theory. */
  readonly formula: string;
}

/** A model on the adding problem. */
export interface RemedyResult {
  readonly name: string;
  readonly title: string;
  /** What is done against vanishing or exploding gradients. */
  readonly remedy: string;
  /** Largest norm of the gradient that is let through, or null. */
  readonly clip: number | null;
  readonly params: number;
  /** Mean training loss since the point before. */
  readonly curve: readonly { readonly step: number; readonly loss: number }[];
  /** Mean squared error on sequences that training never saw; null when it is no number. */
  readonly test: number | null;
  /** Largest norm of a gradient before clipping; null when it is no number. */
  readonly largestGradient: number | null;
  readonly seconds: number;
}

/** `results.json` of `vanishing`. */
export interface VanishingResults {
  readonly version: 1;
  readonly settings: VanishingSettings;
  readonly decay: readonly DecayResult[];
  readonly remedies: readonly RemedyResult[];
  /** Mean squared error of always answering 1: the variance of the sum of two numbers from U(0, 1). */
  readonly baseline: number;
  readonly seconds: number;
}
