import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { disposeTree, treeEntries } from '@seq/tensor';
import { randomCrops, startTraining } from '@seq/train';
import { loadModel } from './checkpoints.js';
import { generationPlan, measureCosts, trainingPlan } from './costs.js';
import { splitText } from './data.js';
import { EXIT, usageError } from './errors.js';
import type { ExitCode } from './errors.js';
import { bytes, count, nats, short } from './format.js';
import type { InspectFlags } from './program.js';
import { modelOf, recipe as recipeOf, recipeNames, recipeTitle } from './recipes.js';
import type { Recipe } from './recipes.js';
import { userFolder } from './runfolder.js';
import { columns, formatTable } from './table.js';
import { optimizerOf } from './learning.js';
import { loadText } from './text.js';

/** Shows the parameters and the costs of a checkpoint or a recipe; returns the exit code. */
export async function inspectCommand(name: string, flags: InspectFlags): Promise<ExitCode> {
  const file = resolve(userFolder(), name);
  const saved = existsSync(file) ? await loadModel(file) : undefined;
  if (saved && flags.vocabulary !== undefined)
    throw usageError(
      `--vocabulary: a checkpoint has its vocabulary, got ${flags.vocabulary} for "${name}". Leave the option out.`,
    );
  const own =
    saved?.extra.recipe ??
    recipeOf(
      name,
      flags.vocabulary ?? splitText(loadText({ kind: 'moby-dick' }).text).vocabulary.symbols.length,
    );
  const recipe: Recipe = { ...own, batch: flags.batch ?? own.batch, length: flags.length ?? own.length };
  const lm = modelOf(recipe.spec);
  const optimizer = optimizerOf(recipe, lm);
  const training = saved?.training ?? startTraining(lm, optimizer);
  const data = randomCrops(new Int32Array(recipe.length + 1), { B: recipe.batch, T: recipe.length });
  const costs = measureCosts(lm, recipe, optimizer, training, data);
  const parameters = treeEntries(training.params as unknown).map(([path, { shape, dtype, size }]) => ({
    path,
    shape,
    dtype,
    size,
  }));

  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ name: recipe.name, step: saved?.training.step ?? null, spec: recipe.spec, recipe, costs, parameters })}\n`,
    );
  } else {
    const { kernels, runs } = trainingPlan(lm, recipe, optimizer, training, data);
    const written = generationPlan(lm, training.params, recipe.length);
    const log = saved?.extra.log;
    const last = log?.curve.at(-1);
    const title = recipeNames.includes(recipe.name) ? `: ${recipeTitle(recipe.name)}` : '';
    const parts = [
      `${recipe.name}${title}${saved ? `\nTrained for ${count(saved.training.step)} of ${count(recipe.steps)} steps${last ? `, training loss ${nats(last.loss)}` : ''}.` : '\nA recipe, not trained yet.'}`,
      formatTable(columns('Parameters', 'shape', 'numbers'), [
        ...parameters.map(({ path, shape, size }) => [path, `[${shape.join(', ')}]`, count(size)]),
        null,
        ['in all', '', count(costs.params)],
      ]),
      formatTable(columns(`Costs (${recipe.batch} sequences of ${recipe.length} characters)`, ''), [
        ['memory of a training step, peak', bytes(costs.trainBytes)],
        ['FLOPs of a training step', short(costs.trainFlops)],
        ['  of these in matrix products', short(costs.trainMatmulFlops)],
        ['  per character', short(costs.trainFlops / (recipe.batch * recipe.length))],
        ['kernels of a training step', count(runs)],
        ['state of a sequence, floats', count(costs.stateFloats)],
        ['FLOPs of a generated character', short(costs.stepFlops)],
        ['kernels of a generated character', count(written.runs)],
      ]),
      formatTable(
        columns('Training step, most work first', 'result', 'runs', 'FLOPs', 'bytes'),
        kernels
          .slice(0, 12)
          .map((k) => [k.op, `[${k.shape.join(', ')}]`, count(k.count), short(k.flops), bytes(k.bytes)]),
      ),
    ];
    process.stdout.write(`${parts.join('\n\n')}\n`);
  }
  data.dispose();
  disposeTree([training.params, training.optState, training.key]);
  return EXIT.ok;
}
