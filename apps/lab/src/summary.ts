import pc from 'picocolors';
import { bytes, clock, count, nats, short } from './format.js';
import type { Floor, Floors } from './ngram.js';
import { columns, formatTable } from './table.js';
import type { RunResults, TextSummary } from './types.js';

/** What the text is and what the floors are; printed before training. */
export function textHeader(text: TextSummary, floors: Floors): string {
  const unknown =
    text.unknown === 0
      ? ''
      : ` (${count(text.unknown)} of them characters that training never saw, read as one symbol "unknown")`;
  return [
    `${pc.bold(text.title)}: ${count(text.characters)} characters, ${text.vocabSize - 1} different ones in the training part.`,
    `Validation is the last ${count(text.validationCharacters)} characters${unknown}.`,
    `Floors, nats per character there: unigram ${nats(floors.unigram.nats)}, bigram ${nats(floors.bigram.nats)}, trigram ${nats(floors.trigram.nats)}.`,
  ].join('\n');
}

/** The tables at the end of a run: what each model learned and what it costs. */
export function resultTables(results: RunResults): string {
  return `${learned(results)}\n\n${costs(results)}`;
}

function learned({ models, floors, missing }: RunResults): string {
  const below = (x: number): string => nats(floors.bigram.nats - x);
  const floor = (name: string, { nats: x, alpha }: Floor): string[] => [
    pc.dim(`${name} (α = ${alpha.toPrecision(2)})`),
    nats(x),
    below(x),
    '',
    '',
  ];
  return formatTable(
    columns(
      'What each learned',
      'nats per character,\nwhole validation split',
      'below the\nbigram floor',
      'characters\nread',
      'training\ntime',
    ),
    [
      ...models.map((m) => [
        pc.bold(m.name),
        nats(m.validation),
        below(m.validation),
        count(m.characters),
        clock(m.seconds.train),
      ]),
      ...missing.map(({ name, reason }) => [name, '–', '–', reason, '']),
      null,
      floor('unigram', floors.unigram),
      floor('bigram', floors.bigram),
      floor('trigram', floors.trigram),
    ],
  );
}

function costs({ models }: RunResults): string {
  return formatTable(
    columns(
      'What each costs',
      'parameters',
      'memory of a\ntraining step',
      'FLOPs of a\ntraining step',
      'state,\nfloats',
      'FLOPs per\ngenerated char',
    ),
    models.map(({ name, costs: c }) => [
      pc.bold(name),
      count(c.params),
      bytes(c.trainBytes),
      short(c.trainFlops),
      count(c.stateFloats),
      short(c.stepFlops),
    ]),
  );
}

/** The sample of each model under its name. */
export function samples(results: RunResults): string {
  const { prompt, characters } = results.settings.sample;
  return [
    `What each writes after "${prompt.replaceAll('\n', '⏎')}" (${characters} characters, one step at a time):`,
    ...results.models.map(({ name, sample }) => `\n${pc.bold(name)}\n${indent(prompt + sample)}`),
  ].join('\n');
}

/** Two spaces before every line, lines broken between words at 78 columns. */
function indent(text: string): string {
  return text
    .split('\n')
    .flatMap((line) => wrap(line, 76))
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}

function wrap(line: string, columns: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > columns) {
    const space = rest.lastIndexOf(' ', columns);
    const at = space > 0 ? space : columns;
    lines.push(rest.slice(0, at));
    rest = rest.slice(space > 0 ? at + 1 : at);
  }
  return [...lines, rest];
}
