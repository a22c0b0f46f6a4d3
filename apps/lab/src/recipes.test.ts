import { describe, expect, it } from 'vitest';
import { comparedNames, expectedSeconds, modelOf, recipe, recipeNames, stepFactorFor } from './recipes.js';

describe('recipes', () => {
  it('are plain JSON, and the same model is made of it', () => {
    for (const name of recipeNames) {
      const made = recipe(name, 30);
      const read = JSON.parse(JSON.stringify(made)) as typeof made;
      expect(read).toEqual(made);
      expect(modelOf(read.spec).spec).toEqual(made.spec);
    }
  });

  it('make the 2-gram a bare table of one character by another', () => {
    const { spec } = recipe('2-gram', 30);
    expect(modelOf(spec).cost({ B: 1, T: 1, form: 'step' })).toMatchObject({ params: 900, stateFloats: 0 });
  });

  it('take changes of size and training', () => {
    const changed = recipe('gru', 30, {
      dModel: 24,
      layers: 3,
      steps: 7,
      batch: 2,
      length: 9,
      learningRate: 0.5,
    });
    expect(changed.spec.dModel).toBe(24);
    expect(changed.spec.mixers).toHaveLength(3);
    expect(changed).toMatchObject({ steps: 7, batch: 2, length: 9, learningRate: 0.5, warmup: 0 });
  });

  it('are sized so that those compared fit in three minutes on two cores, and scale with --minutes', () => {
    const seconds = comparedNames.map((name) => expectedSeconds(recipe(name, 90)));
    expect(seconds.reduce((a, b) => a + b) / 2).toBeLessThan(180);
    expect(stepFactorFor(comparedNames, 10)).toBeCloseTo(2 * stepFactorFor(comparedNames, 5), 12);
    const long = comparedNames.map((name) =>
      expectedSeconds(recipe(name, 90, { stepFactor: stepFactorFor(comparedNames, 10) })),
    );
    expect(long.reduce((a, b) => a + b) / 2).toBeCloseTo(600, -1);
    // One model has one core.
    expect(expectedSeconds(recipe('lstm', 90, { stepFactor: stepFactorFor(['lstm'], 2) }))).toBeCloseTo(
      120,
      0,
    );
  });
});
