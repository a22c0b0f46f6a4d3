import { bytes, clock, count, nats, short } from './format.js';
import { escapeHtml, htmlTable, renderPage } from './page.js';
import { pageScript } from './report-script.js';
import type { ModelResult, RunResults } from './types.js';

/** The report of a run: charts, tables and samples on one page. */
export function renderReport(results: RunResults, reproduce: string): string {
  const { text, floors, models, settings } = results;
  const best = [...models].sort((a, b) => a.validation - b.validation)[0];
  return renderPage({
    title: `Seq lab: ${text.title}`,
    body: `<h1>Sequence models on ${escapeHtml(text.title)}</h1>
<p class="lead">${summary(results, best)}</p>

<h2>What each model learned</h2>
<p>Mean negative log-likelihood over all ${count(text.validationCharacters)} validation characters, in nats per character: lower is better.
The grey bars are the floors, add-α n-grams counted on the same training text, with α fitted by leave-one-out likelihood on that text alone.</p>
<div class="chart" style="height: ${120 + 34 * (models.length + 3)}px"><canvas id="bars" role="img" aria-label="Validation loss of each model beside the n-gram floors"></canvas></div>
${learnedTable(results)}
${unknownNote(results)}

<h2>While they trained</h2>
<p>Training loss, averaged between two points (lines), and the loss on the first part of the validation split (dots).</p>
<div class="chart tall"><canvas id="curves" role="img" aria-label="Training curves"></canvas></div>

<h2>What each model costs</h2>
<p>Memory and FLOPs of a training step are read off the compiled plan: parameters, optimiser state, activations and gradients at their peak.
The state is what one sequence carries from character to character while it generates; the cache of attention holds as many characters as it was trained on, and when it is full, writing goes on from its last half.</p>
${costTable(models, results)}

<h2>What each model writes</h2>
<p>${count(settings.sample.characters)} characters, generated one step at a time from the same prompt at temperature ${settings.sample.temperature}, seed ${settings.seed}.</p>
${models.map((model) => sampleSection(model, settings.sample.prompt)).join('\n')}

<h2>How to repeat it</h2>
<pre><code>${escapeHtml(reproduce)}</code></pre>
<p>Everything random comes from seed ${settings.seed}, and step counts are fixed, so the same program on the same kind of processor gives the same numbers, times apart.
This run took ${clock(results.seconds)} on ${escapeHtml(results.machine.cpu)} (${results.machine.cores} cores), Node ${escapeHtml(results.machine.node)}, ${escapeHtml(results.machine.platform)}${results.machine.adapter === undefined ? '' : `; WebGPU: ${escapeHtml(results.machine.adapter)}`}.</p>
<details><summary>Settings</summary><pre><code>${escapeHtml(JSON.stringify(settings, null, 2))}</code></pre></details>`,
    data: {
      models: models.map(({ name, validation, curve }) => ({
        name,
        validation,
        curve,
        perStep: charactersPerStep(results, name),
      })),
      floors: { unigram: floors.unigram.nats, bigram: floors.bigram.nats, trigram: floors.trigram.nats },
    },
    script: pageScript,
  });
}

function charactersPerStep(results: RunResults, name: string): number {
  const recipe = results.settings.recipes.find((r) => r.name === name);
  return recipe ? recipe.batch * recipe.length : 1;
}

function summary({ text, models, floors, seconds }: RunResults, best: ModelResult | undefined): string {
  const size = `${count(text.characters)} characters, of which the last ${count(text.validationCharacters)} are for validation`;
  if (!best) return `${size}. No model finished.`;
  const gap = floors.bigram.nats - best.validation;
  const verdict = gap >= 0 ? `${nats(gap)} below` : `${nats(-gap)} above`;
  return `${models.length} ${models.length === 1 ? 'model' : 'models'} on ${size}, in ${clock(seconds)}. Best: <b>${escapeHtml(best.name)}</b> with ${nats(best.validation)} nats per character, ${verdict} the bigram floor of ${nats(floors.bigram.nats)}.`;
}

function unknownNote({ text }: RunResults): string {
  if (text.unknown === 0) return `<p>Every validation character occurs in the training text.</p>`;
  return `<p>${count(text.unknown)} validation characters do not occur in the training text; models and floors alike predict one symbol “unknown” in their place, which is easier than the character itself.</p>`;
}

function learnedTable({ models, floors, missing }: RunResults): string {
  const floor = (name: string, f: { nats: number; alpha: number }): string[] => [
    `${name} floor (α = ${f.alpha.toPrecision(2)})`,
    nats(f.nats),
    nats(floors.bigram.nats - f.nats),
    '',
    '',
  ];
  return htmlTable(
    ['', 'validation, nats/character', 'below the bigram floor', 'characters read', 'training time'],
    [
      ...models.map((m) => [
        m.name,
        nats(m.validation),
        nats(floors.bigram.nats - m.validation),
        count(m.characters),
        clock(m.seconds.train),
      ]),
      ...missing.map(({ name, reason }) => [`${name}: ${reason}`, '–', '–', '', '']),
      floor('unigram', floors.unigram),
      floor('bigram', floors.bigram),
      floor('trigram', floors.trigram),
    ],
  );
}

function costTable(models: readonly ModelResult[], { settings }: RunResults): string {
  return htmlTable(
    [
      '',
      'parameters',
      'step: sequences × length',
      'memory of a training step',
      'FLOPs of a training step',
      'per character',
      'state, floats',
      'FLOPs per generated character',
    ],
    models.map(({ name, costs }) => {
      const recipe = settings.recipes.find((r) => r.name === name)!;
      return [
        name,
        count(costs.params),
        `${recipe.batch} × ${recipe.length}`,
        bytes(costs.trainBytes),
        short(costs.trainFlops),
        short(costs.trainFlops / (recipe.batch * recipe.length)),
        count(costs.stateFloats),
        short(costs.stepFlops),
      ];
    }),
  );
}

function sampleSection({ name, sample, validation }: ModelResult, prompt: string): string {
  return `<section class="sample"><h3>${escapeHtml(name)} <small>${nats(validation)} nats/character</small></h3><blockquote><b>${escapeHtml(prompt)}</b>${escapeHtml(sample)}</blockquote></section>`;
}
