import { clock, count, percent } from '../format.js';
import { escapeHtml, htmlTable, renderPage } from '../page.js';
import type { Table } from '../vanishing/tables.js';
import { selectionScript } from './report-script.js';
import { copied, tasks, vocabSize } from './tasks.js';
import type { Task } from './tasks.js';
import type { SelectionResults } from './types.js';

/** Right answers on a task, for each length of the tests. */
export function selectionTable({ results, settings }: SelectionResults, task: Task): Table {
  const { lengths, factors } = settings;
  return {
    head: [
      task.title,
      'selects',
      'parameters',
      'state, floats',
      ...factors.map((f) => `${f * lengths[task.name]} tokens`),
      'seconds',
    ],
    rows: results
      .filter((r) => r.task === task.name)
      .map((r) => [
        r.title,
        r.selects ? 'yes' : 'no',
        count(r.params),
        count(r.stateFloats),
        ...r.accuracy.map(percent),
        r.seconds.toFixed(0),
      ]),
  };
}

const explained = {
  copying: `${copied} tokens stand at random places among noise; after a row of marks they are to be said in their order. Their distances differ from sequence to sequence, so a filter that is the same at all positions has to carry the noise as well.`,
  induction: `Random tokens, among them once a mark, and the mark again at the end: what stood behind it the first time? What is to be kept is known only by what stands before it.`,
};

/** The page of `selection`: what each mechanism learns of the two tasks, and how far it carries. */
export function selectionReport(results: SelectionResults): string {
  const { settings, chance, seconds } = results;
  const { steps, dModel, lengths, factors, tested } = settings;
  const part = (task: Task): string => {
    const { head, rows } = selectionTable(results, task);
    return `<h2>${task.title}</h2>
<p>${explained[task.name]} ${vocabSize} kinds of tokens; guessing gives ${percent(task.chance)}.</p>
<h3>While they trained</h3>
<p>Right answers on fresh sequences with a main part of ${lengths[task.name]} tokens, mean since the point before.</p>
<div class="chart tall"><canvas id="${task.name}-curves" role="img" aria-label="Training curves on ${task.title.toLowerCase()}"></canvas></div>
<h3>On longer sequences</h3>
<p>Right answers on ${count(tested)} sequences that training never saw, of the length of training and longer.</p>
<div class="chart tall"><canvas id="${task.name}-reach" role="img" aria-label="Right answers over the length of the sequence"></canvas></div>
${htmlTable(head, rows)}`;
  };
  return renderPage({
    title: 'Seq lab: selection',
    body: `<h1>What selection buys</h1>
<p class="lead">A state that does not grow must choose what it keeps. S4D, S5 and LRU fade and turn at rates that never change: they are filters. In Mamba the input sets the rates, so it can let some tokens in and pass over others.</p>
${tasks.map(part).join('\n\n')}

<h2>What is the same in all models</h2>
<p>Two layers of the mechanism, of width ${dModel}, in residual blocks without networks between them; ${steps} steps of Adam on fresh sequences, one schedule for all. A model may be short of steps as well as of means. Dashed: what cannot select. Grey: attention, which keeps everything.</p>

<h2>How to repeat it</h2>
<pre><code>${escapeHtml(settings.repeat)}</code></pre>
<p>Everything random comes from seed ${settings.seed}: the same program on the same kind of processor gives the same numbers, times apart. This run took ${clock(seconds)}.</p>
<details><summary>Settings</summary><pre><code>${escapeHtml(JSON.stringify(settings, null, 2))}</code></pre></details>`,
    data: {
      steps,
      lengths,
      factors,
      chance,
      results: results.results.map(({ task, name, title, selects, curve, accuracy }) => ({
        task,
        name,
        title,
        selects,
        curve,
        accuracy,
      })),
    },
    script: selectionScript,
  });
}
