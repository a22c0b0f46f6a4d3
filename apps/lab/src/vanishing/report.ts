import { clock } from '../format.js';
import { escapeHtml, htmlTable, renderPage } from '../page.js';
import { vanishingScript } from './report-script.js';
import { decayTable, remedyTable } from './tables.js';
import type { VanishingResults } from './types.js';

/** Nats below which the plot is cut off, so that slow decays can be told apart. */
const lowest = -60;

/** The page of `vanishing`: plots and tables, and what the theory is computed from. */
export function vanishingReport(results: VanishingResults): string {
  const { settings, decay, remedies, baseline, seconds } = results;
  const { distance, hidden, draws, length, steps } = settings;
  const [slopes, learned] = [decayTable(decay), remedyTable(results)];
  return renderPage({
    title: 'Seq lab: vanishing gradients',
    body: `<h1>Vanishing gradients</h1>
<p class="lead">How much of a change of the state at position t is left at position T? Along the path it is multiplied by one Jacobian per step, so its logarithm falls, stays or grows along a line. The slope of that line decides what a recurrent model can learn.</p>

<h2>How far gradients reach</h2>
<p>Natural logarithm of the spectral norm of the Jacobian ∂h<sub>T</sub>/∂h<sub>t</sub>, exact and in f64: H backward passes through the steps themselves, at initialisation.
${hidden} units, inputs of the same width from N(0, 1), mean of ${draws} ${draws === 1 ? 'draw' : 'draws'} of weights and inputs, ${distance} positions before the first Jacobian. Of an LSTM, h<sub>t</sub> alone is moved, not its cell.
Solid: measured. Dashed: the slope of the theory. The plot ends at −${-lowest} nats; f32 ends at −103.</p>
<div class="chart tallest"><canvas id="decay" role="img" aria-label="Logarithm of the norm of the Jacobian over distance, for each model"></canvas></div>
<p>The slope is that of the least-squares line from distance ${decay[0]?.fitFrom ?? 1} to ${distance}.</p>
${htmlTable(slopes.head, slopes.rows)}
<h3>What the theory is computed from</h3>
<p>From the drawn weights and from what the gates did on the way; never from a Jacobian.</p>
<ul>
<li><b>Elman.</b> log ρ(W<sub>hh</sub>) + ½ log mean f′², with the spectral radius ρ of the drawn matrix and the slopes f′ at the states passed. For weights from U(±1/√H) ρ is about 1/√3, −0.55 nats; tanh, relu and sigmoid add what they flatten, the sigmoid at least log ¼. The linear network has f′ = 1, and its theory is exact in the limit (Gelfand's formula).</li>
<li><b>W = I with relu.</b> 0: a unit that is active all along hands its gradient on unchanged, and the norm is that of the best unit.</li>
<li><b>GRU, LSTM.</b> Unit i keeps the part a<sub>i</sub> of its value, log a<sub>i</sub> the mean of log z<sub>i</sub> or log f<sub>i</sub>, and the rest comes back through the gates and W<sub>hh</sub>, whose entries count as independent. The Jacobian of a step is then a diagonal plus a random matrix, and the outermost λ of its spectrum solves mean<sub>i</sub> s<sub>i</sub>² / (λ − a<sub>i</sub>)² = 1, where s<sub>i</sub>² is the mean square gain of what comes back into unit i. The slope is log λ. “The gate alone” is the mean of log z or log f, what is left without W<sub>hh</sub>.</li>
<li><b>Layer-normalised LSTM.</b> The same, with W<sub>hh</sub> divided by the standard deviation of W<sub>hh</sub> h, which makes weak weights strong, and the shown cell divided by its own.</li>
</ul>
<p>These are laws of wide networks: they take mean squares where single paths matter, and come out too high by some hundredths of a nat at ${hidden} units, by more where the recurrent way is strong (layer norm). The gap shrinks with <code>--hidden</code>.</p>

<h2>What helps</h2>
<p>The adding problem: ${length} numbers from U(0, 1), two of them marked, one in each half; the answer, after the last position, is the sum of those two. Always answering 1 has the mean squared error 1/6 ≈ ${baseline.toFixed(3)}; to do better, a gradient must get back to the first mark. ${steps} steps of Adam on fresh batches, one learning rate for all, ${hidden} units; each point is the mean training error since the one before.</p>
<div class="chart tallest"><canvas id="remedies" role="img" aria-label="Training curves on the adding problem, for each remedy"></canvas></div>
${htmlTable(learned.head, learned.rows)}
<ul>
<li><b>Clipping</b> bounds the norm of the gradient. It helps against gradients that explode and does nothing for those that vanish.</li>
<li><b>Initialisation.</b> W = I keeps the slope at 0, and now gradients can explode: it needs clipping too. Chrono init sets the forget gates of an LSTM for the range that is asked for.</li>
<li><b>Gating</b> lets the network decide what to keep. How much it keeps before it has learned to is again a matter of initialisation: a forget bias of 0 keeps half.</li>
</ul>

<h2>How to repeat it</h2>
<pre><code>${escapeHtml(settings.repeat)}</code></pre>
<p>Everything random comes from seed ${settings.seed}: the same program on the same kind of processor gives the same numbers, times apart. This run took ${clock(seconds)}.</p>
<details><summary>Settings</summary><pre><code>${escapeHtml(JSON.stringify(settings, null, 2))}</code></pre></details>`,
    data: {
      distance,
      steps,
      baseline,
      lowest,
      decay: decay.map(({ title, logNorm, fitFrom, theory }) => ({ title, logNorm, fitFrom, theory })),
      remedies: remedies.map(({ title, curve }) => ({ title, curve })),
    },
    script: vanishingScript,
  });
}
