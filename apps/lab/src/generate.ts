import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { key } from '@seq/tensor';
import { loadModel } from './checkpoints.js';
import type { SavedModel } from './checkpoints.js';
import { decode, encode, UNKNOWN, vocabularyOf } from './data.js';
import { useDevice } from './device.js';
import { EXIT, inputError } from './errors.js';
import type { ExitCode } from './errors.js';
import { listenForInterrupts } from './interrupts.js';
import type { GenerateFlags } from './program.js';
import { modelOf, recipeNames } from './recipes.js';
import { latestRun, userFolder } from './runfolder.js';
import { writeTokens } from './write.js';

/** Prints what a trained model writes, as it is written; returns the exit code. */
export async function generateCommand(name: string, flags: GenerateFlags): Promise<ExitCode> {
  await useDevice(flags.device);
  const { spec, training, extra } = await findModel(name);
  const vocabulary = vocabularyOf(extra.vocabulary);
  const prompt = encode(vocabulary, flags.prompt);
  const unknown = [...flags.prompt].filter(
    (character) => character !== UNKNOWN && !vocabulary.index.has(character),
  );
  if (unknown.length > 0)
    process.stderr.write(
      `seq-lab: the model does not know ${[...new Set(unknown)].map((c) => JSON.stringify(c)).join(', ')}; it reads a symbol for "unknown" there.\n`,
    );
  const interrupts = listenForInterrupts();
  let written = '';
  try {
    process.stdout.write(flags.prompt);
    const draw = key(flags.seed);
    const tokens = writeTokens(modelOf(spec), training.params, prompt, {
      count: flags.characters,
      window: extra.recipe.length,
      temperature: flags.greedy ? 0 : flags.temperature,
      key: draw,
      signal: interrupts.stop,
      ...(flags.topK === undefined ? {} : { topK: flags.topK }),
      ...(flags.topP === undefined ? {} : { topP: flags.topP }),
    });
    for await (const token of tokens) {
      const character = decode(vocabulary, [token]);
      process.stdout.write(character);
      written += character;
      if (flags.stop !== undefined && written.endsWith(flags.stop)) break;
      // Signals and the terminal get their turn.
      await setTimeout(0);
    }
    process.stdout.write('\n');
    return interrupts.exitCode() ?? EXIT.ok;
  } finally {
    interrupts.release();
  }
}

/** The checkpoint that a user means: a file, or the name of a model in the latest run. */
export async function findModel(name: string): Promise<SavedModel & { readonly file: string }> {
  const base = userFolder();
  const file = resolve(base, name);
  if (existsSync(file)) return { ...(await loadModel(file)), file };
  if (!recipeNames.includes(name))
    throw inputError(
      `the model must be a checkpoint file or one of ${recipeNames.join(', ')}, got "${name}". Check the path.`,
    );
  const run = latestRun(base);
  const inRun = run === undefined ? undefined : join(run, `${name}.safetensors`);
  if (inRun === undefined || !existsSync(inRun)) {
    throw inputError(
      `the latest run must have a checkpoint of ${name}, got ${run === undefined ? 'no run' : `"${run}" without one`}. Train it first: seq-lab train ${name}.`,
    );
  }
  return { ...(await loadModel(inRun)), file: inRun };
}
