import { serve } from '@seq/train/worker';
import type { Job } from '@seq/train/worker';
import { recipe, recipeNames, recipeTitle } from '../recipes.js';
import type { Choice, Trained, TrainEvent, TrainRequest } from './protocol.js';
import { trainInPage } from './training.js';

// The worker of the page: everything is computed here.

let writing = new AbortController();

const jobs = serve({
  choices: (): Choice[] =>
    recipeNames.map((name) => ({ name, title: recipeTitle(name), steps: recipe(name, 2).steps })),
  /** Its signal ends the training; what has been learnt by then writes. */
  train(request: TrainRequest, { signal, emit }: Job<TrainEvent>): Promise<Trained> {
    writing = new AbortController();
    return trainInPage(request, { training: signal, writing: writing.signal }, emit);
  },
  stopWriting: () => writing.abort(),
});

/** What the page opens. */
export type LabJobs = typeof jobs;
