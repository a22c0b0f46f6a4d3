import { resolve } from 'node:path';
import { encode, splitText, vocabularyOf } from './data.js';
import { useDevice } from './device.js';
import { EXIT } from './errors.js';
import type { ExitCode } from './errors.js';
import { count, nats } from './format.js';
import { findModel } from './generate.js';
import { listenForInterrupts } from './interrupts.js';
import { ngramFloors } from './ngram.js';
import type { EvalFlags } from './program.js';
import { modelOf } from './recipes.js';
import { userFolder } from './runfolder.js';
import { columns, formatTable } from './table.js';
import { validate } from './learning.js';
import { loadText } from './text.js';
import type { TextSource } from './text.js';

/**
 * Measures a trained model over a whole validation split, beside the n-gram floors; returns the exit code.
 *
 * On another text than it was trained on, the model keeps its own vocabulary: characters that it does not know count as
 * its symbol "unknown". The floors are always counted on the first nine tenths of the text that is measured.
 */
export async function evaluateCommand(name: string, flags: EvalFlags): Promise<ExitCode> {
  await useDevice(flags.device);
  const { spec, training, extra, file } = await findModel(name);
  const source: TextSource =
    flags.text === undefined ? extra.text : { kind: 'file', path: resolve(userFolder(), flags.text) };
  const text = loadText(source);
  const split = splitText(text.text, extra.validationShare);
  const tokens = encode(vocabularyOf(extra.vocabulary), text.text).subarray(split.cut - 1);
  const unknown = tokens.subarray(1).reduce((n, token) => n + (token === 0 ? 1 : 0), 0);
  const interrupts = listenForInterrupts();
  const validation = await validate(
    modelOf(spec),
    training.params,
    tokens,
    extra.recipe.length,
    interrupts.stop,
  ).finally(() => interrupts.release());
  if (validation === undefined) return interrupts.exitCode() ?? EXIT.interrupted;
  const floors = ngramFloors(split.tokens, split.cut, split.vocabulary.symbols.length);
  const trainedOn = text.sha256 === extra.sha256;
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ file, name: extra.recipe.name, step: training.step, text: text.title, sameText: trainedOn, characters: split.validationCharacters, unknown, validation, floors })}\n`,
    );
    return EXIT.ok;
  }
  const lines = [
    `${extra.recipe.name} after ${count(training.step)} steps, on the last ${count(split.validationCharacters)} characters of ${text.title}${trainedOn ? '' : ', a text that it was not trained on'}.`,
    ...(unknown > 0 ? [`${count(unknown)} of them are characters that the model does not know.`] : []),
    '',
    formatTable(
      columns('', 'nats per character', 'bits per character'),
      [
        [extra.recipe.name, validation] as const,
        null,
        ['unigram floor', floors.unigram.nats] as const,
        ['bigram floor', floors.bigram.nats] as const,
        ['trigram floor', floors.trigram.nats] as const,
      ].map((row) => row && [row[0], nats(row[1]), nats(row[1] / Math.LN2)]),
    ),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.ok;
}
