import { messageOf } from '../errors.js';
import { recipe, recipeNames, recipeTitle } from '../recipes.js';
import type { PageMessage, TrainRequest, WorkerMessage } from './protocol.js';
import { trainInPage } from './training.js';

// The worker of the page: everything is computed here.

const tell = (message: WorkerMessage): void => postMessage(message);
let training = new AbortController();
let writing = new AbortController();

addEventListener('message', ({ data }: MessageEvent<PageMessage>) => {
  if (data.type === 'train') void run(data);
  else if (training.signal.aborted) writing.abort();
  else training.abort();
});

async function run(request: TrainRequest): Promise<void> {
  training = new AbortController();
  writing = new AbortController();
  try {
    const stops = { training: training.signal, writing: writing.signal };
    await trainInPage(request, stops, (message) => {
      // There is nothing left to stop but the writing.
      if (message.type === 'phase' && message.phase === 'write') training.abort();
      tell(message);
    });
  } catch (error) {
    tell({ type: 'failed', message: messageOf(error) });
  }
}

tell({
  type: 'ready',
  choices: recipeNames.map((name) => ({ name, title: recipeTitle(name), steps: recipe(name, 2).steps })),
});
