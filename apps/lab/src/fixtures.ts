import type { ModelResult, RunResults } from './types.js';

// Results as a run writes them, for tests of what shows them. The numbers are made up.

/** The result of one model. */
export function exampleModel(name: string, validation: number): ModelResult {
  return {
    name,
    costs: {
      params: 110_976,
      trainBytes: 9_437_184,
      trainFlops: 712_345_678,
      trainMatmulFlops: 700_000_000,
      stateFloats: 128,
      stepFlops: 234_567,
    },
    curve: [
      { step: 10, loss: 3.2 },
      { step: 20, loss: 2.9, validation: 2.95 },
    ],
    steps: 20,
    characters: 20_480,
    validation,
    sample: 'whale & the </script><b>sea</b>',
    seconds: { train: 61.2, validation: 4.1, sample: 0.6 },
    processBytes: 150_000_000,
    checkpoint: `${name}.safetensors`,
  };
}

/** The results of a run with two models, one of which did not finish. */
export function exampleResults(): RunResults {
  const recipe = (name: string) => ({
    name,
    spec: {} as never,
    batch: 16,
    length: 64,
    steps: 20,
    learningRate: 0.01,
    warmup: 2,
    weightDecay: 0,
    clip: 1,
  });
  return {
    version: 1,
    settings: {
      version: 1,
      text: { kind: 'moby-dick' },
      sha256: 'ab12',
      seed: 3,
      recipes: [recipe('gru'), recipe('lstm'), recipe('cnn')],
      sample: { prompt: 'The ', characters: 30, temperature: 0.8 },
      validationShare: 0.1,
      created: '2026-11-22T20:54:00.000Z',
      repeat: 'npm run demo',
    },
    text: {
      title: 'Tom & <Jerry>',
      characters: 10_000,
      trainCharacters: 9000,
      validationCharacters: 1000,
      vocabSize: 60,
      unknown: 2,
    },
    floors: {
      unigram: { nats: 3.01, alpha: 1.2 },
      bigram: { nats: 2.4, alpha: 0.03 },
      trigram: { nats: 2.05, alpha: 0.02 },
    },
    models: [exampleModel('gru', 2.11), exampleModel('lstm', 2.52)],
    missing: [{ name: 'cnn', reason: 'interrupted, saved' }],
    seconds: 75,
    machine: { cpu: 'Test CPU', cores: 2, node: 'v24.0.0', platform: 'linux x64' },
  };
}
