import pc from 'picocolors';
import { EXIT } from '../errors.js';
import type { ExitCode } from '../errors.js';
import type { VanishingFlags } from '../program.js';
import { beginStudy, repeatCommand } from '../study.js';
import { baseline, remedies, trainRemedy } from './adding.js';
import { measureDecay } from './measure.js';
import { vanishingReport } from './report.js';
import { subjects } from './subjects.js';
import { decayTable, remedyTable, signed } from './tables.js';
import type { DecayResult, RemedyResult, VanishingResults, VanishingSettings } from './types.js';

/** About two minutes on two cores, and a few seconds. */
const usual = { distance: 100, hidden: 32, draws: 6, length: 40, steps: 600 };
const quick = { distance: 40, hidden: 16, draws: 2, length: 20, steps: 60 };

/** Measures how far gradients reach and what helps; writes results and report, returns the exit code. */
export async function vanishingCommand(flags: VanishingFlags): Promise<ExitCode> {
  const settings = settingsOf(flags);
  const study = beginStudy(flags);
  const decay: DecayResult[] = [];
  study.tell({ type: 'started', settings }, pc.dim(`Jacobians over ${settings.distance} positions …`));
  for (const subject of subjects) {
    const result = await measureDecay(subject, settings);
    decay.push(result);
    study.tell({ type: 'decay', ...result }, `  ${result.title}: ${signed(result.slope)} nats per step`);
  }
  const trained: RemedyResult[] = [];
  study.tell({ type: 'remedies' }, pc.dim(`The adding problem, ${settings.length} positions …`));
  for (const remedy of remedies) {
    const result = await trainRemedy(remedy, settings);
    trained.push(result);
    study.tell(
      { type: 'remedy', ...result },
      `  ${result.title}: ${result.test?.toPrecision(2) ?? 'no number'}`,
    );
  }

  const results: VanishingResults = {
    version: 1,
    settings,
    decay,
    remedies: trained,
    baseline,
    seconds: study.seconds(),
  };
  study.end(results, vanishingReport(results), [decayTable(decay), remedyTable(results)]);
  return EXIT.ok;
}

function settingsOf(flags: VanishingFlags): VanishingSettings {
  const preset = flags.quick ? quick : usual;
  const sizes = Object.fromEntries(
    Object.entries(preset).map(([name, value]) => [name, flags[name as keyof typeof preset] ?? value]),
  ) as typeof preset;
  const given = Object.fromEntries(
    (['seed', ...Object.keys(preset)] as (keyof typeof preset)[]).map((name) => [name, flags[name]]),
  );
  return { seed: flags.seed ?? 0, ...sizes, repeat: repeatCommand('vanishing', flags.quick, given) };
}
